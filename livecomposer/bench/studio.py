"""What recorder and page cost the instrument, and how soon the page shows what happens.

Two instruments by turns, one alone, one with the studio process tailing its ring into a database, and with ``clients``
sockets on its page: keys are struck in process, as in ``latency``. Then a real ``livecomposer play`` with a page in
Debian's chromium (if it is there, and the package ``playwright``): frames, ratings, and ``kill -9`` of studio.

Keys of the report: ``machine`` (with ``fifo``); ``ok``: False if a note or a record was lost; ``alone`` and ``beside``:
µs from callback entry to the last message sent, spreads ``{n, p50, p99, max}`` of all rounds; ``p50_ratio`` and
``p99_ratio``: medians over the ``rounds`` of beside / alone; ``p99_more``: the median of beside less alone, µs;
``lost``: notes not answered; ``clients``; ``note_ms``: from a note's sending to its arrival at a client on loopback;
``page``: ``browser`` (None: there is none), ``fps``, ``lit_ms`` (from a key in the browser to the credited notes lit);
``unlit`` (ratings that lit nothing); ``cpu``: share of one core that studio takes with one page open; ``rss_mb``;
``kills``: ``back_ms`` (from kill -9 to the page's next word), ``records_lost``, ``gaps`` (numbers missing from the
take), ``misses`` (notes over the budget in all of the run), ``restarts`` of the instrument, and of notes due within
``NEAR_S`` of a kill (``near``) and of all others (``apart``) ``late_ms`` (how late they were sent) and ``over`` (how
many of them later than the budget); ``hour``: ``notes`` of a
take of so many ``minutes`` (an hour, in virtual time), ``mid_s`` (its export);
``intention``: share of the agent's notes that are those shown a beat ahead, of ``of`` notes.
"""

import json
import os
import shutil
import signal
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from websockets.typing import Origin

from livecomposer.bench.play import READY_S, Play
from livecomposer.bench.process import SPAWN, Loop
from livecomposer.bench.report import machine, row, spread
from livecomposer.instrument.live import Live
from livecomposer.instrument.records import BY_AGENT, unpack
from livecomposer.instrument.ring import Kind, Record, RingWriter, size_of
from livecomposer.midi.messages import NOTE_OFF, NOTE_ON
from livecomposer.settings import Settings
from livecomposer.studio import process as studio_process
from livecomposer.studio.export import write_mid
from livecomposer.studio.feed import Feed
from livecomposer.studio.recorder import Recorder
from livecomposer.studio.store import FILE, Store

ROUNDS, SHORT_ROUNDS = 5, 1  # of each kind, by turns
NOTES, SHORT_NOTES = 400, 60
WARM_NOTES = 10
GAP_S, HELD_S = 0.045, 0.02
CLIENTS = 5
KILLS, SHORT_KILLS = 50, 5
RATINGS, SHORT_RATINGS = 20, 3
WATCH_S = 10.0
BACK_S = 20.0
NEAR_S = 1.2
TOKEN = "bench"
FLAGS = (
    "--no-sandbox", "--disable-dev-shm-usage", "--disable-background-networking",
    "--disable-background-timer-throttling", "--disable-renderer-backgrounding",
)  # fmt: skip
RATE = """async () => {
  const begun = performance.now();
  document.body.dispatchEvent(new KeyboardEvent('keydown', { key: 'ArrowRight', bubbles: true }));
  while (performance.now() - begun < 5000) {
    await new Promise(requestAnimationFrame);
    if (livecomposer.state.notes.some((note) => note.lit >= begun)) return performance.now() - begun;
  }
  return null;
}"""


def measure(short: bool) -> dict[str, Any]:
    """Everything."""
    report: dict[str, Any] = {"machine": machine(), "clients": CLIENTS, "rounds": SHORT_ROUNDS if short else ROUNDS}
    report |= _by_turns(report["rounds"], SHORT_NOTES if short else NOTES)
    report["machine"]["fifo"] = report.pop("fifo")
    report |= _run(short)
    report["hour"] = _hour(6 if short else 60)
    report["intention"], report["of"] = _intention(60 if short else 600)
    kills = report["kills"]
    report["ok"] = not report["lost"] and not kills["records_lost"] and not kills["gaps"] and not kills["restarts"]
    return report


