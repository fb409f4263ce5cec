"""The taste of a run: beginning, changing, saving, and what hinders it; an instrument that is a few lines."""

import errno
import os
import subprocess
import sys
from multiprocessing.shared_memory import SharedMemory

import numpy as np
import pytest

from livecomposer import whole
from livecomposer.desk.files import taste_files, taste_path
from livecomposer.desk.lock import Lock
from livecomposer.desk.shelf import PAUSE_S, RETRY_S, Shelf
from livecomposer.errors import SettingsError, StoreError
from livecomposer.instrument import inbox
from livecomposer.instrument.snapshot import SharedSnapshot, pack, unpack

META = {"kind": "model", "agent": "dyna-q", "layout": 1}


def arrays(n, draw=0.0):
    """A taste that was rated ``n`` times."""
    y = np.zeros(8)
    y[:n] = 0.5
    return {"taste.n": np.array([n]), "taste.y": y, "taste.z": np.array([draw])}


def taste(n, **meta):
    return pack(arrays(n), {**META, **meta})


OPEN = []


@pytest.fixture(autouse=True)
def given_back():
    """Whatever a test has left open is closed."""
    taken, take = [], Lock.take
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Lock, "take", lambda self: taken.append(self) or take(self))
        yield
    for stage in OPEN:
        stage.shelf.close(stage.shared)
    OPEN.clear()
    for lock in taken:
        lock.release()


class Stage:
    """A shelf with an instrument; ``said`` are its lines, ``at_s`` the time."""

    def __init__(self, home, name="mine", agent="dyna-q"):
        self.home, self.said, self.told, self.at_s = home, [], [], 0.0
        self.memory = memoryview(bytearray(SharedSnapshot.size_of(4096)))
        self.writer = SharedSnapshot(self.memory)
        self.writer.describe(arrays(0), META)
        self.shared = SharedSnapshot(self.memory)
        self.shelf = Shelf(home, name, agent, self.said.append, self.told.append)
        OPEN.append(self)

    @property
    def playing(self):
        return self.shelf.taste.name

    def learn(self, n, draw=0.0):
        """The instrument has learnt; desk looks."""
        self.writer.write(arrays(n, draw), self.shelf.number)
        self.look()

    def look(self, seconds=PAUSE_S):
        self.at_s += seconds
        self.shelf.save(self.shared, self.at_s)

    def offered(self):
        """What the instrument has been offered: (number, file)."""
        entry = inbox.unpack(self.told.pop())
        assert entry.kind == inbox.TASTE
        self.agent, _, place = entry.text.decode().partition("=")
        if not place:
            return int(entry.number), None
        memory = SharedMemory(name=place)
        size = int.from_bytes(memory.buf[:8], "little")
        data = bytes(memory.buf[8 : 8 + size])
        memory.close()
        return int(entry.number), data

    def take(self, left=None):
        """The instrument goes on with what it was offered, and leaves ``left`` ratings."""
        number, data = self.offered()
        if left is not None:
            self.writer.leave(arrays(left), self.shelf.number)
        self.shelf.changed(number, self.shared)
        return data

    def heard(self):
        said, self.said[:] = list(self.said), []
        return said

    def kept(self, name="mine"):
        """Ratings in a file, None if there is none."""
        path = taste_path(self.home, name)
        return int(unpack(path.read_bytes())[0]["taste.n"][0]) if path.exists() else None

    def names(self):
        folder = self.home / "tastes"
        return sorted(os.listdir(folder)) if folder.exists() else []


@pytest.fixture
def put(tmp_path):
    """Put files among the tastes."""

    def put(**tastes):
        for name, data in tastes.items():
            path = taste_path(tmp_path, name.replace("_", "-"))
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(data)

    return put


# ---- beginning -------------------------------------------------------------------------------------------------------


