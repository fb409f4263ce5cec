"""The studio process beside a real run: killed, starved of disk, orphaned; the take is whole and the music goes on."""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from threading import Event
from types import SimpleNamespace

import pytest
from websockets.exceptions import ConnectionClosed, InvalidHandshake
from websockets.sync.client import connect

from livecomposer.bench.play import READY_S, Play
from livecomposer.instrument.records import unpack
from livecomposer.instrument.ring import Kind
from livecomposer.midi.files import read_performance
from livecomposer.ratings.presses import AGAIN_S
from livecomposer.studio import process
from livecomposer.studio.store import FILE, Store

if sys.platform != "linux":
    pytest.skip("processes are looked at through Linux", allow_module_level=True)
WAIT_S = 60.0
NOT_RECORDED = "Warning: nothing is being recorded"
AGAIN = "It is recorded again"


def test_a_page_that_cannot_be_shown_at_its_port_is_tried_at_any_and_said(monkeypatch):
    tried, said = [], []

    class Page:
        def __init__(self, studio, token, port):
            tried.append(port)
            self.ready, self.problem = Event(), "Address already in use" if len(tried) <= refusals else ""

        def start(self):
            self.ready.set()

        def stop(self):
            pass

    monkeypatch.setattr("livecomposer.studio.server.Page", Page)
    studio = SimpleNamespace(options={"port": 8124, "token": "t"}, tell=lambda *words: said.append(words[1]))
    refusals = 1
    assert process._show(studio) is not None
    assert said == ["Warning: the page cannot be shown at port 8124 (Address already in use); another is tried."]
    tried.clear(), said.clear()
    refusals = 2
    assert process._show(studio) is None
    assert (tried, said[1:]) == ([8124, 0], ["Warning: the page cannot be shown (Address already in use)."])


class Browser:
    """One page's socket; ``facts`` and ``events`` of the last connection."""

    def __init__(self, play):
        base, key = play.page.split("/?key=")
        self.url, self.origin = f"ws{base[4:]}/ws?key={key}", base
        self.socket, self._open = None, ExitStack()
        self.facts, self.events = {}, []

    def look(self, seconds=0.02):
        """Read what has come; connect (again) if need be."""
        try:
            if self.socket is None:
                opening = connect(self.url, origin=self.origin, open_timeout=5, ping_interval=None)
                self.socket = self._open.enter_context(opening)
                self.events.clear()
            message = json.loads(self.socket.recv(timeout=seconds))
            self.facts |= message.get("facts", {})
            self.events += message.get("e", [])
        except TimeoutError:
            pass
        except (OSError, ConnectionClosed, InvalidHandshake, EOFError):
            self.close()
            time.sleep(seconds)

    def until(self, true, what):
        end = time.monotonic() + WAIT_S
        while not true():
            assert time.monotonic() < end, what
            self.look()

    def send(self, **message):
        self.socket.send(json.dumps(message))

    def notes(self):
        return sum(event[0] == "on" for event in self.events)

    def close(self):
        self._open.close()
        self.socket = None


@pytest.fixture
def run():
    plays, browsers = [], []

    def start(*args):
        play = Play("--role", "duet", "--seed", "3", "--no-count-in", *args, jack=False)
        plays.append(play)
        play.wait(lambda: play.ready and play.page, READY_S, "Ready")
        browser = Browser(play)
        browsers.append(browser)
        browser.until(lambda: browser.facts.get("recording") and browser.notes() > 3, "music")
        return play, browser

    yield start
    for browser in browsers:
        browser.close()
    for play in plays:
        play.__exit__()


def whole(play):
    """The takes of a run that has ended, each without a hole."""
    store = Store(play.home / FILE)
    takes = store.takes()[::-1]
    for take in takes:
        records = store.records(take.id)
        assert store.losses(take.id) == []
        assert [r.seq for r in records] == list(range(records[0].seq, records[-1].seq + 1))
        assert records[0].kind == Kind.START
    return store, takes


