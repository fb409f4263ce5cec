"""``livecomposer tastes test``: a blind test. Of two phrases from the same context, which does the player like better?

``desk.tastes`` calls ``blind_test``. The phrases come from ``Performance`` in virtual time, HELD and without trying
anything out; who judges them is a callable. Only ``Speaker`` and ``Person`` touch the sound and the terminal.
"""

import difflib
import json
import random
import sys
import time
from argparse import Namespace
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from livecomposer.desk import crew
from livecomposer.desk.keys import Keyboard
from livecomposer.desk.pairs import Answer, Choose, Pair, Phrase, hold, lines, plan_pairs, results, verdict
from livecomposer.errors import PortError, PortLost, SettingsError, TasteError
from livecomposer.instrument.ring import Kind, RingWriter, create
from livecomposer.midi.messages import CONTROL_CHANGE
from livecomposer.settings import Settings

if TYPE_CHECKING:  # they load numba, and desk starts without it
    from livecomposer.ratings.taste import Taste

LEAST_RATINGS = 8
MOST_PAIRS = 200
KEY, TEMPO, BARS = "C major", 112.0, 4
S = 1_000_000_000
BEAT_NS = round(60 * S / TEMPO)
LENGTH_NS = BARS * 4 * BEAT_NS
END_NS = 1_000_000  # so long before the next bar line a phrase ends
CONTEXTS = 8  # of the prior, each a phrase long, by which a simulated listener knows what is usual
FLOOR = 0.2  # least raw SD of a simulated taste
READY_S = 20.0
AHEAD_NS = 60_000_000  # a message is handed to the sound so long before it is due
LEAD_NS = 150_000_000
PAUSE_S, RING_S = 0.9, 0.6  # between two phrases; for the last notes to die away
SLICE_S = 0.02

# ---- the phrases ----------------------------------------------------------------------------------------------------


class Players:
    """Who plays in a test: the taste, what was known before it (``prior``), and its ``twin``, taught with the same
    ratings whose values have been shuffled."""

    def __init__(self, data: bytes, taste: "Taste", prior: str, seed: int) -> None:
        self._settings = Settings(
            role="solo", key=KEY, tempo=TEMPO, prior=prior, agent="dyna-q", held=True, explore=False, seed=0
        )
        self._snapshots = {"taste": data, "prior": None, "twin": twin(taste, self._settings, seed)}

    def play(self, who: str, seed: int) -> Phrase:
        """The first ``BARS`` bars of a solo, messages with their times in ns."""
        from livecomposer.instrument.performance import Performance

        p = Performance(self._settings.with_(seed=seed), snapshot=self._snapshots[who])
        sent = p.advance(LENGTH_NS - END_NS)
        p.release(LENGTH_NS - END_NS)
        # all notes have ended then: "all sound off" would only cut their reverberation
        return [*sent, *(m for m in p.advance(LENGTH_NS) if not (m[1][0] & 0xF0 == CONTROL_CHANGE and m[1][1] >= 120))]


def twin(taste: "Taste", settings: Settings, seed: int) -> bytes:
    """The model file of a taste that was rated as often, about the same music, with the values in another order: those
    of ratings among ratings, answers to pairs among answers. Where silence counted (with players who press one way),
    it is left to chance which music was pressed for and which was not."""
    from livecomposer.instrument.performance import Performance
    from livecomposer.ratings.taste import SILENT

    state, n = taste.state(), taste.n
    p = Performance(settings)
    other = p.learning.taste
    assert other is not None  # dyna-q has one
    rng, values, pairs = np.random.default_rng([seed, n]), state["y"][:n].copy(), taste.compared
    for kind in (~pairs, pairs):
        values[kind] = rng.permutation(values[kind])
    rows = zip(state["t"][:n], values, state["x"][:n], state["silent"][:n], pairs, strict=True)
    for t_ns, value, about, weighed, pair in rows:
        if pair:
            answer = "a" if value > 0 else "b" if value < 0 else "neither"
            other.prefer(int(t_ns), answer, about, np.zeros_like(about))
            continue
        music = [about, weighed / np.float32(np.sqrt(SILENT))] if weighed.any() else [about]
        if len(music) > 1 and rng.random() < 0.5:
            music.reverse()
        other.rate(int(t_ns), float(value), *music)
    return p.snapshot()


