"""The commands: arguments in, exit code out, and every error that a person can mend as one sentence.

``livecomposer play|ports|doctor|learn|calibrate|tastes|takes|export|replay|practice|bench``; each command's work is in
its own module, imported when it is chosen.
"""

import argparse
import os
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any, NoReturn

from livecomposer.errors import LivecomposerError, SettingsError, TasteError
from livecomposer.settings import ROLES, Settings, collect, flag_of, parse, strange_variables, user_dir

BENCHES = (
    "latency",
    "jitter",
    "guard",
    "decide",
    "listener",
    "music",
    "score",
    "taste",
    "words",
    "kill",
    "studio",
    "learn",
    "speed",
)


def main(argv: list[str] | None = None) -> int:
    """Run a command; returns 0, 1 (a check failed), 2 (something to mend) or 130 (Ctrl-C)."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # a terminal that cannot show ↑ must not stop the music
    parser = _parser()
    args = parser.parse_args(argv)
    try:
        code = _run(args)
        sys.stdout.flush()
        return code
    except LivecomposerError as error:
        from livecomposer.desk.screen import as_called

        print(f"livecomposer: {as_called(str(error))}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        from livecomposer.quiet import drop

        drop(sys.stdout)
        return 0


def _run(args: argparse.Namespace) -> int:
    from livecomposer.desk.probes import refuse_wedged

    if args.command == "play":
        from livecomposer.desk.app import play

        settings = _settings(args)
        refuse_wedged(settings.api)
        return play(settings)
    if args.command == "ports":
        from livecomposer.desk.doctor import ports_command

        refuse_wedged(args.api or "")
        return ports_command(args.api or "", args.json)
    if args.command == "doctor":
        from livecomposer.desk.doctor import doctor_command

        return doctor_command(args.json)
    if args.command == "learn":
        from livecomposer.desk.teach import learn_command

        refuse_wedged(args.api or "")
        return learn_command(args.midi_in or "", args.api or "", args.name or "", args.tastes)
    if args.command == "calibrate":
        from livecomposer.desk.calibrate import calibrate_command

        refuse_wedged(args.api or "")
        return calibrate_command(args)
    if args.command == "tastes":
        from livecomposer.desk.tastes import tastes_command
        from livecomposer.desk.wiring import prepare_cache

        prepare_cache()
        return tastes_command(args)
    if args.command in ("takes", "export", "replay"):
        from livecomposer.desk import takes
        from livecomposer.desk.wiring import prepare_cache

        if args.command == "takes":
            return takes.takes_command(args)
        if args.command == "export":
            return takes.export_command(args)
        prepare_cache()
        return takes.replay_command(args)
    if args.command == "practice":
        return _practice(args)
    from livecomposer import bench

    return bench.run(args)


def _practice(args: argparse.Namespace) -> int:
    from livecomposer.desk.wiring import kernels_made, note_kernels, prepare_cache

    prepare_cache()
    kernels = f"practice-{args.agent}" if args.agent else "practice"
    if not kernels_made(kernels):
        print("… preparing kernels (first time: one to two minutes)", file=sys.stderr, flush=True)
    if args.agent:
        from livecomposer.practice_agents import practice_agent_command

        code = practice_agent_command(args, _liked)
    else:
        from livecomposer.practice import practice_command

        code = practice_command(args)
    note_kernels(kernels)
    return code


def _liked(name: str) -> Any:
    """What a taste, by its name or file, finds each feature worth, float64[N_FEATURES]."""
    from livecomposer.desk.files import taste_path
    from livecomposer.desk.tastes import read, understand

    path = Path(name) if name.endswith(".npz") else taste_path(user_dir(), name)
    if not path.exists():
        raise SettingsError(f'taste = "{name}": there is no {path}; play and rate first, or leave --taste out')
    known = understand(read(path), str(path))
    if known.taste is None:
        raise TasteError(f"{path} was learnt by agent {known.agent!r}, which keeps no taste to practise by")
    return known.taste.mean.copy()


def _settings(args: argparse.Namespace) -> Settings:
    """The settings of ``play``. What ``--model`` and ``--prior`` name is checked, and a model brings its agent unless
    another is named beside it."""
    from livecomposer.desk.files import check_prior, model_agent

    given = {spec.name: getattr(args, spec.name) for spec in fields(Settings) if getattr(args, spec.name) is not None}
    given = {name: parse(name, value) if isinstance(value, str) else value for name, value in given.items()}
    for sentence in strange_variables(os.environ):
        print(f"Warning: {sentence}{'' if sentence.endswith('?') else '.'}", file=sys.stderr)
    settings = collect(given, os.environ, user_dir(), Path.cwd())
    check_prior(settings.prior)
    agent = model_agent(settings.model) if settings.model else settings.agent
    if agent != settings.agent and "agent" in given:
        raise SettingsError(
            f"model {settings.model!r} is of agent {agent}, not {settings.agent}; leave out --agent, or name {agent}"
        )
    if agent != settings.agent:
        print(f"The model {settings.model!r} is of agent {agent}: that agent plays.", flush=True)
    return settings.with_(agent=agent)


class _Parser(argparse.ArgumentParser):
    """A parser whose mistakes are one sentence."""

    def error(self, message: str) -> NoReturn:
        """End the program."""
        self.exit(2, f"{self.prog}: {message}; --help lists what there is\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="livecomposer", description="A MIDI instrument that plays with you and learns from your ratings."
    )
    from livecomposer import __version__

    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    play = commands.add_parser("play", help="play", description="Play. Ratings: ↑ → like, ↓ ← dislike; ? lists keys.")
    for spec in fields(Settings):
        _add(play, spec)
    listing = commands.add_parser("ports", help="list MIDI ports and the profiles that match them")
    listing.add_argument("--api", choices=("jack", "alsa", "coremidi", "winmm"))
    listing.add_argument("--json", action="store_true", help="for programs")
    doctor = commands.add_parser("doctor", help="check this machine, one line a check")
    doctor.add_argument("--json", action="store_true", help="for programs")
    learn = commands.add_parser("learn", help="teach it which controls mean yes, no, undo and panic")
    learn.add_argument("--in", dest="midi_in", metavar="REGEX", help="MIDI input whose name matches this regex")
    learn.add_argument("--api", choices=("jack", "alsa", "coremidi", "winmm"))
    learn.add_argument("--name", help="name of the profile (default: the port's)")
    learn.add_argument("--tastes", action="store_true", help="which program changes choose a taste, and nothing else")
    calibrate = commands.add_parser("calibrate", help="measure how late you press, in half a minute")
    calibrate.add_argument("--in", dest="midi_in", metavar="REGEX", help="MIDI input whose name matches this regex")
    calibrate.add_argument("--out", dest="midi_out", metavar="REGEX", help="MIDI output whose name matches this regex")
    calibrate.add_argument("--api", choices=("jack", "alsa", "coremidi", "winmm"))
    calibrate.add_argument("--sound", choices=("auto", "on", "off"), help="built-in sound")
    calibrate.add_argument("--json", action="store_true", help="for programs")
    _add_tastes(commands)
    _add_takes(commands)
    practice = commands.add_parser("practice", help="train what it knows before you rate, by the rules of music")
    practice.add_argument("--agent", help="an agent that learns by a taste and the rules (default: the prior itself)")
    practice.add_argument("--taste", metavar="NAME", help="with --agent: whose liking is the reward beside the rules")
    practice.add_argument("--role", choices=ROLES, help="with --agent: what is practised (default: all four)")
    practice.add_argument("--seeds", type=int, default=1, metavar="N", help="with --agent: try several, keep the best")
    practice.add_argument("--steps", type=int, help="events to train for (default: 20000000; with --agent 1000000)")
    practice.add_argument("--minutes", type=float, help="end after so many minutes (default: no limit)")
    practice.add_argument("--seed", type=int, default=1, help="same seed, same steps: same prior (default: 1)")
    practice.add_argument("--out", help="where to write it (default: prior.npz, or the agent's name)")
    practice.add_argument("--rules", help="a TOML file with weights of the rules")
    practice.add_argument("--resume", action="store_true", help="go on from what --out holds")
    practice.add_argument("--force", action="store_true", help="replace what --out holds")
    practice.add_argument("--plot", metavar="PNG", help="the learning curve as a picture")
    practice.add_argument("--json", action="store_true", help="for programs")
    bench = commands.add_parser("bench", help="measure; each bench compares in one run")
    bench.add_argument("bench", choices=BENCHES)
    bench.add_argument("--json", action="store_true", help="for programs")
    bench.add_argument("--short", action="store_true", help="fewer repetitions (for CI)")
    bench.add_argument("--out", metavar="DIR", help="music, score: where the files go")
    bench.add_argument("--plot", metavar="PNG", help="taste, learn: the learning curves as a picture")
    bench.add_argument("--seeds", type=int, metavar="N", help="taste: lessons of each kind with each listener")
    bench.add_argument("--jobs", type=int, metavar="N", help="taste: processes (default: one a core)")
    bench.add_argument("--agents", action="store_true", help="taste, music: all agents, rated and after practice")
    bench.add_argument("--env", metavar="NAME", help="learn: a Gymnasium environment (default: CartPole-v1)")
    bench.add_argument("--agent", metavar="NAME", help="learn, latency: which agent (default: ppo; latency: dyna-q)")
    bench.add_argument("--steps", type=int, metavar="N", help="learn: steps of the environment (default: 100000)")
    bench.add_argument("--seed", type=int, metavar="N", help="learn: same seed, same result (default: 1)")
    bench.add_argument("--hyper", action="append", metavar="NAME=VALUE", help="learn: a hyper-parameter of the agent")
    return parser


def _add_tastes(commands: Any) -> None:
    """``tastes`` and what can be done with them; without anything it lists them."""
    tastes = commands.add_parser("tastes", help="what it has learnt of you: list, explain, test, copy, move")
    tastes.add_argument("--json", action="store_true", help="for programs")
    whats = tastes.add_subparsers(dest="what", metavar="what")
    programs = {"default": argparse.SUPPRESS, "action": "store_true", "help": "for programs"}
    whats.add_parser("list", help="every taste, its agent, ratings and size").add_argument("--json", **programs)
    explain = whats.add_parser("explain", help="what was learnt, in words, with how sure that is")
    explain.add_argument("name")
    explain.add_argument("--json", **programs)
    explain.add_argument("--plot", metavar="PNG", help="the same as a picture")
    test = whats.add_parser("test", help="a blind test: do you prefer what it plays to your taste?")
    test.add_argument("name")
    test.add_argument("--pairs", type=int, default=12, help="phrases to compare (default: 12 pairs)")
    test.add_argument("--seed", type=int, default=-1, help="same seed: same test (-1: a new one each time)")
    test.add_argument("--listener", metavar="NAME", help="a simulated listener answers, such as falling thirds")
    test.add_argument("--json", **programs)
    for what, text in (("copy", "keep another under a new name"), ("rename", "call it otherwise")):
        two = whats.add_parser(what, help=text)
        two.add_argument("old")
        two.add_argument("new")
    whats.add_parser("reset", help="begin anew; what was learnt is set aside").add_argument("name")
    export = whats.add_parser("export", help="write it to a file")
    export.add_argument("name")
    export.add_argument("file")
    export.add_argument("--force", action="store_true", help="replace a file that is there")
    taken = whats.add_parser("import", help="take in a file that export has written")
    taken.add_argument("file")
    taken.add_argument("name", nargs="?", help="what to call it (default: the file's name)")
    taken.add_argument("--replace", action="store_true", help="set aside a taste of that name")


def _add_takes(commands: Any) -> None:
    """``takes``, ``export`` and ``replay``."""
    takes = commands.add_parser("takes", help="what has been recorded: list, rename, star, delete, undo")
    takes.add_argument("--json", action="store_true", help="for programs")
    whats = takes.add_subparsers(dest="what", metavar="what")
    listing = whats.add_parser("list", help="every take: length, notes, ratings, mean liking")
    listing.add_argument("--json", default=argparse.SUPPRESS, action="store_true", help="for programs")
    rename = whats.add_parser("rename", help="call it otherwise")
    rename.add_argument("take", type=int)
    rename.add_argument("name")
    for what, text in (("star", "mark it"), ("unstar", "not any more"), ("delete", "put it away for 30 days")):
        whats.add_parser(what, help=text).add_argument("take", type=int)
    whats.add_parser("undo", help="bring back the take that was deleted last")
    export = commands.add_parser("export", help="write a take as .mid, .wav or .csv")
    export.add_argument("take", type=int, help="its number in `livecomposer takes`")
    for kind, text in (("mid", "MIDI file (default)"), ("wav", "what sounded"), ("csv", "every event as a table")):
        export.add_argument(f"--{kind}", nargs="?", const="", metavar="FILE", help=text)
    export.add_argument("--force", action="store_true", help="replace files that are there")
    replay = commands.add_parser("replay", help="play a take again, or verify it")
    replay.add_argument("take", type=int, help="its number in `livecomposer takes`")
    replay.add_argument("--out", dest="midi_out", metavar="REGEX", help="play it on this MIDI output")
    replay.add_argument("--api", choices=("jack", "alsa", "coremidi", "winmm"))
    replay.add_argument("--verify", action="store_true", help="does the instrument play the same bytes from its log?")
    replay.add_argument("--json", action="store_true", help="with --verify: for programs")


def _add(parser: argparse.ArgumentParser, spec: Any) -> None:
    limits = spec.metadata
    flag = f"--{flag_of(spec.name)}"
    text = limits["help"].replace("%", "%%")
    if isinstance(spec.default, bool):
        parser.add_argument(flag, dest=spec.name, default=None, action=argparse.BooleanOptionalAction, help=text)
        return
    shown = f" (default: {spec.default})" if spec.default not in ("", -1) else ""
    kind = type(spec.default)
    name = "|".join(choice for choice in limits["choices"] if choice) if "choices" in limits else kind.__name__.upper()
    parser.add_argument(flag, dest=spec.name, default=None, help=text + shown, metavar=name)