def rows(report: dict[str, Any]) -> list[list[str]]:
    """The table."""
    page, kills, hour = report["page"], report["kills"], report["hour"]
    shown = f"{page['fps']:.0f} frames a second in {page['browser']}" if page["browser"] else "no browser: not measured"
    return [
        row("key → last note sent, alone", report["alone"], "µs"),
        row("the same beside studio", report["beside"], "µs"),
        row("note sent → at a client", report["note_ms"], "ms"),
        *([row("key in the browser → notes lit", page["lit_ms"], "ms")] if page["browser"] else []),
        row("kill -9 → the page's next word", kills["back_ms"], "ms"),
        [f"beside studio and {report['clients']} clients / alone, medians of {report['rounds']} rounds: p50 "
         f"{report['p50_ratio']:.2f}, p99 {report['p99_ratio']:.2f} ({report['p99_more']:+.0f} µs); "
         f"{report['lost']} lost"],
        [f"{shown}; studio with one page open: {report['cpu']:.1%} of a core, {report['rss_mb']:.0f} MB"],
        [f"kills: {kills['back_ms']['n']}; records lost {kills['records_lost']}, gaps {kills['gaps']}, restarts of the "
         f"instrument {kills['restarts']}, notes over the budget {kills['misses']}"],
        row(f"notes within {NEAR_S} s of a kill, sent late by", kills["near"]["late_ms"], "ms"),
        row("all others", kills["apart"]["late_ms"], "ms"),
        [f"later than the budget: {kills['near']['over']} of the first, {kills['apart']['over']} of the others"],
        [f"a take of {hour['minutes']} minutes ({hour['notes']} notes) as .mid in {hour['mid_s']:.2f} s; "
         f"{report['intention']:.1%} of {report['of']} notes are those shown a beat ahead"],
    ]  # fmt: skip


# ---- the instrument alone and beside studio --------------------------------------------------------------------------


def _by_turns(rounds: int, notes: int) -> dict[str, Any]:
    took: dict[bool, list[list[int]]] = {False: [], True: []}
    fifo = False
    lags: list[float] = []
    for _ in range(rounds):
        for beside in (False, True):
            mine, theirs = SPAWN.Pipe()
            with Loop(Settings(role="harmonize", seed=7), _feed, theirs, notes) as loop, ExitStack() as stack:
                theirs.close()
                if beside:
                    stack.enter_context(_Beside(loop, lags))
                mine.send("go")
                loop.wait(mine.poll, 60.0 + notes * 4 * GAP_S)
                loop.tail(0.3)
                took[beside].append(_latencies(loop.records))
                fifo = loop.fifo
    both = list(zip(*(map(spread, took[beside]) for beside in (True, False)), strict=True))
    return {
        "fifo": fifo, "note_ms": spread(lags, 1.0),
        "alone": spread(ns for one in took[False] for ns in one),
        "beside": spread(ns for one in took[True] for ns in one),
        "p50_ratio": statistics.median(with_["p50"] / without["p50"] for with_, without in both),
        "p99_ratio": statistics.median(with_["p99"] / without["p99"] for with_, without in both),
        "p99_more": statistics.median(with_["p99"] - without["p99"] for with_, without in both),
        "lost": sum(notes - len(one) for side in took.values() for one in side),
    }  # fmt: skip


class _Beside:
    """The studio process on a loop's ring, and clients on its page."""

    def __init__(self, loop: Loop, lags: list[float]) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="livecomposer-bench-")
        self._pipe, theirs = SPAWN.Pipe()
        options = {"run": "bench", "folder": self._folder.name, "commands": None, "token": TOKEN, "port": 0}
        self._process = SPAWN.Process(target=studio_process.main, args=(loop.ring, theirs, options))
        self._process.start()
        theirs.close()
        port = 0
        while not port:
            what, port = self._pipe.recv()
            port = port if what == "ready" else 0
        self._mine, theirs = SPAWN.Pipe()
        address = (f"http://127.0.0.1:{port}", TOKEN)
        self._clients = SPAWN.Process(target=_clients, args=(address, CLIENTS, theirs))
        self._clients.start()
        theirs.close()
        self._mine.recv()
        self._lags = lags

    def __enter__(self) -> "_Beside":
        return self

    def __exit__(self, *_: object) -> None:
        self._mine.send("stop")
        self._lags += self._mine.recv()
        self._clients.join(10)
        self._pipe.send(("stop", None))
        self._process.join(10)
        if self._process.is_alive():
            self._process.kill()
        self._folder.cleanup()