def test_a_new_taste_is_made_when_something_has_been_rated(tmp_path):
    stage = Stage(tmp_path)
    assert (stage.heard(), stage.shelf.learnt, stage.shelf.number) == (['Taste: "mine" (new).'], None, 0)
    stage.learn(0)
    stage.learn(0, draw=1.0)
    assert stage.names() == ["mine.npz.lock"]
    stage.learn(1)
    assert (stage.kept(), stage.heard()) == (1, [])
    assert stage.shelf.close(stage.shared)
    assert stage.names() == ["mine.npz"]


def test_a_taste_of_before(tmp_path, put):
    put(mine=taste(1))
    stage = Stage(tmp_path)
    assert (stage.heard(), stage.shelf.learnt) == (['Taste: "mine" (1 rating).'], taste(1))


def test_a_new_one_of_nearly_the_same_name_is_pointed_out(tmp_path, put):
    put(mine=taste(1), zoe=taste(2))
    heard = {name: Stage(tmp_path, name).heard() for name in ("Mine", "minne", "ann")}
    assert heard == {
        "Mine": ['Taste: "Mine" (new). There is also "mine".'],
        "minne": ['Taste: "minne" (new). There is also "mine".'],
        "ann": ['Taste: "ann" (new).'],
    }


def test_nothing_learnt_nothing_written(tmp_path, put):
    """Each phrase draws anew: that alone is no reason to write, nor to say that it was rated today."""
    put(mine=taste(3))
    path = taste_path(tmp_path, "mine")
    os.utime(path, (1e9, 1e9))
    stage = Stage(tmp_path)
    stage.learn(3, draw=1.0)
    stage.learn(3, draw=2.0)
    stage.shelf.close(stage.shared)
    assert path.stat().st_mtime == 1e9
    other = Stage(tmp_path)
    other.learn(2)  # taken back, or the start restored
    assert other.kept() == 2


def test_a_damaged_one_is_set_aside(tmp_path, put):
    put(mine=taste(3)[:-40])
    stage = Stage(tmp_path)
    [warning, new] = stage.heard()
    assert warning.startswith("Warning: ") and "mine.npz is damaged or no file of livecomposer" in warning
    assert new == 'Taste: "mine" (new).'
    stage.learn(1)
    [aside] = [name for name in stage.names() if "unused" in name]
    assert (stage.kept(), (tmp_path / "tastes" / aside).read_bytes()) == (1, taste(3)[:-40])


def test_a_newer_one_stays_and_another_is_taken_beside_it_each_time(tmp_path, put):
    newer = taste(3, version=2)
    put(mine=newer)
    for n in (1, 2):
        stage = Stage(tmp_path)
        [warning, told] = stage.heard()
        assert warning.endswith(
            "mine.npz was written by a newer livecomposer (version 2); update to use it; it stays as it is, and what "
            'is learnt now is kept as "mine-2".'
        )
        assert told == ('Taste: "mine-2" (new).' if n == 1 else 'Taste: "mine-2" (1 rating).')
        stage.learn(n)
        stage.shelf.close(stage.shared)
        assert stage.kept("mine-2") == n
    assert taste_path(tmp_path, "mine").read_bytes() == newer
    assert stage.names() == ["mine-2.npz", "mine.npz"]


def test_what_the_instrument_finds_foreign_stays_too(tmp_path, put):
    put(mine=taste(3), mine_2=taste(4), mine_3=taste(5))
    stage = Stage(tmp_path)
    stage.heard()
    stage.shelf.refused("foreign it was learnt by agent 'q', not 'dyna-q'; choose that agent")
    assert stage.heard() == [
        "Warning: \"mine\" is not played: it was learnt by agent 'q', not 'dyna-q'; choose that agent; it stays as "
        'it is, and what is learnt now is kept as "mine-2".'
    ]
    assert stage.offered() == (1, taste(4))
    stage.told.append(inbox.pack(0, 0, inbox.TASTE, 1.0))
    stage.shelf.changed(1, stage.shared)
    assert stage.heard() == ['Taste: "mine-2" (4 ratings).']
    stage.learn(6)
    assert (stage.kept("mine"), stage.kept("mine-2"), stage.kept("mine-3")) == (3, 6, 5)
    assert "mine.npz.lock" not in stage.names()