# ---- who judges -----------------------------------------------------------------------------------------------------


def simulated(name: str, players: Players, seed: int) -> Choose:
    """One of ``bench.listeners``, who knows what is usual from phrases of the prior. Raises SettingsError."""
    from livecomposer.bench.listeners import ARCHETYPES, Habit, Listener, hear_notes, standardised

    if name not in ARCHETYPES:
        close = difflib.get_close_matches(name, ARCHETYPES, 1)
        meant = f'did you mean "{close[0]}"?' if close else f"there are: {', '.join(ARCHETYPES)}"
        raise SettingsError(f'there is no listener "{name}"; {meant}')
    takes = [hear_notes(players.play("prior", context), BEAT_NS, 0) for context in range(CONTEXTS)]
    try:
        likes = standardised(ARCHETYPES[name], takes)
    except ValueError:  # what is liked was never played
        likes = ARCHETYPES[name]
    likes = replace(likes, sd=max(likes.sd, FLOOR))
    return Listener(likes, Habit(), BEAT_NS, 0, seed).prefers


class Speaker:
    """The built-in sound for the length of a ``with``; phrases are played on it."""

    def __init__(self, options: dict[str, Any] | None = None) -> None:
        self._options = options or {}

    def __enter__(self) -> "Speaker":
        self._memory = create(crew.SYNTH_CAPACITY)
        assert self._memory.buf is not None
        self._writer = RingWriter(self._memory.buf, crew.SYNTH_CAPACITY)
        self._sound = crew.Sound(self._memory, self._options)
        try:
            self._sound.start()
            end = time.monotonic() + READY_S
            while self._said() != "ready":
                if time.monotonic() > end:
                    raise PortError("the built-in sound does not start; run `livecomposer doctor`")
                time.sleep(SLICE_S)
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(self, *_: Any) -> None:
        self._close()

    def play(self, phrase: Phrase) -> None:
        """Play a phrase, and wait until it has died away. Raises PortLost."""
        start = time.perf_counter_ns() + LEAD_NS
        for t_ns, msg in phrase:
            while (wait := start + t_ns - AHEAD_NS - time.perf_counter_ns()) > 0:
                time.sleep(min(wait / S, SLICE_S))
                self._said()
            self.send(start + t_ns, msg)
        time.sleep(RING_S)

    def send(self, t_ns: int, msg: bytes) -> None:
        """One message for the moment ``t_ns``, with no more to wait for. Raises PortLost."""
        self._said()
        self._writer.write(Kind.OUTPUT, t_ns, msg)

    def _said(self) -> str:
        said = self._sound.look() or ("", "")
        if said[0] == "failed":
            raise PortLost(f"a blind test needs sound: {said[1]}")
        return str(said[0])

    def _close(self) -> None:
        self._sound.stop()
        del self._writer
        self._memory.close()
        self._memory.unlink()


