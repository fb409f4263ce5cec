"""``livecomposer calibrate`` without ports: the lesson in virtual time, what is kept and said, and that it is used."""

import io
import json
import random

import pytest

from livecomposer.cli import main
from livecomposer.desk import calibrate
from livecomposer.errors import StoreError
from livecomposer.instrument.performance import Performance
from livecomposer.midi.controls import ControlMap
from livecomposer.midi.profiles import Control, Profile
from livecomposer.ratings.delay import Delay, Found, fit, lesson
from livecomposer.settings import DELAY_FILE, USER_FILE, Settings, collect

S, MS = 1_000_000_000, 1_000_000
HOLD = calibrate.hold


class Player:
    """A clock, and a player who answers each wrong note so late."""

    def __init__(self, wrong_ns, begin_ns, late_s):
        self.now = begin_ns - S
        self.sent = []
        self.due = sorted(begin_ns + t + round(late_s() * S) for t in wrong_ns)

    def poll(self, seconds):
        until = self.now + round(seconds * S)
        if self.due and self.due[0] <= until:
            self.now = max(self.due.pop(0), self.now)
            return [self.now]
        self.now = until
        return []

    def send(self, t_ns, msg):
        self.sent.append((t_ns, msg))
        assert 0 <= self.now - t_ns < 1000

    def clock(self):
        return self.now


def test_the_lesson_is_played_in_time_and_the_presses_are_taken_down():
    played, begin, rng = lesson(3), 7 * S, random.Random(1)
    late = [rng.uniform(0.5, 0.9) for _ in played.wrong_ns]
    player = Player(played.wrong_ns, begin, iter(late).__next__)
    presses = calibrate.hold(played, begin, player.send, player.poll, player.clock)
    assert player.sent == [(begin + t, msg) for t, msg in played.messages]
    assert presses == [t + round(d * S) for t, d in zip(played.wrong_ns, late, strict=True)]