def test_a_copy_of_the_run_that_began_anew_meanwhile_does_not_touch_the_file(tmp_path, put):
    put(mine=taste(3), mine_2=taste(4))
    for ends in ("changed", "died"):
        stage = Stage(tmp_path)
        stage.shelf.refused("foreign it was learnt by agent 'q', not 'dyna-q'; choose that agent")
        stage.learn(1)
        assert (stage.kept("mine-2"), stage.playing) == (4, "mine-2")
        stage.take(left=1) if ends == "changed" else stage.shelf.died(stage.shared)
        assert (stage.shelf.learnt, stage.shelf.number) == (taste(4), 1)
        stage.learn(4)
        assert (stage.kept("mine-2"), stage.names()) == (4, ["mine-2.npz", "mine-2.npz.lock", "mine.npz"])
        stage.shelf.close(stage.shared)


def test_what_the_instrument_finds_damaged_is_set_aside(tmp_path, put):
    put(mine=taste(3))
    stage = Stage(tmp_path)
    stage.heard()
    stage.shelf.refused("damaged it holds ratings that cannot be; it has not been used or changed")
    [said] = stage.heard()
    [aside] = [name for name in stage.names() if "unused" in name]
    assert said == (
        'Warning: "mine" is not played: it holds ratings that cannot be; it has not been used or changed; it now lies '
        f"in {aside}, and this run begins anew."
    )
    assert stage.shelf.learnt is None and not stage.told
    stage.learn(1)
    assert (stage.kept(), (tmp_path / "tastes" / aside).read_bytes()) == (1, taste(3))


def test_a_folder_in_place_of_the_file(tmp_path):
    (tmp_path / "tastes" / "mine.npz").mkdir(parents=True)
    with pytest.raises(StoreError, match=r"mine\.npz is a folder; move it away, or choose another --taste$"):
        Stage(tmp_path)
    assert Lock(taste_path(tmp_path, "mine")).take()  # and it is not in use


@pytest.mark.parametrize("name", ["a/b", "..", ".", "a\\b", "CON", "nul.x", "COM1", "x" * 300, "x.unused-" + "y" * 280])
def test_a_name_that_is_none(tmp_path, name):
    with pytest.raises(SettingsError, match=r'^taste = "[^\n]*" (cannot be a file name|is longer than 200 bytes); '):
        Stage(tmp_path, name)
    assert list(tmp_path.iterdir()) == []


# ---- two at once -----------------------------------------------------------------------------------------------------


def test_the_second_plays_on_and_keeps_nothing(tmp_path, put):
    put(mine=taste(3))
    first, second = Stage(tmp_path), Stage(tmp_path)
    assert first.heard() == ['Taste: "mine" (3 ratings).']
    assert second.heard() == [
        'Warning: "mine" is being played by another livecomposer, which saves it: this one plays to it as it is now '
        "and keeps nothing of what it learns; choose another --taste to keep that.",
        'Taste: "mine" (3 ratings).',
    ]
    second.learn(8)
    assert first.kept() == 3
    first.learn(4)
    first.shelf.close(first.shared)
    second.learn(7)  # what the first has learnt is not overwritten now either
    assert not second.shelf.close(second.shared)
    assert (first.kept(), first.names()) == (4, ["mine.npz"])


