"""Every setting, once: its default, range and help; from here come TOML keys, flags and environment variables.

``Settings`` is frozen and travels to every process; ``cli`` builds it by :func:`collect` (flag > environment >
project file > user file > built-in). Numba-free.
"""

import difflib
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from livecomposer.errors import SettingsError
from livecomposer.music.chart import parse_changes
from livecomposer.music.metre import parse_metre
from livecomposer.music.theory import parse_key

ROLES = ("harmonize", "duet", "answer", "solo")
PARTS = ("line", "comp", "bass")
AGENTS = (
    "dyna-q", "q", "sarsa", "expected-sarsa", "q-lambda", "sarsa-lambda", "dqn", "reinforce", "a2c", "a3c", "ppo",
)  # fmt: skip
PROJECT_FILE = "livecomposer.toml"
USER_FILE = "settings.toml"
DELAY_FILE = "calibration.toml"  # written by calibrate
PREFIX = "LIVECOMPOSER_"
NO_SETTINGS = ("HOME", "VENV", "COMMAND")  # variables that are none: the last two are run_live.py's


def _setting(default: Any, help_: str, **limits: Any) -> Any:
    """A field with its help and limits: ``low``/``high``, ``choices``, ``flag`` (default: the name, dashed)."""
    return field(default=default, metadata={"help": help_, **limits})