def _clients(address: tuple[str, str], n: int, pipe: Any) -> None:
    """In a process of its own: so many sockets, read until told to stop; the first measures."""
    stop = threading.Event()
    lags: list[float] = []
    ready = threading.Barrier(n + 1)
    threads = [
        threading.Thread(target=_client, args=(address, stop, ready, lags if number == 0 else None))
        for number in range(n)
    ]
    for thread in threads:
        thread.start()
    ready.wait(60)
    pipe.send("ready")
    pipe.recv()
    stop.set()
    for thread in threads:
        thread.join(10)
    pipe.send(lags)


def _client(
    address: tuple[str, str], stop: threading.Event, ready: threading.Barrier, lags: list[float] | None
) -> None:
    """Lags are from a note's sending to the frame's (the server's clock), and half a round trip."""
    from websockets.sync.client import connect

    base, token = address
    with connect(f"ws{base[4:]}/ws?key={token}", origin=Origin(base), ping_interval=None) as socket:
        socket.recv()
        trips: list[float] = []
        for _ in range(20 if lags is not None else 0):
            begun = time.perf_counter()
            socket.send(json.dumps({"do": "ping", "t": 0}))
            while "pong" not in json.loads(socket.recv()):
                pass
            trips.append((time.perf_counter() - begun) * 1e3)
        ready.wait(60)
        while not stop.is_set():
            try:
                message = json.loads(socket.recv(timeout=0.2))
            except TimeoutError:
                continue
            if lags is not None:
                half = statistics.median(trips) / 2
                lags += [message["now"] - event[1] + half for event in message.get("e", ()) if event[0] == "on"]


def _feed(live: Live, pipe: Any, notes: int) -> None:
    """In the instrument's process: a player on a thread that has the loop's priority, as a driver's has."""
    threading.Thread(target=_player, args=(live, pipe, notes), daemon=True).start()


def _player(live: Live, pipe: Any, notes: int) -> None:
    pipe.recv()
    clock, callback = time.perf_counter_ns, live._on_midi
    for number in range(-WARM_NOTES, notes):
        note, velocity = 55 + number % 21, 127 if number < 0 else 80
        due = clock() + int((GAP_S - HELD_S + number % 8 * 0.001) * 1e9)
        time.sleep((due - clock()) * 1e-9)
        callback(([NOTE_ON, note, velocity], 0.0))
        time.sleep(HELD_S)
        callback(([NOTE_OFF, note, 0], 0.0))
    pipe.send("done")


def _latencies(records: list[Record]) -> list[int]:
    """Of each key that was answered: ns from callback entry to the last message sent."""
    keys: dict[int, int] = {}
    for record in records:
        if record.kind == Kind.INPUT:
            t_in, _, msg = unpack(record)
            if msg[0] == NOTE_ON and msg[2] != 127:
                keys[t_in] = 0
        elif record.kind == Kind.OUTPUT:
            due, _, _, msg = unpack(record)
            if due in keys and msg[0] & 0xF0 == NOTE_ON:
                keys[due] = max(keys[due], record.t_ns - due)
    return [took for took in keys.values() if took]


# ---- a real run with a page ------------------------------------------------------------------------------------------