def test_a_lock_ends_with_its_process(tmp_path):
    path = tmp_path / "mine.npz"
    held = (
        "import sys; from pathlib import Path; from livecomposer.desk.lock import Lock; "
        "lock = Lock(Path(sys.argv[1])); print(lock.take(), flush=True); sys.stdin.read()"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", held, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert child.stdout.readline() == "True\n"
    assert not Lock(path).take()
    child.kill()
    child.wait()
    child.stdin.close()
    child.stdout.close()
    lock = Lock(path)
    assert (tmp_path / "mine.npz.lock").exists() and lock.take() and lock.take()
    assert not Lock(path).take()
    lock.release()
    lock.release()
    assert not (tmp_path / "mine.npz.lock").exists()


@pytest.mark.skipif(os.name == "nt", reason="there an open file cannot be removed")
def test_a_lock_on_a_file_that_was_removed_is_none(tmp_path, monkeypatch):
    """Somebody gives it back just between our opening of the file and our locking it."""
    from livecomposer.desk import lock as locking

    path = tmp_path / "mine.npz"
    hold, removed = locking._hold, []

    def hold_later(file):
        if not removed:
            removed.append(True)
            (tmp_path / "mine.npz.lock").unlink()
        hold(file)

    monkeypatch.setattr(locking, "_hold", hold_later)
    assert Lock(path).take()
    assert removed and not Lock(path).take()


# ---- changing --------------------------------------------------------------------------------------------------------


def test_the_next_taste_and_round_again(tmp_path, put):
    put(ann=taste(1), Bob=taste(2), zoe=taste(3))
    stage = Stage(tmp_path, "mine")
    stage.heard()
    for expected, n in (("zoe", 3), ("ann", 1), ("Bob", 2), ("zoe", 3)):  # mine is not there before it is rated
        stage.shelf.choose(None)
        assert stage.shelf.changing and stage.playing != expected
        assert stage.take() == taste(n)
        assert (stage.playing, stage.heard()) == (expected, [f'Taste: "{expected}" ({n} rating{"s" * (n > 1)}).'])
    assert stage.names() == ["Bob.npz", "ann.npz", "zoe.npz", "zoe.npz.lock"]


def test_what_is_left_is_saved_and_what_is_new_is_its_own(tmp_path, put):
    put(mine=taste(1), zoe=taste(2))
    stage = Stage(tmp_path)
    stage.learn(2)
    stage.shelf.choose("zoe")
    stage.learn(3)  # while the instrument makes ready
    stage.take(left=4)  # and a last one
    assert (stage.kept("mine"), stage.kept("zoe")) == (4, 2)
    stage.learn(5)
    assert (stage.kept("mine"), stage.kept("zoe")) == (4, 5)
    stage.writer.write(arrays(7), 0)  # of the one that was left: not zoe's
    stage.look()
    assert stage.kept("zoe") == 5
    stage.shelf.choose("mine")
    assert stage.take() == taste_path(tmp_path, "mine").read_bytes()
    assert (stage.kept("mine"), stage.kept("zoe")) == (4, 5)


def test_by_number_as_programs_choose(tmp_path, put):
    put(ann=taste(1), mine=taste(2), zoe=taste(3))
    stage = Stage(tmp_path)
    stage.heard()
    for number, name in ((2.0, "zoe"), (0.0, "ann")):
        stage.shelf.choose(number)
        stage.take()
        assert stage.playing == name
    stage.heard()
    stage.shelf.choose(3.0)
    stage.shelf.choose(0.0)
    assert stage.heard() == ["There is no taste for that: there are 3.", 'Taste: "ann" (1 rating).']
    assert not stage.told


def test_a_new_name_makes_one(tmp_path, put):
    put(mine=taste(2))
    stage = Stage(tmp_path)
    stage.heard()
    stage.shelf.choose("new one")
    assert stage.take() is None
    assert stage.heard() == ['Taste: "new one" (new).']
    stage.learn(0)
    assert stage.kept("new one") is None
    stage.learn(1)
    assert (stage.kept("new one"), stage.kept()) == (1, 2)


def test_there_is_no_other(tmp_path):
    stage = Stage(tmp_path)
    stage.heard()
    stage.shelf.choose(None)
    stage.shelf.choose("a/b")
    assert stage.heard() == [
        "There is no other taste; `livecomposer tastes copy` or `play --taste NAME` makes one.",
        'taste = "a/b" cannot be a file name; use letters, digits, spaces, - and _.',
    ]
    assert not stage.told


def test_those_that_cannot_be_used_are_passed_over(tmp_path, put):
    put(mine=taste(1), n1=b"no taste", n2=taste(2, version=2), n3=taste(3), n4=taste(4))
    before = {name: taste_path(tmp_path, name).read_bytes() for name in ("n1", "n2", "n3")}
    stage = Stage(tmp_path)
    stage.heard()
    stage.shelf.choose(None)
    one, two = stage.heard()
    assert "n1.npz is damaged" in one and "n2.npz was written by a newer" in two
    assert one.endswith('; going on with "mine".')
    assert stage.offered() == (1, taste(3))
    stage.shelf.refused("foreign it was learnt by agent 'q', not 'dyna-q'; choose that agent")
    assert stage.heard() == [
        "Warning: \"n3\" is not played: it was learnt by agent 'q', not 'dyna-q'; choose that agent; going on with "
        '"mine".'
    ]
    assert stage.take() == taste(4)
    assert stage.playing == "n4"
    assert {name: taste_path(tmp_path, name).read_bytes() for name in before} == before
    assert [name for name in stage.names() if name.endswith(".lock")] == ["n4.npz.lock"]


def test_one_that_another_plays_can_be_played_along(tmp_path, put):
    put(mine=taste(1), zoe=taste(2))
    other, stage = Stage(tmp_path, "zoe"), Stage(tmp_path)
    stage.heard()
    stage.shelf.choose("zoe")
    stage.take()
    warning, told = stage.heard()
    assert warning.startswith('Warning: "zoe" is being played by another') and told == 'Taste: "zoe" (2 ratings).'
    stage.learn(9)
    assert stage.kept("zoe") == 2
    stage.shelf.choose("mine")
    stage.take(left=9)
    stage.learn(5)
    assert (stage.kept("zoe"), stage.kept("mine")) == (2, 5)
    other.learn(3)
    assert other.kept("zoe") == 3


def test_one_change_at_a_time(tmp_path, put):
    put(mine=taste(1), zoe=taste(2), ann=taste(3))
    stage = Stage(tmp_path)
    stage.shelf.choose("zoe")
    stage.shelf.choose("ann")
    assert len(stage.told) == 1
    stage.shelf.changed(7, stage.shared)  # not ours
    assert stage.playing == "mine"
    stage.take()
    assert stage.playing == "zoe"


def test_an_instrument_that_dies_in_mid_change(tmp_path, put):
    put(mine=taste(1), zoe=taste(2))
    stage = Stage(tmp_path)
    stage.learn(3)
    stage.shelf.choose("zoe")
    stage.shelf.died(stage.shared)
    assert (stage.playing, stage.shelf.number, stage.shelf.changing) == ("mine", 0, False)
    assert int(unpack(stage.shelf.learnt)[0]["taste.n"][0]) == 3
    assert not (tmp_path / "tastes" / "zoe.npz.lock").exists()
    stage.shelf.choose("zoe")
    stage.take()
    stage.writer.write(arrays(4), 1)
    stage.shelf.died(stage.shared)
    assert int(unpack(stage.shelf.learnt)[0]["taste.n"][0]) == 4


# ---- saving ----------------------------------------------------------------------------------------------------------

STEPS = ("open", "write", "fsync", "replace")


def full_at(monkeypatch, step, number=errno.ENOSPC):
    """The disk is full when it comes to one of the steps of writing a file."""

    def fail(*args, **more):
        raise OSError(number, os.strerror(number))

    class Half:
        def __init__(self, file):
            self.file = file

        def __enter__(self):
            return self

        def __exit__(self, *_):
            self.file.close()

        def write(self, data):
            self.file.write(data[: len(data) // 2])
            self.file.flush()
            fail()

    if step in ("fsync", "replace"):
        monkeypatch.setattr(whole.os, step, fail)
    elif step == "open":
        monkeypatch.setattr(whole, "open", fail, raising=False)
    else:
        monkeypatch.setattr(whole, "open", lambda *args: Half(open(*args)), raising=False)  # noqa: SIM115


@pytest.mark.parametrize("step", STEPS)
def test_a_full_disk(tmp_path, put, monkeypatch, step):
    put(mine=taste(1), zoe=taste(2))
    stage = Stage(tmp_path)
    stage.heard()
    full_at(monkeypatch, step)
    for n in (2, 3, 4):
        stage.writer.write(arrays(n), 0)
        stage.look(RETRY_S)
        assert taste_path(tmp_path, "mine").read_bytes() == taste(1)
    path = taste_path(tmp_path, "mine")
    assert stage.heard() == [
        f"Warning: what is being learnt cannot be saved to {path} (No space left on device); make room; it is tried "
        "again and again."
    ]
    stage.shelf.choose("zoe")
    assert stage.heard() == ['The taste is not changed: first "mine" must be saved.']
    monkeypatch.undo()
    stage.look(RETRY_S / 2)
    assert stage.kept() == 1  # not yet
    stage.look(RETRY_S)
    assert (stage.kept(), stage.heard()) == (4, [f"Saved again: {path}."])
    assert stage.names() == ["mine.npz", "mine.npz.lock", "zoe.npz"]
    stage.shelf.choose("zoe")
    stage.take()
    assert stage.playing == "zoe"


def test_a_disk_that_is_full_to_the_end(tmp_path, put, monkeypatch):
    put(mine=taste(1))
    stage = Stage(tmp_path)
    full_at(monkeypatch, "fsync")
    stage.learn(2)
    assert not stage.shelf.close(stage.shared)
    assert (stage.kept(), stage.names()) == (1, ["mine.npz"])


def test_what_was_left_and_could_not_be_saved_is_owed(tmp_path, put, monkeypatch):
    put(mine=taste(1), zoe=taste(2))
    stage = Stage(tmp_path)
    stage.shelf.choose("zoe")
    full_at(monkeypatch, "write")
    stage.take(left=3)
    assert (stage.playing, stage.kept()) == ("zoe", 1)
    assert not Lock(taste_path(tmp_path, "mine")).take()
    stage.shelf.choose("mine")
    assert stage.heard()[-1] == 'The taste is not changed: first "mine" must be saved.'
    monkeypatch.undo()
    stage.look(RETRY_S)
    assert (stage.kept(), stage.kept("zoe")) == (3, 2)
    assert Lock(taste_path(tmp_path, "mine")).take()


@pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES])
def test_a_folder_that_cannot_be_written(tmp_path, put, monkeypatch, number):
    put(mine=taste(1))
    full_at(monkeypatch, "open", number)
    stage = Stage(tmp_path)
    stage.heard()
    stage.learn(2)
    stage.look(RETRY_S)
    assert stage.heard() == [
        f"Warning: what is being learnt cannot be saved to {taste_path(tmp_path, 'mine')} ({os.strerror(number)}); set "
        "LIVECOMPOSER_HOME to a folder that can be written; it is tried again and again."
    ]
    assert stage.kept() == 1


def test_somebody_else_s_file_that_has_come_meanwhile_is_set_aside(tmp_path, put):
    stage = Stage(tmp_path)
    put(mine=taste(7))
    stage.learn(1)
    stage.learn(2)
    [aside] = [path for path in taste_files(tmp_path) if "unused" in path.name]
    assert (stage.kept(), aside.read_bytes()) == (2, taste(7))


def test_a_half_written_file_of_a_run_that_was_killed_is_nothing(tmp_path, put):
    put(mine=taste(3))
    (tmp_path / "tastes" / "mine.npz.new").write_bytes(taste(4)[:50])
    stage = Stage(tmp_path)
    assert stage.heard() == ['Taste: "mine" (3 ratings).']
    stage.learn(4)
    stage.shelf.close(stage.shared)
    assert (stage.kept(), stage.names()) == (4, ["mine.npz"])


# ---- another agent ---------------------------------------------------------------------------------------------------


def test_another_agent_gets_a_taste_beside_and_each_keeps_its_own(tmp_path, put):
    put(mine=taste(3), mine_2=taste(2, agent="q"), mine_3=taste(1))
    stage = Stage(tmp_path)
    stage.heard()
    stage.shelf.choose_agent("ppo")
    assert stage.shelf.preparing == "ppo"
    assert stage.take() is None and stage.shelf.preparing == ""
    assert (stage.agent, stage.playing) == ("ppo", "mine-4")
    assert stage.heard() == ['Taste: "mine-4" (new), learnt by agent ppo.']
    stage.shelf.choose_agent("q")
    assert stage.take() == taste(2, agent="q") and (stage.agent, stage.playing) == ("q", "mine-2")
    stage.shelf.choose_agent("dyna-q")
    assert stage.take(left=5) == taste(3) and (stage.agent, stage.playing) == ("dyna-q", "mine")
    assert (stage.kept("mine-2"), stage.kept("mine"), stage.kept("mine-4")) == (5, 3, None)
    stage.heard()
    stage.shelf.choose_agent("dyna-q")
    assert stage.heard() == ['Taste: "mine" (3 ratings).'] and not stage.told


def test_the_name_stays_with_the_agent_that_began_even_if_nothing_was_rated(tmp_path):
    stage = Stage(tmp_path)
    for agent, name in (("q", "mine-2"), ("sarsa", "mine-3"), ("dyna-q", "mine"), ("q", "mine-2")):
        stage.shelf.choose_agent(agent)
        stage.take()
        assert (stage.agent, stage.playing) == (agent, name)


def test_a_taste_is_chosen_with_its_agent(tmp_path, put):
    put(ann=taste(4, agent="q"), mine=taste(3))
    stage = Stage(tmp_path)
    stage.shelf.choose("ann")
    assert stage.take() == taste(4, agent="q") and stage.agent == "q"
    stage.shelf.choose("bob")  # a new one is learnt by the agent that plays
    assert stage.take() is None and stage.agent == "q"


def test_it_begins_with_a_taste_of_its_agent(tmp_path, put):
    put(mine=taste(3), mine_2=taste(2, agent="q"))
    stage = Stage(tmp_path, agent="q")
    assert (stage.playing, stage.shelf.learnt) == ("mine-2", taste(2, agent="q"))
    assert "was learnt by agent 'dyna-q', not 'q'; it stays as it is" in stage.heard()[0]
    assert stage.kept("mine") == 3


def test_a_network_that_nobody_has_rated_is_not_kept(tmp_path):
    """Its weights begin with chance: only what is learnt is a reason to write."""
    stage = Stage(tmp_path, agent="ppo")
    weights = {"melody.params": np.arange(4.0)}
    stage.writer.describe(weights, {**META, "agent": "ppo"})
    for more, kept in ((0.0, False), (0.0, False), (1.0, True)):
        stage.writer.write({"melody.params": weights["melody.params"] + more}, stage.shelf.number)
        stage.look()
        assert taste_path(tmp_path, "mine").exists() == kept


def test_a_taste_of_an_agent_that_is_not_ready_waits_until_it_is(tmp_path, put):
    put(ann=taste(4, agent="q"), bob=taste(2, agent="ppo"), mine=taste(3))
    stage = Stage(tmp_path)
    asked = []
    stage.shelf._ready = asked.append
    stage.heard()
    stage.shelf.choose("ann")
    assert (asked, stage.told, stage.shelf.changing) == (["q"], [], True)
    stage.shelf.tried("ppo", True)  # somebody else's
    assert not stage.told
    stage.shelf.tried("q", True)
    assert stage.take() == taste(4, agent="q")
    stage.shelf.choose("bob")
    assert (asked, stage.shelf.coming) == (["q", "ppo"], "ppo")
    stage.shelf.choose_agent("a2c")  # before that is ready: it takes its place
    assert (asked, stage.shelf.coming) == (["q", "ppo", "a2c"], "a2c")
    stage.shelf.tried("ppo", True)
    assert not stage.told
    stage.shelf.choose("bob")
    stage.heard()
    stage.shelf.tried("ppo", False)
    assert stage.heard() == ['Warning: agent ppo cannot be played; going on with "ann".']
    assert not stage.told and not stage.shelf.changing