def run(tmp_path, monkeypatch, late_s, *flags):
    """The command with a player in virtual time at the built-in sound; returns its exit code."""

    class Room:
        def __init__(self, plan, keyboard):
            pass

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def send(self, t_ns, msg):
            pass

        def poll(self, seconds):
            return []

    def hold(played, begin, send, poll, clock):
        player = Player(played.wrong_ns, begin, late_s)
        return HOLD(played, begin, player.send, player.poll, player.clock)

    monkeypatch.setenv("LIVECOMPOSER_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(calibrate, "Room", Room)
    monkeypatch.setattr(calibrate, "hold", hold)
    monkeypatch.setattr(calibrate.Keyboard, "__init__", lambda self: self.__dict__.update(there=True, _fd=-1))
    monkeypatch.setattr(calibrate.Keyboard, "raw", lambda self: Room(None, None))
    return main(["calibrate", "--sound", "on", *flags])


def test_what_it_finds_is_said_kept_and_used(tmp_path, monkeypatch, capsys):
    assert run(tmp_path, monkeypatch, lambda: 0.4) == 0
    out, err = capsys.readouterr()
    assert f"Kept in {tmp_path / DELAY_FILE}; delete that file to go back to what is usual." in err
    n = int(out.split()[2])
    found = fit([i * 3 * S for i in range(n)], [i * 3 * S + 4 * S // 10 for i in range(n)])
    settings = collect({}, {}, tmp_path, tmp_path / "nowhere")
    assert (settings.delay, settings.delay_spread) == (round(found.mean_s, 3), round(found.spread_s, 3))
    p = Performance(settings.with_(role="solo"))
    assert p.learning.credit.delay == Delay.of(settings.delay, settings.delay_spread) != Delay(5, 0.16)
    (tmp_path / USER_FILE).write_text("delay = 1.0\n")  # the player's own word comes first
    assert collect({}, {}, tmp_path, tmp_path / "nowhere").delay == 1.0


def test_json_and_too_few(tmp_path, monkeypatch, capsys):
    assert run(tmp_path, monkeypatch, lambda: 0.9, "--json") == 0
    facts = json.loads(capsys.readouterr().out)
    assert list(facts) == ["hits", "misses", "false_alarms", "mean_s", "spread_s"]
    before = (tmp_path / DELAY_FILE).read_text()
    assert run(tmp_path, monkeypatch, lambda: 2.3) == 1
    assert "Nothing has changed" in capsys.readouterr().out
    assert (tmp_path / DELAY_FILE).read_text() == before


def test_words():
    assert calibrate.words(Found(9, 1, 2, 0.6512, 0.21)) == (
        "You answered 9 of 10 wrong notes, and 2 presses where nothing was wrong: you press about 0.65 s (± 0.21) "
        "after what you mean. It will be reckoned with from now on."
    )
    assert calibrate.words(Found(3, 7, 0)) == (
        "You answered 3 of 10 wrong notes. Nothing has changed: it takes 5 answers, and more of them than presses "
        "where nothing was wrong. Try again: press once for each note that does not belong."
    )


def test_words_to_who_guessed():
    assert calibrate.words(Found(7, 2, 1)) == (
        "You answered 7 of 9 wrong notes, and 1 press where nothing was wrong, but now soon and now late, as if "
        "guessing. Nothing has changed. Try again: press at once for each note that does not belong."
    )


def test_what_counts_as_a_press():
    controls = ControlMap(
        Profile("p", "keyboard", (), controls=(
            Control("control_change", -1, 66, "rate_down"), Control("note_on", 9, 36, "rate_up"),
            Control("note_on", 9, 37, "undo"),
        ))
    )  # fmt: skip
    messages = ("b0 42 7f", "b0 42 00", "99 24 40", "89 24 00", "99 24 00", "99 25 40", "90 3c 40", "c0 05")
    assert [calibrate.pressed(controls, bytes.fromhex(text)) for text in messages] == [
        True, False, True, False, False, False, False, False,
    ]  # fmt: skip


def test_without_ears_or_hands_it_says_so(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("LIVECOMPOSER_HOME", str(tmp_path))
    monkeypatch.setattr("sys.stdin", io.StringIO())
    assert main(["calibrate", "--sound", "off", "--in", "no such thing"]) == 2
    monkeypatch.setattr(calibrate, "choose", lambda *_: _Plan(sound=False))
    assert main(["calibrate"]) == 2
    assert "nothing to hear" in capsys.readouterr().err
    monkeypatch.setattr(calibrate, "choose", lambda *_: _Plan(sound=True))
    assert main(["calibrate"]) == 2
    assert "nothing to press" in capsys.readouterr().err


class _Plan:
    midi_in = midi_out = system = profile = None

    def __init__(self, sound):
        self.sound = sound


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="LIVECOMPOSER_HOME"):
        calibrate.keep(Found(9, 0, 0, 0.6, 0.2), tmp_path / "file" / DELAY_FILE)


def test_a_quick_player_s_press_reaches_later_notes():
    def reached(delay):
        p = Performance(Settings(role="solo", tempo=120.0, seed=7, delay=delay, delay_spread=0.1))
        p.advance(6000 * MS)
        table = p.learning.steps[2]
        steps = [(weight, int(table.t_ns[step - table.first])) for head, step, weight in
                 p.learning.credit.moment(6000 * MS)[0] if head == 2]  # fmt: skip
        return max(steps)[1]

    assert reached(0.3) > reached(1.4)


def test_it_is_said_that_a_press_was_heard_and_how_far_the_lesson_is(capsys):
    played, begin, sent = lesson(3), 7 * S, []
    send = calibrate.told(played, begin, lambda t, msg: sent.append((t, msg)))
    for t_ns, msg in played.messages:
        send(begin + t_ns, msg)
    assert sent == [(begin + t, msg) for t, msg in played.messages]
    whole = played.messages[-1][0] // S
    said = capsys.readouterr().err.splitlines()
    assert said == [f"  … {at} s of {whole}" for at in range(10, whole + 1, 10)]
    poll = calibrate.heard(lambda seconds: [1, 2])
    assert poll(0.1) == [1, 2]
    assert capsys.readouterr().err.splitlines() == ["  heard you"] * 2