class Person:
    """The player: hears both phrases of a pair and presses 1, 2 or 0, or r to hear them again."""

    def __init__(self, speaker: Speaker, keyboard: Keyboard, say: Callable[[str], None]) -> None:
        self._speaker, self._keyboard, self._say = speaker, keyboard, say

    def __call__(self, first: Phrase, second: Phrase) -> str:
        """What is chosen. Raises SettingsError if the terminal has gone, PortLost if the sound has."""
        while True:
            self._say("  the first ...")
            self._speaker.play(first)
            time.sleep(PAUSE_S)
            self._say("  the second ...")
            self._speaker.play(second)
            early = False
            while self._keyboard.wait(0.0) and self._keyboard.there:
                early = True
            if early:
                self._say("  What you pressed meanwhile does not count: hear both first.")
            self._say("  Which do you like better? 1, 2, 0: neither, r: again")
            key = self._answer()
            if key != "r":
                return {"1": "a", "2": "b"}.get(key, "neither")

    def _answer(self) -> str:
        while self._keyboard.there:
            for key in self._keyboard.wait(0.5):
                if key in "120r":
                    return key
        raise SettingsError("the terminal has gone; start the test again in one")


# ---- the test -------------------------------------------------------------------------------------------------------


def blind_test(name: str, data: bytes, taste: "Taste", prior: str, args: Namespace) -> int:
    """``livecomposer tastes test``; returns 0, or 130 if Ctrl-C ended it (what was answered till then is told).

    Raises
    ------
    SettingsError, TasteError, PortError
    """
    if not 1 <= args.pairs <= MOST_PAIRS:
        raise SettingsError(f"pairs = {args.pairs} is outside 1 to {MOST_PAIRS}")
    if not -1 <= args.seed < 2**31:
        raise SettingsError(f"seed = {args.seed} is outside -1 to {2**31 - 1}")
    if taste.n < LEAST_RATINGS:
        rated = f"{taste.n} rating{'' if taste.n == 1 else 's'}"
        raise TasteError(f'"{name}" remembers {rated}, too few for a blind test; rate {LEAST_RATINGS} times or more')
    keyboard = Keyboard()
    if not args.listener and not keyboard.there:
        raise SettingsError("a blind test is answered by keys; start it in a terminal (or give --listener)")
    if not args.listener:
        print("… preparing the test (some seconds)", file=sys.stderr, flush=True)
    seed = args.seed if args.seed >= 0 else random.SystemRandom().randrange(2**31)
    players = Players(data, taste, prior, seed)
    pairs = plan_pairs(args.pairs, seed)
    answers: list[Answer] = []
    code = 0
    try:
        if args.listener:
            choose = simulated(args.listener, players, seed)
            answers += hold(pairs, players.play, choose, lambda text: None)
        else:
            _ask(pairs, players, keyboard, answers)
    except KeyboardInterrupt:
        code = 130
    except TasteError as error:
        raise TasteError(f'"{name}" cannot be tested: {error}') from None
    found = results(answers)
    if args.json:
        print(json.dumps({
            "name": name, "ratings": taste.n, "seed": seed, "listener": args.listener,
            "pairs": [_facts(answer) for answer in answers], "results": found,
            "more_than_chance": found["all"]["low"] > 0.5, "verdict": verdict(found),
        }))  # fmt: skip
    elif answers:
        for line in lines(name, found):
            print(line)
    return code


def _ask(pairs: Sequence[Pair], players: Players, keyboard: Keyboard, answers: list[Answer]) -> None:
    """Put the pairs to the person at the terminal."""

    def say(text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    with Speaker() as speaker, keyboard.raw():
        n, minutes = len(pairs), max(round(len(pairs) * (2 * LENGTH_NS / S + 5.0) / 60.0), 1)
        say(
            f"{n} pair{'s' * (n > 1)}, about {minutes} minute{'s' * (minutes > 1)}. "
            "Ctrl-C ends it with what you have answered."
        )
        for answer in hold(pairs, players.play, Person(speaker, keyboard, say), say):
            answers.append(answer)  # one by one: Ctrl-C keeps those that there are


def _facts(answer: Answer) -> dict[str, Any]:
    names = {"a": "first", "b": "second"}
    return {
        "against": answer.pair.against, "seed": answer.pair.seed,
        "taste": "first" if answer.pair.taste_first else "second", "choice": names.get(answer.choice, "neither"),
        "won": answer.won,
    }  # fmt: skip
