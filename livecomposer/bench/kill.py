"""Kill −9 at any moment, also in the midst of saving: what is left of a taste.

A real ``livecomposer play`` without ports and sound is rated by keys typed into its terminal, and killed: its
instrument, its desk, or both; at a moment of chance or while a file is being written. What it has left must load and
hold every rating that was older than a second, and all that earlier runs had saved. After the instrument alone was
killed, desk starts it again, it is rated once more, and ends in order. POSIX only (a pseudo-terminal is its keyboard).

Keys of the report: ``machine``; ``ok``: nothing was lost that may not be, and nobody was left behind; ``kills``: for
each ``what`` (instrument, desk or both), ``saving`` (whether a file was being written), ``presses``, ``lost`` (presses
that are not in the file), ``lost_s`` (the age of the oldest of them at the kill, 0 if there is none); ``late``: presses
lost that were older than a second; ``forgotten``: ratings of earlier runs that are gone; ``damaged``: files that did
not load; ``missing``: files that were not there; ``orphans``: processes that outlived their desk by 5 s and had to be
killed; ``stuck``: runs that found the taste in use; ``lost_s``: the spread of all ``{n, p50, p99, max}``;
``pty_missing``: why nothing was measured, if so (``ok`` is then True: nothing is known to be wrong).
"""

import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from livecomposer.bench.report import machine, row, spread
from livecomposer.desk.files import taste_path
from livecomposer.desk.tastes import understand
from livecomposer.errors import PortError, TasteError
from livecomposer.ratings.presses import AGAIN_S

ROUNDS, SHORT_ROUNDS = 50, 5
ROUNDS_A_TASTE = 10  # no taste comes to remember more ratings than it has room for
WHATS = ("instrument", "desk", "both")
KEYS = (b"\x1b[A", b"\x1b[C", b"\x1b[D", b"\x1b[B")
READY_S = 90.0
WARM_S = 2.0  # until it has played something to rate
APART_S = AGAIN_S + 0.05  # from press to press: sooner, the second would not be a rating of its own
STAMP_NS = 250_000_000  # from a key typed to its stamp in the taste
ALLOWED_S = 1.0
GONE_S = 5.0
IN_USE = "is being played by another"
_READY = re.compile(r"^Ready .*\(instrument (\d+)\)")


class Typed:
    """``with Typed(home, taste) as play``: a run whose keyboard is ours; what is left of it in the end is killed."""

    def __init__(self, home: Path, taste: str, seed: int) -> None:
        import pty

        self.lines: list[str] = []
        self._keyboard, theirs = pty.openpty()
        self.desk = subprocess.Popen(
            [sys.executable, "-m", "livecomposer", "play", "--plain", "--player", "none", "--sound", "off", "--role",
             "solo", "--seed", str(seed), "--taste", taste],
            stdin=theirs, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            env={**os.environ, "LIVECOMPOSER_HOME": str(home), "JACK_NO_START_SERVER": "1",
                 "JACK_DEFAULT_SERVER": "livecomposer-bench-none"},
        )  # fmt: skip
        os.close(theirs)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> "Typed":
        return self

    def __exit__(self, *_: object) -> None:
        for pid in (self.desk.pid, *self.instruments):
            if not gone(pid):
                os.kill(pid, signal.SIGKILL)
        self.desk.wait(GONE_S)
        self._reader.join(2)
        os.close(self._keyboard)

    @property
    def instruments(self) -> list[int]:
        """The process of the instrument at each of its starts."""
        return [int(found[1]) for found in map(_READY.match, list(self.lines)) if found]

    def press(self, key: bytes) -> int:
        """Type a key; returns when, in ``perf_counter_ns``."""
        now = time.perf_counter_ns()
        os.write(self._keyboard, key)
        return now

    def wait(self, until: Callable[[], Any], seconds: float, what: str) -> None:
        """Look every 5 ms until ``until()``. Raises PortError saying ``what`` did not come."""
        end = time.monotonic() + seconds
        while not until():
            if self.desk.poll() is not None or time.monotonic() > end:
                raise PortError(f"{what} did not come; `livecomposer play` said: {' / '.join(self.lines[-3:])}")
            time.sleep(0.005)

    def _read(self) -> None:
        assert self.desk.stdout is not None
        for line in self.desk.stdout:
            self.lines.append(line.rstrip())
        self.desk.stdout.close()


