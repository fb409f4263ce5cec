"""``livecomposer takes``, ``export`` and ``replay`` as commands: what they print, write and return."""

import json
import os
import subprocess
import sys

import mido
import pytest

from livecomposer import Performance, Settings
from livecomposer.cli import main
from livecomposer.instrument.ring import RingWriter, size_of
from livecomposer.studio.recorder import Recorder
from livecomposer.studio.store import FILE, Store

S = 1_000_000_000
CAPACITY = 1 << 14
EVIL = "<b>\u202e; DROP TABLE takes; --"


def record(home, run, snapshot=None, end=True, **settings):
    """A take of ten seconds."""
    buffer = memoryview(bytearray(size_of(CAPACITY)))
    given = Settings(role="solo", seed=4, **settings)
    p = Performance(given, ring=RingWriter(buffer, CAPACITY), snapshot=snapshot, start_ns=S)
    p.advance(6 * S)
    p.rate(6 * S, 1.0)
    p.rate(7 * S, -0.5)
    p.advance(11 * S)
    if end:
        p.release(11 * S)
    store = Store(home / FILE)
    recorder = Recorder(store, buffer, run, lambda t_ns: 1_700_000_000.0)
    recorder.drain()
    if snapshot is not None:
        store.keep_snapshot(snapshot)
    store.close()
    return p


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("LIVECOMPOSER_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def said(capsys, *args):
    code = main(list(args))
    out, err = capsys.readouterr()
    assert "Traceback" not in out + err
    return code, out, err


def test_takes_lists_what_there_is(home, capsys):
    record(home, "a")
    record(home, "b", end=False, tempo=90.0)
    code, out, _ = said(capsys, "takes")
    lines = out.splitlines()
    assert code == 0 and len(lines) == 3
    assert lines[0].split() == ["take", "length", "role", "player", "agent", "ratings", "liking"]
    assert lines[1].split()[:4] == ["2", "0:09", "solo", "0"] and lines[1].endswith("cut off")
    assert lines[2].split()[:4] == ["1", "0:10", "solo", "0"] and lines[2].split()[5:7] == ["2", "+0.25"]
    code, out, _ = said(capsys, "takes", "--json")
    found = json.loads(out)["takes"]
    assert [(t["id"], t["ended"], t["ratings"], t["liking"], t["lost"]) for t in found] == [
        (2, False, 2, 0.25, 0), (1, True, 2, 0.25, 0),
    ]  # fmt: skip
    assert json.loads(said(capsys, "takes", "list", "--json")[1])["takes"] == found


def test_takes_are_named_starred_deleted_and_brought_back(home, capsys):
    record(home, "a")
    record(home, "b")
    assert said(capsys, "takes", "rename", "1", "the <good> one")[1] == 'Take 1 is "the <good> one".\n'
    assert said(capsys, "takes", "star", "1")[1] == "Take 1 is marked with ★.\n"
    lines = said(capsys, "takes")[1].splitlines()
    assert lines[2].startswith("★") and lines[2].endswith("the <good> one") and not lines[1].startswith("★")
    assert said(capsys, "takes", "unstar", "1")[1] == "Take 1 is not marked any more.\n"
    assert "takes undo" in said(capsys, "takes", "delete", "1")[1]
    assert len(said(capsys, "takes")[1].splitlines()) == 2
    assert said(capsys, "takes", "undo")[1] == "Take 1 is back.\n"
    assert [t["star"] for t in json.loads(said(capsys, "takes", "--json")[1])["takes"]] == [False, False]


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("takes", "rename", "9", "x"), "there is no take 9"),
        (("takes", "delete", "0"), "there is no take 0"),
        (("takes", "rename", "1", "a\nb"), "one line"),
        (("takes", "rename", "1", EVIL), "one line"),
        (("takes", "undo"), "no take has been deleted"),
        (("export", "9"), "there is no take 9"),
        (("export", "1", "--mid", "/nowhere/a.mid"), "cannot be written"),
        (("export", "1", "--csv", "."), "is a folder; name a file in it"),
        (("replay", "9", "--verify"), "there is no take 9"),
        (("replay", str(10**30), "--verify"), "there is no take"),
    ],
)
def test_mistakes_are_one_sentence(home, capsys, args, words):
    record(home, "a")
    code, _, err = said(capsys, *args)
    assert code == 2 and words in err and err.count("\n") == 1


