"""Which notes a rating reached, as desk says it: from the records of real performances."""

import pytest

from livecomposer.desk.reached import APART_NS, MOST, Event, Rated, Reached, words
from livecomposer.desk.screen import Screen, State
from livecomposer.instrument.ring import Kind, RingReader, RingWriter, size_of
from livecomposer.music.metre import parse_metre
from livecomposer.studio.keeping import Kept
from tests.instrument.rig import EIGHTH, MS, REST, SINGLE, THIRD, feed, keys, performance

CAPACITY = 1 << 12


class Run:
    """A performance and desk's eyes on its ring."""

    def __init__(self, role, **given):
        self.memory = memoryview(bytearray(size_of(CAPACITY)))
        self.p = performance(role, more={"ring": RingWriter(self.memory, CAPACITY)}, **given)
        self.reader, self.reached = RingReader(self.memory), Reached()
        self.kept, self.state = Kept(self.p.settings, True, 0), State()

    def line(self, now_ms=0):
        for record in self.reader.read():
            self.reached.take(record)
            self.kept.take(record)
            self.state.take(record, parse_metre("4/4"))
        said = [self.reached.line(now_ms * MS) for _ in range(2)]
        return said[1] or said[0]


def test_a_press_while_it_plays_names_the_notes():
    run = Run("solo", harmony=(THIRD,), rhythm=(EIGHTH,))
    run.p.advance(3000 * MS)
    assert run.line() == ""
    run.p.rate(3000 * MS, 0.5)  # eighths up and down a step: what was heard from 1.2 to 0.4 s before
    assert run.line() == "♥ liked 4 notes: F4 G4 F4 G4"
    run.p.rate(3000 * MS, -0.5)
    assert run.line(2000) == "✗ disliked 4 notes: F4 G4 F4 G4"
    run.p.rate(3000 * MS, -0.5, about="chords")
    assert run.line(4000) == "✗ disliked 4 chords"
    run.p.rate(3000 * MS, 0.5, about="rhythm")
    assert run.line(6000) == "♥ liked the rhythm of 4 notes"


def test_a_verdict_counts_the_phrase():
    run = Run("solo")
    run.p.advance(7700 * MS)
    run.p.rate(7700 * MS, 1.0)
    assert run.line() == "♥ liked the phrase (15 notes)"
    run.p.rate(7700 * MS, -1.0, about="rhythm")
    assert run.line(2000) == "✗ disliked the rhythm of the phrase (15 notes)"


def test_in_harmonize_it_is_chords_and_the_steps_of_two_roles_do_not_mix():
    run = Run("solo", harmony=(SINGLE, THIRD))
    run.p.advance(2100 * MS)
    run.p.command(2100 * MS, "role", "harmonize")
    keys(run.p, *((4000 + 500 * i, 4300 + 500 * i, 60 + i) for i in range(6)))
    run.p.rate(6700 * MS, -1.0)
    assert run.line() == "✗ disliked 2 chords"
    run.p.command(6700 * MS, "role", "solo")
    run.p.advance(10_000 * MS)
    run.p.rate(10_000 * MS, 0.0)
    assert run.line(2000) == "so-so: 3 notes: F4 E4 F4"


def test_rests_alone_are_silence():
    run = Run("solo", rhythm=(REST,))
    run.p.advance(5000 * MS)
    run.p.rate(5000 * MS, -1.0, about="rhythm")
    assert run.line() == "✗ disliked the silence"


def test_what_reached_nothing_or_was_no_rating_is_not_said():
    run = Run("solo")
    run.p.rate(0, 1.0)
    assert run.line() == ""
    run.p.advance(3000 * MS)
    run.p.rate(3000 * MS, 1.0, None, "keys")
    assert run.line(2000)
    run.p.rate(3010 * MS, 1.0, None, "keys")
    assert run.line(9000) == ""
    assert (run.state.ratings, len(run.kept.ratings)) == (1, 1)


def test_many_presses_are_one_line_a_second_the_last():
    run = Run("solo")
    run.p.advance(3000 * MS)
    said = []
    for t in range(3000, 5000, 20):
        run.p.rate(t * MS, 1.0 if t < 4000 else -1.0)
        for record in run.reader.read():
            run.reached.take(record)
        said += [(t, line) for line in (run.reached.line(t * MS),) if line]
    assert [t for t, _ in said] == [3000, 3000 + APART_NS // MS]
    assert [line[0] for _, line in said] == ["♥", "✗"]


def test_a_line_names_no_more_than_fit():
    events = [Event(i, False, [60 + i, 40]) for i in range(12)]
    rated = Rated(1.0, -1, {id(event): (event, 0.1) for event in events}, {0, 1, 2})
    assert words(rated) == "♥ liked 12 notes: E4 F4 F#4 G4 Ab4 A4 Bb4 B4"
    assert len(words(rated).split(": ")[1].split()) == MOST


def test_a_new_instrument_counts_anew():
    run = Run("solo")
    run.p.advance(3000 * MS)
    run.p.rate(3000 * MS, 1.0)
    assert run.line()
    records = RingReader(run.memory).read()
    start = next(record for record in records if record.kind == Kind.START)
    run.reached.take(start)
    for record in records:
        if record.kind in (Kind.RATING, Kind.CREDIT):
            run.reached.take(record)
    assert [run.reached.line(9000 * MS) for _ in range(2)] == ["", ""]


@pytest.mark.parametrize("source", ["keys", "api"])
def test_what_desk_counts_is_what_the_instrument_has(source):
    """Bounces, corrections, undo and forget, in numbers."""
    run = Run("solo", rhythm=(EIGHTH,))
    t = 3000
    for gap, value in ((0, 0.5), (20, 0.9), (200, -0.5), (3000, 1.0), (300, 1.0), (40_000, 0.5), (5000, 0.5)):
        t += gap
        run.p.rate(t * MS, value, None, source)
    run.line()
    n = {"keys": 5, "api": 7}[source]
    assert (len(run.kept.ratings), run.state.ratings, len(run.p.learning._given)) == (n, n, n)
    run.p.command(t * MS, "forget")
    assert run.kept.forget(t * MS) == 2
    assert len(run.kept.ratings) == len(run.p.learning._given) == n - 2


def test_what_ratings_concern_is_shown():
    run = Run("solo")
    run.p.command(0, "about_chords")
    run.p.command(0, "about_rhythm", 1)
    run.p.command(0, "about_rhythm", 1)
    feed(run.p, (10, "b0 01 00"))
    run.line()
    assert " (rates rhythm and chords only) " in Screen(True).line(run.state)
    run.p.command(0, "about_rhythm", 0)
    run.p.command(0, "about_chords")
    run.line()
    assert "rates" not in Screen(True).line(run.state)