def verify(play, take):
    done = subprocess.run(
        [sys.executable, "-m", "livecomposer", "replay", str(take), "--verify", "--json"], capture_output=True,
        text=True, env={**os.environ, "LIVECOMPOSER_HOME": str(play.home)}, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


def test_killed_five_times_it_comes_back_and_the_take_is_whole(run):
    play, browser = run()
    for number in range(5):
        time.sleep(AGAIN_S + 0.1)  # sooner it would put the last rating right
        browser.send(do="rate", value=0.5 if number % 2 else -0.5)
        browser.send(do="command", name="role", value=("answer", "solo", "harmonize", "duet")[number % 4])
        browser.until(lambda n=number: any(e[0] == "rated" and e[2] == n for e in browser.events), "the rating")
        pid = browser.facts["pid"]
        os.kill(pid, signal.SIGKILL)
        browser.until(lambda pid=pid: browser.facts["pid"] != pid, "a new page at the same address")
        before = browser.notes()
        browser.until(lambda before=before: browser.notes() > before + 2, "music")
    assert play.end() == 0
    assert len(play.ready) == 1  # the instrument has not noticed
    assert sum("has been started again" in line or "had died" in line for line in play.lines) == 5
    store, (take,) = whole(play)
    assert (take.ended, take.ratings) == (True, 5)
    kinds = {Kind(r.kind) for r in store.records(take.id)}
    assert kinds >= {Kind.INPUT, Kind.OUTPUT, Kind.DECISION, Kind.RATING, Kind.CREDIT, Kind.COMMAND, Kind.ADOPT}
    store.close()
    assert verify(play, take.id)["compared"] > 50


def test_on_a_full_disk_the_player_is_told_and_the_music_goes_on(run):
    import resource

    play, browser = run()
    pid = browser.facts["pid"]
    _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (4096, hard))
    browser.until(lambda: browser.facts.get("trouble"), "the page says so")
    browser.until(lambda: any(line.startswith(NOT_RECORDED) for line in play.lines), "the player is told")
    before = browser.notes()
    browser.until(lambda: browser.notes() > before + 10, "music")
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, hard))
    browser.until(lambda: not browser.facts.get("trouble"), "the page says so")
    browser.until(lambda: any(line.startswith(AGAIN) for line in play.lines), "the player is told")
    assert play.end() == 0 and len(play.ready) == 1
    store, (take,) = whole(play)  # the ring has kept what the disk did not take
    assert take.ended
    store.close()


def test_a_killed_instrument_leaves_a_take_and_begins_another(run):
    play, browser = run()
    os.kill(play.ready[0][1], signal.SIGKILL)
    browser.until(lambda: len(play.ready) == 2, "a new instrument")
    browser.until(lambda: browser.facts["recording"] == 2 and browser.notes() > 5, "its music")
    browser.send(do="rate", value=1)
    browser.until(lambda: any(event[0] == "rated" for event in browser.events), "the page reaches the new one")
    browser.send(do="save")
    said = "Saved the last minutes: "
    browser.until(lambda: any(line.startswith(said) for line in play.lines), "the last minutes")
    path = next(line for line in play.lines if line.startswith(said)).removeprefix(said).removesuffix(".")
    player, agent = read_performance(path)  # of both instruments: desk has kept them
    assert Path(path).parent == play.home / "saved" and len(player) + len(agent) > 12
    assert play.end() == 0
    store, takes = whole(play)
    assert [(take.id, take.ended) for take in takes] == [(1, False), (2, True)]
    store.close()
    for take in takes:
        assert verify(play, take.id)["same"]


def test_it_ends_with_desk_and_what_was_played_is_there(run):
    play, browser = run()
    pid = browser.facts["pid"]
    os.kill(pid, signal.SIGINT)  # Ctrl-C reaches every process of a terminal: it is desk's to say
    before = browser.notes()
    browser.until(lambda: browser.notes() > before + 2, "music")
    assert browser.facts["pid"] == pid
    os.kill(play.pid, signal.SIGKILL)
    end = time.monotonic() + WAIT_S
    while alive(pid) and time.monotonic() < end:
        time.sleep(0.02)
    assert not alive(pid)
    store, (take,) = whole(play)
    outputs = [r for r in store.records(take.id) if r.kind == Kind.OUTPUT and unpack(r)[3][0] & 0xF0 == 0x90]
    assert len(outputs) >= before
    store.close()


def test_a_run_without_a_page_is_recorded_without_a_server(tmp_path):
    play = Play("--role", "solo", "--seed", "3", "--no-page", jack=False)
    try:
        play.wait(lambda: play.ready, READY_S, "Ready")
        play.wait(lambda: any(" notes " in line and " notes 0 " not in line for line in play.lines), WAIT_S, "music")
        assert play.end() == 0 and play.page == ""
        store, (take,) = whole(play)
        assert take.agent > 0 and take.ended
        store.close()
    finally:
        play.__exit__()


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False