def test_before_the_first_take_it_says_so(home, capsys):
    for args in (("takes",), ("export", "1"), ("replay", "1")):
        code, _, err = said(capsys, *args)
        assert (code, err) == (
            2, "livecomposer: nothing has been recorded yet; `livecomposer play` records whatever is played\n",
        )  # fmt: skip
    assert list(home.iterdir()) == []


def test_export_writes_the_files_asked_for(home, capsys):
    record(home, "a")
    assert said(capsys, "export", "1")[1] == "Wrote take-1.mid.\n"
    code, out, _ = said(capsys, "export", "1", "--mid", "b.mid", "--csv")
    assert code == 0 and set(out.splitlines()) == {"Wrote b.mid.", "Wrote take-1.csv."}
    assert (home / "b.mid").read_bytes() == (home / "take-1.mid").read_bytes()
    assert [m.text for m in mido.MidiFile(home / "b.mid").tracks[0] if m.type == "marker"] == [
        "like +1.0",
        "dislike -0.5",
    ]
    code, _, err = said(capsys, "export", "1", "--csv", "c.csv", "--mid", "b.mid")
    assert (code, err) == (2, "livecomposer: b.mid is there already; name another file, or replace it by --force\n")
    assert not (home / "c.csv").exists()
    assert said(capsys, "export", "1", "--mid", "b.mid", "--force")[1] == "Wrote b.mid.\n"
    assert (home / "take-1.csv").read_text().startswith("t_s,kind,")


def test_export_renders_what_sounded(home):
    pytest.importorskip("signalflow", reason="SignalFlow has no wheel for this platform")
    record(home, "a")
    command = [sys.executable, "-m", "livecomposer", "export", "1", "--wav", "a.wav"]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ, check=False)
    assert done.returncode == 0 and "Wrote a.wav" in done.stdout, done.stderr
    assert (home / "a.wav").stat().st_size > 1_000_000


def test_verify_says_same_differs_or_elsewhere(home, capsys):
    learnt = record(home, "a").snapshot()
    record(home, "b", snapshot=learnt)
    for take in ("1", "2"):
        code, out, _ = said(capsys, "replay", take, "--verify")
        assert code == 0 and out.endswith("messages are the same.\n")
    store = Store(home / FILE)
    (seq, payload) = store._one(
        "SELECT seq, payload FROM records WHERE take = 1 AND kind = 4 ORDER BY seq LIMIT 1 OFFSET 9"
    )
    wrong = payload[:-1] + bytes((payload[-1] ^ 1,))
    store._all("UPDATE records SET payload = ? WHERE take = 1 AND seq = ?", wrong, seq)
    code, out, _ = said(capsys, "replay", "1", "--verify")
    assert code == 1 and "message 10 differs" in out and wrong[14:].hex(" ") in out
    report = json.loads(said(capsys, "replay", "1", "--verify", "--json")[1])
    assert (report["same"], report["elsewhere"], report["difference"]["number"]) == (False, [], 9)
    machine = store.take(1).machine | {"numba": "0.1", "cpu": "another"}
    store._all("UPDATE takes SET machine = ?", json.dumps(machine))
    code, out, _ = said(capsys, "replay", "1", "--verify")
    assert code == 3 and "numba: recorded with 0.1" in out and "message 10 differs" in out
    assert said(capsys, "replay", "2", "--verify")[0] == 0  # another machine, and the same all the same
    store._all("DELETE FROM snapshots")
    code, _, err = said(capsys, "replay", "2", "--verify")
    assert code == 2 and "began with another taste" in err
    store._all("INSERT INTO losses VALUES(1, 5, 3, 'a reason')")
    code, _, err = said(capsys, "replay", "1", "--verify")
    assert code == 2 and "lacks 3 records" in err
    store.close()


def test_a_damaged_file_is_named(home, capsys):
    (home / FILE).write_bytes(b"not a database, and long enough to look like one" * 50)
    code, _, err = said(capsys, "takes")
    assert code == 2 and FILE in err and "damaged" in err and err.count("\n") == 1