@dataclass(frozen=True, slots=True)
class Settings:
    """What a performance is to be. Channels are 1-16 here (people read them) and 0-15 everywhere else.

    Raises
    ------
    SettingsError
        One sentence naming the setting and what is allowed.
    """

    # music
    role: str = _setting("duet", "what the agent does", choices=ROLES)
    key: str = _setting("C major", 'key and scale, such as "D dorian", or "auto": follow the player')
    tempo: float = _setting(112.0, "beats per minute", low=30.0, high=300.0)
    metre: str = _setting("4/4", "beats in a bar, such as 3/4, 6/8, 5/4, 7/8")
    changes: str = _setting("", 'chords to play over, "| Dm7 | G7 | Cmaj7 | % |", or "capture 4": your first 4 bars')
    split: int = _setting(-1, "keys below this note steer the harmony (-1: by ear, 0: none)", low=-1, high=127)
    low: int = _setting(48, "lowest note the agent plays (MIDI number)", low=0, high=115)
    high: int = _setting(84, "highest note the agent plays (MIDI number)", low=12, high=127)
    part: str = _setting("line", "in duet: a line, chords in time, or a bass", choices=PARTS)
    scale_mask: bool = _setting(True, "notes outside the scale only by the knob outside")
    outside: float = _setting(0.0, "chromatic approach notes, 0 to 1", low=0.0, high=1.0)
    swing: float = _setting(0.0, "how late off-beat eighths come, 0 even to 1 triplet", low=0.0, high=1.0)
    humanise: float = _setting(0.0, "loose timing and touch, 0 to 1", low=0.0, high=1.0)
    articulation: float = _setting(0.92, "how much of a note's length sounds", low=0.2, high=1.0)
    keep: str = _setting("top", "in harmonize your key stays the top or the bottom", choices=("top", "bottom"))
    trade_bars: int = _setting(0, "in answer: trade this many bars (0: a call ends when you pause)", low=0, high=16)
    # under the fingers
    player_channel: int = _setting(1, "MIDI channel of the player's sound", low=1, high=16)
    agent_channel: int = _setting(2, "MIDI channel of the agent's sound", low=1, high=16)
    share_sound: bool = _setting(False, "in harmonize the agent plays with the player's own sound")
    player_program: int = _setting(-1, "program sent for the player at start (-1: none)", low=-1, high=127)
    agent_program: int = _setting(-1, "program sent for the agent at start (-1: none)", low=-1, high=127)
    player_level: int = _setting(-1, "CC 7 sent for the player at start (-1: none)", low=-1, high=127)
    agent_level: int = _setting(-1, "CC 7 sent for the agent at start (-1: none)", low=-1, high=127)
    thru: str = _setting("auto", "pass the player's own notes on", choices=("auto", "on", "off"))
    click: bool = _setting(False, "let the beat be heard")
    click_channel: int = _setting(10, "MIDI channel of the click", low=1, high=16)
    count_in: bool = _setting(True, "one bar of clicks before a duet")
    clock: str = _setting(
        "auto", "obey MIDI clock: auto after Start, always, or never", choices=("auto", "external", "internal")
    )
    # learning
    agent: str = _setting("dyna-q", "how it learns", choices=AGENTS)
    policy: str = _setting("softmax", "how it explores", choices=("softmax", "epsilon-greedy"))
    prior: str = _setting("shipped", "what it knows before you rate: shipped, none, or a model file of practice")
    model: str = _setting("", "begin with what an agent has learnt in practice (its file)")
    theory: float = _setting(0.0, "how much the rules of music count as reward beside ratings", low=0.0, high=1.0)
    explore: bool = _setting(True, "try what is not known to be liked (dyna-q; else it plays what is likeliest)")
    adventure: float = _setting(0.5, "how much it explores, 0 to 1", low=0.0, high=1.0)
    delay: float = _setting(0.8, "how late you press a rating, s (calibrate measures it)", low=0.2, high=1.6)
    delay_spread: float = _setting(0.358, "and how much that varies, s", low=0.05, high=1.0)
    held: bool = _setting(False, "start HELD: play without learning")
    stage: bool = _setting(False, "on stage: start HELD, and say so")
    seed: int = _setting(-1, "random seed (-1: a new one each time)", low=-1, high=2**31 - 1)
    taste: str = _setting("mine", "name under which what it learns is kept")
    # real time
    budget_ms: float = _setting(5.0, "latency budget from key to decision sent, ms", low=0.2, high=100.0)
    # where it plugs in
    midi_in: str = _setting("", "MIDI input whose name matches this regex", flag="in")
    midi_out: str = _setting("", "MIDI output whose name matches this regex", flag="out")
    api: str = _setting("", "MIDI system", choices=("", "jack", "alsa", "coremidi", "winmm"))
    virtual: bool = _setting(False, 'open virtual ports "livecomposer in" and "livecomposer out"')
    sound: str = _setting("auto", "built-in sound: auto when no synth is plugged in", choices=("auto", "on", "off"))
    player: str = _setting("auto", "who plays without a keyboard", choices=("auto", "virtual", "keys", "none"))
    # the run
    seconds: float = _setting(0.0, "end by itself after this many seconds (0: never)", low=0.0, high=86400.0)
    render: str = _setting("", "write what sounded to this WAV file at the end")
    export: str = _setting("", "write both parts to this MIDI file at the end")
    save_minutes: float = _setting(5.0, "how much the key c saves as a MIDI file", low=0.1, high=600.0)
    page: bool = _setting(True, "a page in the browser, at the address printed at the start")
    page_port: int = _setting(0, "port of the page on this machine (0: any that is free)", low=0, high=65535)
    plain: bool = _setting(False, "plain log lines instead of a status line")

    def __post_init__(self) -> None:
        for spec in fields(self):
            check(spec.name, getattr(self, spec.name))
        if self.high - self.low < 12:
            raise SettingsError(
                f"low = {self.low} and high = {self.high} leave less than an octave for the agent; "
                "set them at least 12 apart"
            )

        parse_changes(self.changes, parse_metre(self.metre))

    @property
    def first_key(self) -> str:
        """The key to begin in: the one set, or C major until the player's has been heard."""
        return "C major" if self.key == "auto" else self.key

    def with_(self, **changes: Any) -> "Settings":
        """A copy with some settings changed (checked again)."""
        return replace(self, **changes)


_FIELDS = {spec.name: spec for spec in fields(Settings)}


def flag_of(name: str) -> str:
    """The command-line flag of a setting: ``midi_in`` → ``in``, ``budget_ms`` → ``budget-ms``."""
    return str(_FIELDS[name].metadata.get("flag", name)).replace("_", "-")


def variable_of(name: str) -> str:
    """The environment variable of a setting: ``midi_in`` → ``LIVECOMPOSER_IN``."""
    return f"{PREFIX}{flag_of(name).replace('-', '_').upper()}"


