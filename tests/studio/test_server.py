"""The page's server: who is let in, what is taken, and that nobody who misbehaves costs the others anything."""

import io
import json
import os
import socket
import sys
import time
import wave
from pathlib import Path

import httpx
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from livecomposer.instrument import inbox
from livecomposer.instrument.records import SOURCES, Recorder
from livecomposer.studio import server, sounds
from tests.studio.rig import TOKEN, S, Stage, files_open

PAGE = SOURCES.index("page")
EVIL = "<img src=x onerror=alert(1)><script>alert(2)</script>"


@pytest.fixture
def stage(tmp_path):
    stage = Stage(tmp_path)
    stage.perform()
    stage.page = stage.serve()
    stage.base = f"http://127.0.0.1:{stage.page.port}"
    yield stage
    stage.page.stop()
    stage.close()


def link(stage, key=TOKEN, origin=None, **more):
    origin = stage.base if origin is None else origin
    url = f"ws://127.0.0.1:{stage.page.port}/ws?key={key}"
    return connect(url, origin=origin or None, open_timeout=20, ping_interval=None, **more)


def hear(stage, socket, want, seconds=20.0):
    """The first message that has ``want``; the store is served meanwhile."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        stage.answer()
        try:
            message = json.loads(socket.recv(timeout=0.05))
        except TimeoutError:
            continue
        if want in message:
            return message
    raise AssertionError(f"no {want} came")


def told(stage, count=1, seconds=20.0):
    """So many entries that the instrument was sent."""
    found = []
    end = time.monotonic() + seconds
    while len(found) < count and time.monotonic() < end:
        found += stage.entries()
        time.sleep(0.005)
    return found


def test_the_page_is_shown_to_whoever_has_the_token(stage):
    for key, status in ((TOKEN, 200), ("", 403), ("wrong", 403), ("ä" * 50, 403)):
        answer = httpx.get(f"{stage.base}/", params={"key": key})
        assert answer.status_code == status
        assert ("<title>livecomposer" in answer.text) == (status == 200)
        assert TOKEN not in answer.text
    assert httpx.get(f"{stage.base}/takes/1.mid").status_code == 403
    assert httpx.get(f"{stage.base}/takes/1.mid", params={"key": TOKEN}).content[:4] == b"MThd"


def test_every_answer_carries_the_headers(stage):
    answers = [
        httpx.get(f"{stage.base}{path}", params={"key": TOKEN})
        for path in ("/", "/static/main.js", "/takes/1.json", "/takes/1.csv", "/nothing", "/static/nothing.js")
    ]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 200, 404, 404]
    for answer in answers:
        policy = dict(part.strip().split(" ", 1) for part in answer.headers["content-security-policy"].split(";"))
        assert policy["default-src"] == "'none'" and policy["script-src"] == policy["style-src"] == "'self'"
        assert policy["frame-ancestors"] == policy["base-uri"] == policy["form-action"] == "'none'"
        assert "unsafe" not in answer.headers["content-security-policy"]
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert "server" not in answer.headers


@pytest.mark.parametrize(
    "headers",
    [
        {"host": "evil.example"},
        {"host": "evil.example:{port}"},
        {"host": "127.0.0.1"},
        {"host": "127.0.0.1:1"},
        {"origin": "http://evil.example"},
        {"origin": "http://127.0.0.1:1"},
        {"origin": "null"},
        {"origin": "https://127.0.0.1:{port}"},
        {"sec-fetch-site": "cross-site"},
    ],
)
def test_another_host_or_origin_gets_nothing(stage, headers):
    headers = {name: value.format(port=stage.page.port) for name, value in headers.items()}
    for path in ("/", "/static/main.js", "/takes/1.json"):
        answer = httpx.get(f"{stage.base}{path}", params={"key": TOKEN}, headers=headers)
        assert (answer.status_code, answer.text) == (403, "This page answers to its own address only.")


def test_localhost_is_its_name_too(stage):
    headers = {"host": f"localhost:{stage.page.port}", "origin": f"http://localhost:{stage.page.port}"}
    assert httpx.get(f"{stage.base}/", params={"key": TOKEN}, headers=headers).status_code == 200


def test_it_listens_on_this_machine_only(stage):
    own = [info[4][0] for info in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)]
    for address in {a for a in own if not a.startswith("127.")}:
        with pytest.raises(OSError), socket.create_connection((address, stage.page.port), timeout=2):
            pass
    if sys.platform == "linux":
        assert f"00000000:{stage.page.port:04X}" not in Path("/proc/net/tcp").read_text()


@pytest.mark.parametrize(
    ("key", "origin"),
    [("", None), ("wrong", None), (TOKEN, "http://evil.example"), (TOKEN, "null"), (TOKEN, "")],
)
def test_the_socket_opens_only_to_the_page(stage, key, origin):
    with pytest.raises(InvalidStatus) as refused, link(stage, key, origin):
        pass
    assert refused.value.response.status_code == 403
    assert stage.page.clients == set()


def test_the_socket_refuses_a_rebound_host(stage):
    url = f"ws://127.0.0.1:{stage.page.port}/ws?key={TOKEN}"
    with socket.create_connection(("127.0.0.1", stage.page.port)) as raw:
        raw.sendall(
            f"GET /ws?key={TOKEN} HTTP/1.1\r\nHost: evil.example:{stage.page.port}\r\nOrigin: {stage.base}\r\n"
            "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n".encode()
        )
        assert raw.recv(64).split(b"\r\n")[0].split()[1] == b"403"
    with connect(url, origin=stage.base, ping_interval=None):
        pass


def test_what_is_asked_reaches_the_instrument(stage):
    with link(stage) as page:
        hear(stage, page, "hello")
        for message in (
            {"do": "rate", "value": 0.5},
            {"do": "command", "name": "role", "value": "solo"},
            {"do": "command", "name": "tempo", "value": 90},
            {"do": "command", "name": "panic"},
            {"do": "midi", "data": [0x90, 60, 90]},
        ):
            page.send(json.dumps(message))
        entries = told(stage, 5)
    assert [(e.source, e.kind, e.number, e.text) for e in entries] == [
        (PAGE, inbox.RATE, 0.5, b""),
        (PAGE, inbox.COMMAND, None, b"role=solo"),
        (PAGE, inbox.COMMAND, 90.0, b"tempo"),
        (PAGE, inbox.COMMAND, None, b"panic"),
        (PAGE, inbox.MIDI, None, b"\x90\x3c\x5a"),
    ]
    assert entries[0].t_ns <= entries[-1].t_ns <= time.perf_counter_ns()
    last = told(stage)  # the page has gone, and lets go of its key
    assert [(e.kind, e.text) for e in last] == [(inbox.MIDI, b"\x80\x3c\x00")]


def test_a_key_that_was_let_go_is_not_let_go_again(stage):
    with link(stage) as page:
        hear(stage, page, "hello")
        for data in ([0x90, 60, 90], [0x90, 60, 0], [0x91, 62, 90], [0x81, 62, 0], [0x92, 64, 90]):
            page.send(json.dumps({"do": "midi", "data": data}))
        told(stage, 5)
    assert [e.text for e in told(stage)] == [b"\x82\x40\x00"]
    assert stage.entries() == []


def test_more_pages_than_there_is_room_for_are_refused(stage, monkeypatch):
    monkeypatch.setattr(server, "MOST_CLIENTS", 2)
    with link(stage) as one, link(stage) as two:
        for page in (one, two):
            hear(stage, page, "hello")
        with pytest.raises(InvalidStatus) as refused, link(stage):
            pass
        assert refused.value.response.status_code == 403
        page.send(json.dumps({"do": "ping", "t": 1}))
        assert hear(stage, page, "pong")["pong"] == 1


def test_malformed_messages_do_nothing_and_say_why(stage):
    bad = [
        "", "x", "[]", "null", "1", '{"do": 1}', '{"do": "rate"}', '{"do": "rate", "value": 2}', '{"do": "quit"}',
        '{"do": "rate", "value": NaN}', '{"do": "rate", "value": true}', '{"do": "rate", "value": 1, "more": 1}',
        '{"do": "command", "name": "in_lost"}', '{"do": "command", "name": "out_lost"}',
        '{"do": "command", "name": "tempo", "value": 1e9}', '{"do": "command", "name": "key", "value": "H mixo"}',
        '{"do": "command", "name": "role", "value": "drummer"}', '{"do": "command", "name": "held", "value": 2}',
        '{"do": "command", "name": "taste", "value": ""}', '{"do": "command", "name": "panic", "value": 1}',
        '{"do": "midi", "data": [240, 1, 2]}', '{"do": "midi", "data": [144, 60]}',
        '{"do": "midi", "data": [144, 60, 200]}',
        '{"do": "midi", "data": "900000"}', '{"do": "midi", "data": []}', '{"do": "rename", "take": "1", "name": "x"}',
        '{"do": "rename", "take": 1, "name": "\\ud800"}', '{"do": "rename", "take": 1, "name": "a\\nb"}',
        '{"do": "star", "take": 1, "on": 1}',
        '{"do": "delete", "take": -1}',
        '{"do": "port", "side": "up", "name": ""}', '{"do": "port", "side": "in", "name": "' + "x" * 151 + '"}',
        '{"do": "port", "side": "out", "name": "a\\nb"}', '{"do": "port", "side": "in", "name": "\\u001b[2J"}',
        '{"do": "command", "name": "taste", "value": "\\u001b[2J"}',
        '{"do": "learn"}', '{"do": "learn", "step": "again"}', '{"do": "learn", "step": ["begin"]}',
        '{"do": "wav", "take": "1"}', '{"do": "wav", "take": 0}',
        '{"do": "ping", "t": "now"}', "[" * 500, '{"do": "rate", "value": ' + "9" * 900 + "}",
    ]  # fmt: skip
    with link(stage) as page:
        hear(stage, page, "hello")
        for text in bad:
            page.send(text)
            said = hear(stage, page, "error")["error"]
            assert said.endswith(".") and "\n" not in said and "Traceback" not in said, (text, said)
        page.send(b"\x00\xff\xfe")
        assert hear(stage, page, "error")
        page.send(json.dumps({"do": "rate", "value": 1}))
        assert [e.kind for e in told(stage)] == [inbox.RATE]
    assert stage.told == []
    assert [(t.id, t.name, t.star) for t in stage.store.takes()] == [(1, "", False)]


def test_a_lesson_is_for_desk_to_hold_and_its_words_come_at_once(stage, monkeypatch):
    slow = server.SLOW_S
    monkeypatch.setattr(server, "SLOW_S", 1e6)
    time.sleep(slow + 0.3)  # the last look at what changes slowly is over
    with link(stage) as page:
        hear(stage, page, "hello")
        for step in ("begin", "tastes", "skip", "leave"):
            page.send(json.dumps({"do": "learn", "step": step}))
        page.send(json.dumps({"do": "ping", "t": 1}))
        hear(stage, page, "pong")
        assert stage.told == [("learn", step) for step in ("begin", "tastes", "skip", "leave")]
        stage.facts = {**stage.facts, "lesson": {"prompt": "press"}}
        assert hear(stage, page, "facts")["facts"]["lesson"] == {"prompt": "press"}


def test_a_takes_sound_is_made_fetched_and_kept_until_the_next(stage, monkeypatch, tmp_path):
    monkeypatch.setenv("LIVECOMPOSER_HOME", str(tmp_path))
    url = f"{stage.base}/takes/1.wav"
    assert httpx.get(url, params={"key": TOKEN}).status_code == 404
    with link(stage) as page:
        hear(stage, page, "hello")
        page.send(json.dumps({"do": "wav", "take": 9}))
        assert hear(stage, page, "wav")["wav"] == {"take": 9, "done": "0%"}
        page.send(json.dumps({"do": "wav", "take": 1}))
        assert "is being made" in hear(stage, page, "error")["error"]
        said = hear(stage, page, "wav", 60.0)["wav"]
        assert "there is no take 9" in said["problem"] and "ready" not in said
        assert httpx.get(f"{stage.base}/takes/9.wav", params={"key": TOKEN}).status_code == 404
        page.send(json.dumps({"do": "wav", "take": 1}))
        while "ready" not in (said := hear(stage, page, "wav", 60.0)["wav"]):
            assert said["done"].endswith("%")
        assert said == {"take": 1, "ready": True}
        assert httpx.get(url).status_code == 403
        answer = httpx.get(url, params={"key": TOKEN})
        assert answer.content[:4] == b"RIFF" and 'filename="take-1.wav"' in answer.headers["content-disposition"]
        with wave.open(io.BytesIO(answer.content)) as sound:
            assert 20 < sound.getnframes() / sound.getframerate() < 25
        assert httpx.head(url, params={"key": TOKEN}).status_code == 200
        assert httpx.get(url, params={"key": TOKEN}).content == answer.content
        path = stage.page.sounds.of(1)
        page.send(json.dumps({"do": "wav", "take": 9}))
        hear(stage, page, "wav")
        assert not path.exists() and httpx.get(url, params={"key": TOKEN}).status_code == 404
        assert "problem" in hear(stage, page, "wav", 60.0)["wav"]
    folder = stage.page.sounds._folder
    assert folder.is_dir()
    stage.page.stop()
    assert not folder.exists()


def test_who_goes_away_ends_the_making_of_a_sound(stage, monkeypatch, tmp_path):
    pid = made_by(monkeypatch, tmp_path, "for i in range(600):\n    print(f'{i}%')\n    time.sleep(0.1)")
    with link(stage) as page:
        hear(stage, page, "hello")
        page.send(json.dumps({"do": "wav", "take": 1}))
        while "%" not in hear(stage, page, "wav")["wav"]["done"]:
            pass
        wait_for(pid.exists)
    wait_for(lambda: gone(pid))


@pytest.mark.parametrize(
    ("does", "problem"),
    [
        ("time.sleep(600)", "The sound cannot be made: what makes it hangs."),
        ("print('… a.wav: 40%')\nprint('cannot write a.wav: No space left')\nsys.exit(2)",
         "Cannot write a.wav: No space left"),
        ("sys.exit(1)", "The sound cannot be made"),
    ],
)  # fmt: skip
def test_why_there_is_no_sound_is_said(stage, monkeypatch, tmp_path, does, problem):
    pid = made_by(monkeypatch, tmp_path, does)
    monkeypatch.setattr(sounds, "SILENT_S", 1.0)
    with link(stage) as page:
        hear(stage, page, "hello")
        page.send(json.dumps({"do": "wav", "take": 1}))
        while "problem" not in (said := hear(stage, page, "wav")["wav"]):
            pass
        assert said == {"take": 1, "problem": problem}
    wait_for(lambda: gone(pid))
    assert stage.page.sounds.of(1) is None


def test_without_a_folder_for_sounds_all_else_goes_on(stage, monkeypatch):
    def full(**_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(sounds.tempfile, "mkdtemp", full)
    with link(stage) as page:
        hear(stage, page, "hello")
        page.send(json.dumps({"do": "wav", "take": 1}))
        hear(stage, page, "wav")
        said = hear(stage, page, "wav")["wav"]
        assert said == {"take": 1, "problem": "The sound cannot be made (No space left on device)."}
        page.send(json.dumps({"do": "ping", "t": 7}))
        assert hear(stage, page, "pong")["pong"] == 7


def test_the_end_ends_what_is_being_made(stage, monkeypatch, tmp_path):
    pid = made_by(monkeypatch, tmp_path, "time.sleep(600)")
    with link(stage) as page:
        hear(stage, page, "hello")
        page.send(json.dumps({"do": "wav", "take": 1}))
        hear(stage, page, "wav")
        wait_for(pid.exists)
        stage.page.stop()
        wait_for(lambda: gone(pid))


def made_by(monkeypatch, tmp_path, does):
    """Let this program make sounds; the file that it writes its process id into."""
    pid = tmp_path / "pid"
    begins = f"import os, sys, time\nopen({str(pid)!r}, 'w').write(str(os.getpid()))\n"
    monkeypatch.setattr(sounds, "OWN", (sys.executable, "-c", begins + does))
    return pid


def wait_for(happens, seconds=20.0):
    end = time.monotonic() + seconds
    while not happens():
        assert time.monotonic() < end
        time.sleep(0.02)


def gone(pid):
    try:
        os.kill(int(pid.read_text()), 0)
    except ProcessLookupError:
        return True
    return False


def test_an_oversize_frame_ends_only_its_own_connection(stage):
    with link(stage) as quiet:
        hear(stage, quiet, "hello")
        with link(stage) as loud:
            hear(stage, loud, "hello")
            loud.send("x" * 2000)  # over ours
            assert "at most" in hear(stage, loud, "error")["error"]
            with pytest.raises(ConnectionClosed):
                loud.send("x" * 100_000)  # over the socket's
                while True:
                    loud.recv(timeout=20)
        quiet.send(json.dumps({"do": "ping", "t": 7}))
        assert hear(stage, quiet, "pong")["pong"] == 7
    assert told(stage, 0) == []


def test_who_asks_too_much_is_not_heard(stage, monkeypatch):
    monkeypatch.setattr(server, "RATE", 0.0)
    monkeypatch.setattr(server, "BURST", 20.0)
    monkeypatch.setattr(server, "TOO_MANY", 50)
    with link(stage) as page:
        hear(stage, page, "hello")
        with pytest.raises(ConnectionClosed):
            for _ in range(1000):
                page.send(json.dumps({"do": "rate", "value": 1}))
                stage.answer()
            while True:
                page.recv(timeout=20)
    assert len(told(stage, 20)) == 20 and told(stage, 1, 0.3) == []


def test_many_connections_opened_and_dropped_leave_nothing_behind(stage):
    with link(stage) as page:
        hear(stage, page, "hello")
        before = files_open()
        request = f"GET /ws?key={TOKEN} HTTP/1.1\r\nHost: 127.0.0.1:{stage.page.port}\r\nOrigin: {stage.base}\r\n"
        upgrade = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        whole = (request + upgrade + "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n").encode()
        for number in range(2000):
            with socket.create_connection(("127.0.0.1", stage.page.port), timeout=20) as raw:
                if number % 4:  # at once, within the request, behind it
                    raw.sendall(whole if number % 4 == 3 else whole[: 20 * (number % 4)])
        page.send(json.dumps({"do": "ping", "t": 1}))
        assert hear(stage, page, "pong")["pong"] == 1
        end = time.monotonic() + 20
        while (len(stage.page.clients) > 1 or files_open() > before) and time.monotonic() < end:
            time.sleep(0.05)
        assert len(stage.page.clients) == 1 and files_open() <= before
    assert httpx.get(f"{stage.base}/", params={"key": TOKEN}).status_code == 200


def test_a_slow_reader_loses_frames_and_catches_up(stage):
    """Its queue is bounded; when it reads again it is given the state as of then."""
    records = Recorder(stage.writer)
    with link(stage) as quick, link(stage, max_queue=1) as slow:
        hear(stage, quick, "hello")
        seen, client = 0, None
        for number in range(400):  # nobody reads `slow`
            for _ in range(500):
                records.ledger(number, (number, 0, 0.1, 0.2, 0.3, 0, 0))
            while seen < 500 * (number + 1):
                seen += sum(event[0] == "ledger" for event in json.loads(quick.recv(timeout=20)).get("e", ()))
            client = next((c for c in stage.page.clients if c.dropped > 3), None)
            if client is not None:
                break
        assert client is not None and client.frames.qsize() <= server.QUEUE
        hellos = 0
        while hellos < 2:
            message = json.loads(slow.recv(timeout=20))
            hellos += "hello" in message
        latest = [event for event in message["e"] if event[0] == "ledger"]
        assert [event[2] for event in latest] == [number] and message["e"][0][0] == "take"


def test_takes_are_listed_named_starred_deleted_and_brought_back(stage):
    with link(stage) as page:
        page.send(json.dumps({"do": "takes"}))
        (take,) = hear(stage, page, "takes")["takes"]
        assert (take["id"], take["role"], take["ratings"], take["liking"]) == (1, "solo", 2, -0.25)
        page.send(json.dumps({"do": "rename", "take": 1, "name": EVIL}))
        assert hear(stage, page, "takes")["takes"][0]["title"] == EVIL
        page.send(json.dumps({"do": "star", "take": 1, "on": True}))
        assert hear(stage, page, "takes")["takes"][0]["star"] is True
        page.send(json.dumps({"do": "delete", "take": 1}))
        assert "being recorded" in hear(stage, page, "error")["error"]
        stage.perform(start_ns=200 * S)  # now the other is
        page.send(json.dumps({"do": "delete", "take": 1}))
        assert [take["id"] for take in hear(stage, page, "takes")["takes"]] == [2]
        page.send(json.dumps({"do": "undelete"}))
        assert [take["id"] for take in hear(stage, page, "takes")["takes"]] == [2, 1]
        page.send(json.dumps({"do": "undelete"}))
        assert "no take has been deleted" in hear(stage, page, "error")["error"]
        page.send(json.dumps({"do": "star", "take": 77, "on": True}))
        assert "there is no take 77" in hear(stage, page, "error")["error"]


def test_only_takes_by_number_can_be_had(stage):
    get = lambda path: httpx.get(f"{stage.base}{path}", params={"key": TOKEN})  # noqa: E731 - a word for many lines
    for path in (
        "/takes/99.mid", "/takes/1.exe", "/takes/1.sqlite", "/takes/..%2f..%2fetc%2fpasswd.mid", "/takes/-1.mid",
        "/static/../server.py", "/static/%2e%2e/server.py", "/static/..%2f..%2f..%2fetc/passwd", "/takes.sqlite",
        "/static//etc/passwd", "/takes/99999999999999999999999.mid",
    ):  # fmt: skip
        answer = get(path)
        assert answer.status_code == 404 and "import" not in answer.text and "root:" not in answer.text, path
    roll = get("/takes/1.json").json()
    assert roll["id"] == 1 and roll["seconds"] == 20.0 and [value for _, value in roll["ratings"]] == [0.5, -1.0]
    csv = get("/takes/1.csv")
    assert csv.text.startswith("t_s,kind,") and csv.headers["content-disposition"].startswith("attachment")


def test_port_changes_go_to_desk_only(stage):
    with link(stage) as page:
        page.send(json.dumps({"do": "port", "side": "in", "name": EVIL[:40]}))
        page.send(json.dumps({"do": "ping", "t": 1}))
        hear(stage, page, "pong")
    assert stage.told == [("port", {"side": "in", "name": EVIL[:40]})]
    assert stage.entries() == []


def test_what_desk_says_is_shown_once_to_whoever_looks(stage):
    with link(stage) as one, link(stage) as other:
        hear(stage, one, "hello"), hear(stage, other, "hello")
        stage.said.append("Agent q cannot be played.")
        for socket in (one, other):
            assert hear(stage, socket, "told") == {"told": "Agent q cannot be played."}
        assert not stage.said


def test_a_port_in_use_is_said_in_a_sentence(stage):
    other = server.Page(stage, TOKEN, stage.page.port)
    other.start()
    assert other.ready.wait(20)
    assert other.problem == "Address already in use"


def test_what_the_ring_no_longer_says_of_a_take_the_store_does(tmp_path):
    stage = Stage(tmp_path, 1 << 10)
    p = stage.perform(2, end=False, tempo=77.0)
    records = Recorder(stage.writer)
    for number in range(1 << 10):  # the beginning is overwritten
        records.late(p.now_ns, number)
    stage.recorder.drain()
    stage.page = stage.serve()
    stage.base = f"http://127.0.0.1:{stage.page.port}"
    with link(stage) as page:
        end = time.monotonic() + 20
        while stage.page.feed.take == 0 and time.monotonic() < end:
            stage.answer()
            time.sleep(0.01)
        with link(stage) as later:
            take = hear(stage, later, "hello")["e"][0]
        hear(stage, page, "hello")
    assert (take[0], take[3]["tempo"]) == ("take", 77.0)
    stage.page.stop()
    stage.close()


def test_a_page_that_fails_says_so_and_only_the_page_stops(stage, monkeypatch):
    monkeypatch.setattr(stage.page.feed, "read", lambda: 1 / 0)
    end = time.monotonic() + 20
    while not stage.told and time.monotonic() < end:
        time.sleep(0.01)
    ((what, sentence),) = stage.told
    assert what == "say" and "the music and its recording go on" in sentence