def _run(short: bool) -> dict[str, Any]:
    with ExitStack() as stack:
        play = stack.enter_context(Play("--role", "duet", "--seed", "5", "--player", "virtual", jack=False))
        play.wait(lambda: play.ready and play.page, READY_S, "Ready")
        client = stack.enter_context(_Link(play))
        client.until(lambda: client.notes > 3)
        page: dict[str, Any] = {"browser": None}
        browser = _browser(stack)
        if browser is not None:
            name, page_of = browser
            tab = page_of.new_page(viewport={"width": 1280, "height": 760})
            tab.goto(play.page)
            client.wait(5.0)
            lit = []
            for _ in range(SHORT_RATINGS if short else RATINGS):
                lit.append(tab.evaluate(RATE))
                client.wait(1.6)
            page = {"browser": name, "lit_ms": spread((ms for ms in lit if ms is not None), 1.0)}
            page["unlit"] = sum(ms is None for ms in lit)
            tab.evaluate("livecomposer.frames.fps")
            client.wait(3.0)
            page["fps"] = tab.evaluate("livecomposer.frames.fps")
        cpu, rss = _costs(client, WATCH_S / 4 if short else WATCH_S)
        if browser is not None:
            tab.close()
        back = [client.killed() for _ in range(SHORT_KILLS if short else KILLS)]
        play.end()
        kept = _kept(play, client.kills)
        return {"page": page, "cpu": cpu, "rss_mb": rss, "kills": {"back_ms": spread(back, 1.0), **kept}}


def _browser(stack: ExitStack) -> tuple[str, Any] | None:
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        return None
    if path is None:
        return None
    browser = stack.enter_context(sync_playwright()).chromium.launch(executable_path=path, args=list(FLAGS))
    stack.callback(browser.close)
    return f"chromium {browser.version}", browser