def strange_variables(environ: Mapping[str, str]) -> list[str]:
    """A sentence for each variable that looks like ours and is no setting."""
    known = tuple(variable_of(name) for name in _FIELDS)
    others = {f"{PREFIX}{name}" for name in NO_SETTINGS}
    found = sorted(name for name in environ if name.startswith(PREFIX) and name not in others.union(known))
    sentences = []
    for name in found:
        tails = [variable.removeprefix(PREFIX) for variable in known]
        close = difflib.get_close_matches(name.removeprefix(PREFIX), tails, 1)  # all of them begin alike
        meant = f"; did you mean {PREFIX + close[0]!r}?" if close else ""
        sentences.append(f"environment variable {name} is no setting and is not used{meant}")
    return sentences


def check(name: str, value: Any) -> None:
    """Raise SettingsError unless ``value`` has the setting's type and lies in its range."""
    spec = _FIELDS[name]
    limits = spec.metadata
    wanted = spec.type if isinstance(spec.type, type) else type(spec.default)
    number = isinstance(value, int | float) and not isinstance(value, bool)
    fits = number if wanted is float else isinstance(value, wanted) and (wanted is not int or number)
    if not fits:
        words = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}
        raise SettingsError(f"{flag_of(name)} = {value!r} is not {words[wanted]}")
    if name == "key" and value != "auto":
        parse_key(value)
    elif name == "metre":
        parse_metre(value)
    if "choices" in limits and value not in limits["choices"]:
        raise SettingsError(
            f"{flag_of(name)} = {value!r} is not one of {', '.join(c or 'automatic' for c in limits['choices'])}"
            f"{_nearest(str(value), limits['choices'])}"
        )
    if "low" in limits and not limits["low"] <= value <= limits["high"]:
        raise SettingsError(f"{flag_of(name)} = {value} is outside {limits['low']:g} to {limits['high']:g}")


def parse(name: str, text: str) -> Any:
    """A setting's value from the text of a flag or environment variable."""
    kind: type = type(_FIELDS[name].default)
    if kind is bool:
        lowered = text.strip().lower()
        if lowered in ("1", "true", "yes", "on"):
            return True
        if lowered in ("0", "false", "no", "off", ""):
            return False
        raise SettingsError(f"{flag_of(name)} = {text!r} is not yes or no")
    try:
        return kind(text)
    except ValueError:
        raise SettingsError(f"{flag_of(name)} = {text!r} is not {'a whole ' if kind is int else 'a '}number") from None


def collect(flags: Mapping[str, Any], environ: Mapping[str, str], user_dir: Path, project_dir: Path) -> Settings:
    """Settings from all sources: flag > environment > project file > user file > what was calibrated > built-in.

    ``flags`` holds only what was given (name → value). Raises SettingsError naming the source of a bad value.
    """
    chosen: dict[str, Any] = {}
    for path in (user_dir / DELAY_FILE, user_dir / USER_FILE, project_dir / PROJECT_FILE):
        chosen.update(_read_toml(path))
    for name in _FIELDS:
        variable = variable_of(name)
        if variable in environ:
            try:
                chosen[name] = parse(name, environ[variable])
                check(name, chosen[name])
            except SettingsError as error:
                raise SettingsError(f"environment variable {variable}: {error}") from None
    chosen.update(flags)
    return Settings(**chosen)


def user_dir(environ: Mapping[str, str] | None = None) -> Path:
    """Where tastes, profiles and settings live; ``LIVECOMPOSER_HOME`` overrides the system's place."""
    environ = os.environ if environ is None else environ
    if environ.get("LIVECOMPOSER_HOME"):
        return Path(environ["LIVECOMPOSER_HOME"])
    import platformdirs

    return Path(platformdirs.user_data_dir("livecomposer", appauthor=False))


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} cannot be read ({error}); mend or move it") from None
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{path} is not valid TOML: {error}") from None
    by_flag = {flag_of(name): name for name in _FIELDS} | {flag_of(name).replace("-", "_"): name for name in _FIELDS}
    chosen = {}
    for key, value in table.items():
        if key not in by_flag:
            raise SettingsError(f"{path}: unknown setting {key!r}{_nearest(key, tuple(by_flag))}")
        name = by_flag[key]
        try:
            check(name, value)
        except SettingsError as error:
            raise SettingsError(f"{path}: {error}") from None
        chosen[name] = value
    return chosen


def _nearest(word: str, known: tuple[str, ...]) -> str:
    close = difflib.get_close_matches(word, [k for k in known if k], 1)
    return f"; did you mean {close[0]!r}?" if close else ""