def measure(short: bool) -> dict[str, Any]:
    """Rate, kill, look, and again."""
    report: dict[str, Any] = {
        "machine": machine(), "ok": True, "kills": [], "late": 0, "forgotten": 0, "damaged": 0, "missing": 0,
        "orphans": 0, "stuck": 0,
    }  # fmt: skip
    if os.name == "nt":
        return {**report, "pty_missing": "Windows has no pseudo-terminal for it to type into"}
    rng = random.Random(1)
    with tempfile.TemporaryDirectory(prefix="livecomposer-bench-") as folder:
        home = Path(folder)
        kept: set[int] = set()
        rounds = SHORT_ROUNDS if short else ROUNDS
        for number in range(rounds):
            if number % ROUNDS_A_TASTE == 0:
                kept = set()
            taste = f"killed {number // ROUNDS_A_TASTE}"
            what = WHATS[number % len(WHATS)]
            print(f"… kill {number + 1} of {rounds}: {what}", file=sys.stderr, flush=True)
            kept = _round(home, taste, what, number % 2 == 1, kept, report, rng)
    report["lost_s"] = spread([kill["lost_s"] for kill in report["kills"]], 1.0)
    wrong = ("late", "forgotten", "damaged", "missing", "orphans", "stuck")
    report["ok"] = not any(report[key] for key in wrong)
    return report


def rows(report: dict[str, Any]) -> list[list[str]]:
    """The table."""
    if "pty_missing" in report:
        return [[f"not measured: {report['pty_missing']}"]]
    kills = report["kills"]
    saving = sum(kill["saving"] for kill in kills)
    presses, lost = (sum(kill[key] for kill in kills) for key in ("presses", "lost"))
    wrong = ", ".join(f"{key} {report[key]}" for key in ("late", "forgotten", "damaged", "missing", "orphans", "stuck"))
    return [
        row("age of the oldest rating lost", report["lost_s"], "s"),
        [f"{len(kills)} kills ({saving} while saving), {presses} ratings, {lost} lost; {wrong}"],
    ]


def gone(pid: int) -> bool:
    """Whether a process has ended (one that nobody has collected yet has)."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:  # no /proc here
        return False


def _round(
    home: Path, taste: str, what: str, saving: bool, kept: set[int], report: dict[str, Any], rng: random.Random
) -> set[int]:
    """One kill; returns the stamps of the ratings that the taste then holds."""
    path = taste_path(home, taste)
    half = path.with_name(f"{path.name}.new")
    presses: list[int] = []
    with Typed(home, taste, rng.randrange(1 << 30)) as play:
        play.wait(lambda: play.instruments, READY_S, "Ready")
        report["stuck"] += any(IN_USE in line for line in play.lines)
        time.sleep(WARM_S)
        end = time.monotonic() + rng.uniform(1.2, 5.0)
        presses.append(play.press(rng.choice(KEYS)))
        while time.monotonic() < end:
            time.sleep(APART_S + rng.uniform(0.0, 0.3))
            presses.append(play.press(rng.choice(KEYS)))
        if not saving:
            time.sleep(rng.uniform(0.0, 1.5))
        else:
            end = time.monotonic() + 3.0
            while not half.exists() and time.monotonic() < end:
                pass
        caught = half.exists()
        killed = time.perf_counter_ns()
        for pid in (
            *(play.instruments[-1:] if what != "desk" else ()),
            *((play.desk.pid,) if what != "instrument" else ()),
        ):
            os.kill(pid, signal.SIGKILL)
        after = _mended(play, rng) if what == "instrument" else []
        end = time.monotonic() + GONE_S
        while not all(map(gone, play.instruments)) and time.monotonic() < end:
            time.sleep(0.02)
        report["orphans"] += sum(not gone(pid) for pid in play.instruments)
    report["missing"] += not path.exists()
    stamps: set[int] = set()
    try:
        known = understand(path.read_bytes(), path.name).taste
        assert known is not None  # dyna-q's
        stamps = set(known.state()["t"][: known.n].tolist())
    except TasteError:
        report["damaged"] += 1
    except OSError:
        pass
    lost = _unmatched([*presses, *after], stamps - kept)
    ages = [(killed - t) * 1e-9 for t in lost]
    report["late"] += sum(age > ALLOWED_S or t in after for age, t in zip(ages, lost, strict=True))
    report["forgotten"] += len(kept - stamps)
    report["kills"].append({
        "what": what, "saving": caught, "presses": len(presses), "lost": len(lost),
        "lost_s": round(max(ages, default=0.0), 3),
    })  # fmt: skip
    return stamps


def _mended(play: Typed, rng: random.Random) -> list[int]:
    """Desk starts the instrument again: rate once more, and end in order; returns the presses."""
    before = len(play.instruments)
    play.wait(lambda: len(play.instruments) > before, READY_S, "Ready once more")
    time.sleep(WARM_S)
    pressed = play.press(rng.choice(KEYS))
    time.sleep(0.3)
    play.desk.send_signal(signal.SIGTERM)
    play.desk.wait(15)
    return [pressed]


def _unmatched(presses: list[int], stamps: set[int]) -> list[int]:
    """The presses for which there is no stamp of their own soon after them."""
    left = sorted(stamps)
    lost = []
    for press in presses:
        found = next((t for t in left if 0 <= t - press < STAMP_NS), None)
        if found is None:
            lost.append(press)
        else:
            left.remove(found)
    return lost