class _Link:
    """A client of a real run that comes back whenever studio does."""

    def __init__(self, play: Play) -> None:
        base, key = play.page.split("/?key=")
        self._address = f"ws{base[4:]}/ws?key={key}"
        self._origin = Origin(base)
        self._open = ExitStack()
        self._socket: Any = None
        self.notes = 0
        self.pid = 0
        self.kills: list[int] = []  # when, ns

    def __enter__(self) -> "_Link":
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def look(self) -> None:
        """Read one message, or connect."""
        from websockets.exceptions import WebSocketException
        from websockets.sync.client import connect

        try:
            if self._socket is None:
                opening = connect(self._address, origin=self._origin, ping_interval=None)
                self._socket = self._open.enter_context(opening)
            message = json.loads(self._socket.recv(timeout=0.01))
        except TimeoutError:
            return
        except (OSError, EOFError, WebSocketException):
            self._open.close()
            self._socket = None
            time.sleep(0.01)
            return
        self.notes += sum(event[0] == "on" for event in message.get("e", ()))
        self.pid = message.get("facts", {}).get("pid", self.pid)

    def until(self, true: Callable[[], bool]) -> None:
        """Look until ``true()``. Raises RuntimeError if that takes too long."""
        end = time.monotonic() + BACK_S
        while not true():
            if time.monotonic() > end:
                raise RuntimeError("the page takes too long")
            self.look()

    def wait(self, seconds: float) -> None:
        """Look for so long."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.look()

    def killed(self) -> float:
        """Kill studio; ms until its successor has spoken. Some music goes by before the next."""
        pid, begun = self.pid, time.perf_counter()
        self.kills.append(time.perf_counter_ns())
        os.kill(pid, signal.SIGKILL)
        self.until(lambda: self.pid != pid)
        took = (time.perf_counter() - begun) * 1e3
        self.wait(NEAR_S)
        return took


def _costs(client: _Link, seconds: float) -> tuple[float, float]:
    """Share of one core that studio takes, and its resident memory in MB (0, 0 where /proc is not there)."""
    stat, status = Path(f"/proc/{client.pid}/stat"), Path(f"/proc/{client.pid}/status")
    if not stat.exists():
        return 0.0, 0.0

    def ticks() -> int:
        fields = stat.read_text().rsplit(")", 1)[1].split()
        return int(fields[11]) + int(fields[12])

    before, begun = ticks(), time.perf_counter()
    client.wait(seconds)
    share = (ticks() - before) / os.sysconf("SC_CLK_TCK") / (time.perf_counter() - begun)
    rss = next(line for line in status.read_text().splitlines() if line.startswith("VmRSS"))
    return share, int(rss.split()[1]) / 1024


def _kept(play: Play, kills: list[int]) -> dict[str, Any]:
    """What the take of a run lacks, and how late its notes were sent."""
    store = Store(play.home / FILE)
    takes = store.takes()
    lost = gaps = misses = 0
    late: dict[str, list[int]] = {"near": [], "apart": []}
    for take in takes:
        lost += sum(count for _, count, _ in store.losses(take.id))
        records = store.records(take.id)
        gaps += records[-1].seq - records[0].seq + 1 - len(records)
        misses += take.misses or 0
        for record in records:
            if record.kind == Kind.OUTPUT:
                due, _, _, msg = unpack(record)
                if msg[0] & 0xF0 == NOTE_ON and msg[2]:
                    near = any(0 <= due - kill < NEAR_S * 1e9 for kill in kills)
                    late["near" if near else "apart"].append(record.t_ns - due)
    store.close()
    budget = Settings().budget_ms * 1e6
    found = {name: {"late_ms": spread(of, 1e-6), "over": sum(ns > budget for ns in of)} for name, of in late.items()}
    return {"records_lost": lost, "gaps": gaps, "misses": misses, "restarts": len(play.ready) - 1, **found}


# ---- in virtual time -------------------------------------------------------------------------------------------------


def _hour(minutes: int) -> dict[str, Any]:
    """A take of so many minutes, and its export."""
    from livecomposer.instrument.performance import Performance

    capacity = 1 << 15
    buffer = memoryview(bytearray(size_of(capacity)))
    writer = RingWriter(buffer, capacity)
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder) / FILE)
        recorder = Recorder(store, buffer, "bench", lambda t_ns: t_ns * 1e-9)
        p = Performance(Settings(role="solo", seed=2), ring=writer)
        for minute in range(1, minutes + 1):
            for second in (10, 30, 50):
                p.rate(int(((minute - 1) * 60 + second) * 1e9), 0.5 if second == 30 else -0.5)
            p.advance(int(minute * 60e9))
            recorder.drain()
        p.release(int(minutes * 60e9))
        recorder.drain()
        take = store.takes()[0]
        begun = time.perf_counter()
        write_mid(store, take, Path(folder) / "take.mid")
        took = time.perf_counter() - begun
        store.close()
    return {"minutes": minutes, "notes": take.agent, "mid_s": took}


def _intention(seconds: int) -> tuple[float, int]:
    """(share of the agent's onsets whose note was the one shown a beat ahead, onsets that had been shown)."""
    from livecomposer.instrument.performance import Performance

    buffer = memoryview(bytearray(size_of(1 << 14)))
    writer = RingWriter(buffer, 1 << 14)
    feed = Feed(buffer)
    settings = Settings(role="duet", seed=3, count_in=False)
    p = Performance(settings, ring=writer, start_ns=time.perf_counter_ns())
    start_ns, beat_ms = p.now_ns, 60e3 / settings.tempo
    zero, beat = feed.ms(start_ns), -1
    shown: dict[int, int] = {}
    sounded: dict[int, int] = {}
    for step in range(1, seconds * 20):
        t_ns = start_ns + step * 50_000_000
        if step % 10 == 0:  # a player on quarters of their own, who likes and dislikes now and then
            p.receive(t_ns, bytes((NOTE_ON, 67 + step // 10 * 5 % 12, 80)))
            p.receive(t_ns + 10_000_000, bytes((NOTE_OFF, 67 + step // 10 * 5 % 12, 0)))
        if step % 200 == 0:
            p.rate(t_ns, 1.0 if step % 600 else -1.0)
        p.advance(t_ns + 20_000_000)
        for event in feed.read():
            if event[0] == "beat":
                beat = event[2]
            elif event[0] == "plan":
                shown |= {tick: note for tick, _, note, _ in event[2] if note >= 0 and tick >= beat + 12}
            elif event[0] == "on" and event[5] == BY_AGENT:
                sounded.setdefault(round((event[1] - zero) / beat_ms * 12), event[3])
    both = [tick for tick in sounded if tick in shown]
    return sum(shown[tick] == sounded[tick] for tick in both) / max(len(both), 1), len(both)
