"""What a page is told of a performance, as it happens and when it comes later."""

import json

import pytest

from livecomposer.instrument.performance import Performance
from livecomposer.instrument.records import BY_AGENT, Recorder, unpack
from livecomposer.instrument.replay import replay, verify
from livecomposer.instrument.ring import Kind, RingReader, RingWriter, size_of
from livecomposer.midi.profiles import Control, Profile
from livecomposer.settings import Settings
from livecomposer.studio.feed import PAST_MS, Feed
from livecomposer.studio.recorder import Tally

S = 1_000_000_000
CAPACITY = 1 << 15


def begin(role="solo", **settings):
    buffer = memoryview(bytearray(size_of(CAPACITY)))
    writer = RingWriter(buffer, CAPACITY)
    feed = Feed(buffer)
    feed._zero_ns = 0
    given = Settings(role=role, seed=2, count_in=False, **settings)
    return buffer, feed, Performance(given, ring=writer, start_ns=S)


def named(events, name):
    return [event for event in events if event[0] == name]


def all_of(feed):
    found = []
    while events := feed.read():
        found += events
    return found


def test_every_note_is_told_once_and_in_order():
    buffer, feed, p = begin("duet", key="D dorian")
    p.receive(2 * S, b"\x90\x3c\x50")
    p.receive(3 * S, b"\x80\x3c\x00")
    p.advance(12 * S)
    events = all_of(feed)
    outputs = [unpack(r) for r in RingReader(buffer).read(CAPACITY) if r.kind == Kind.OUTPUT]
    onsets = [msg for _, _, _, msg in outputs if msg[0] & 0xF0 == 0x90 and msg[2]]
    assert [e[2:5] for e in named(events, "on")] == [[m[0] & 15, m[1], m[2]] for m in onsets]
    assert named(events, "on")[0][1] >= 1000.0 and ["on", 2000.0, 0, 60, 80, 0, -1] in events
    assert ["off", 3000.0, 0, 60] in events and named(events, "in") == [["in", 2000.0], ["in", 3000.0]]
    take = named(events, "take")[0]
    assert (take[2], take[3]["role"], take[3]["key"]) == (1, "duet", "D dorian")
    beat = named(events, "beat")[1]
    assert beat[3:6] == [112.0, 2, "D dorian"] and beat[7] == "duet" and beat[10:] == [4, 12]
    assert json.loads(json.dumps(events)) == events


def test_what_is_planned_is_what_sounds():
    """The plan that is shown a beat before is what the agent plays, where nobody interferes."""
    _, feed, p = begin("solo")
    told = {}
    sounded = {}
    beat = None
    for step in range(1, 600):
        p.advance(S + step * S // 10)
        for event in feed.read():
            if event[0] == "plan":
                for tick, _, note, _ in event[2]:
                    if note >= 0 and beat is not None and tick >= beat + 12:
                        told.setdefault(tick, []).append(note)
            elif event[0] == "beat":
                beat = event[2]
            elif event[0] == "on" and event[5] == BY_AGENT:
                tick = round((event[1] - 1000.0) * 112 / 60000 * 12)
                sounded.setdefault(tick, event[3])
    both = [tick for tick in sounded if tick in told]
    assert len(both) > 60
    right = sum(told[tick][-1] == sounded[tick] for tick in both)
    assert right / len(both) >= 0.8


def test_credit_is_told_of_the_notes_it_reached():
    _, feed, p = begin("solo")
    p.advance(10 * S)
    p.rate(10 * S, 1.0)
    events = all_of(feed)
    (rated,) = named(events, "rated")
    credits = named(events, "credit")
    assert rated[1:5] == [10000.0, 0, 1.0, "api"] and credits and all(c[2] == 0 and c[3] > 0 for c in credits)
    lit = {c[3] for c in credits}
    heard = {e[6]: e[1] for e in named(events, "on") if e[5] == BY_AGENT}
    heard = {event: t for event, t in heard.items() if event in lit}  # of rests nothing is heard
    assert len(heard) >= 3 and min(heard.values()) > 6500.0 and max(heard.values()) <= 10000.0


def test_harmonized_chords_are_events_of_their_own():
    _, feed, p = begin("harmonize")
    for t in range(2, 8):
        p.receive(t * S, bytes((0x90, 60 + t, 80)))
        p.receive(t * S + S // 2, bytes((0x80, 60 + t, 0)))
    p.rate(8 * S, -1.0)
    events = all_of(feed)
    agents = [e for e in named(events, "on") if e[5] == BY_AGENT]
    assert agents and all(e[6] > 0 for e in agents)
    assert {c[3] for c in named(events, "credit")} <= {e[6] for e in agents}


def test_what_is_taken_back_no_longer_stands():
    _, feed, p = begin("solo")
    p.advance(9 * S)
    p.rate(10 * S, 1.0)
    p.rate(12 * S, -1.0)
    p.undo_rating(13 * S)
    events = all_of(feed)
    assert named(events, "stands")[-1][2] == 1
    assert [e[2] for e in feed.so_far() if e[0] == "rated"] == [0]
    assert {e[2] for e in feed.so_far() if e[0] == "credit"} == {0}


def test_who_comes_later_is_told_of_a_press_as_it_was_put_right():
    _, feed, p = begin("solo")
    p.advance(9 * S)
    for t, value in ((10.0, 1.0), (14.0, 1.0), (14.4, -1.0), (20.0, 1.0)):
        p.rate(round(t * S), value, source="keys")
    p.undo_rating(22 * S)
    all_of(feed)
    later = feed.so_far()
    assert [e[1:4] for e in named(later, "rated")] == [[10000.0, 0, 1.0], [14400.0, 1, -1.0]]
    assert {e[2] for e in named(later, "credit")} == {0, 1} and named(later, "stands") == [["stands", 0.0, 2]]


def test_a_take_begins_with_nothing_rated():
    buffer, feed, p = begin("solo")
    p.advance(9 * S)
    for t in (10, 12, 14):
        p.rate(t * S, 1.0)
    p.release(15 * S)
    writer = RingWriter(buffer, CAPACITY, resume=True)
    p = Performance(Settings(role="solo", seed=2), ring=writer, start_ns=20 * S)
    all_of(feed)
    later = feed.so_far()
    assert [e[2] for e in named(later, "take")] == [2] and named(later, "stands") == [["stands", 0.0, 0]]
    assert {e[0] for e in later} & {"rated", "credit", "on", "off"} == set()
    p.advance(29 * S)
    p.rate(30 * S, -1.0)
    p.undo_rating(32 * S)
    assert [e[2] for e in named(all_of(feed), "stands")] == [0]


def test_what_another_taste_has_settled_stands():
    _, feed, p = begin("solo")
    p.advance(9 * S)
    for what in ("rate", "change", "undo", "rate", "restore", "undo", "restore", "undo"):
        t = p.now_ns + 2 * S
        if what == "rate":
            p.rate(t, 1.0)
        elif what == "change":
            p.change_taste(t, None)
        else:
            p.command(t, what)
    events = all_of(feed)
    assert p.learning.undoable == 0
    assert [e[2] for e in named(events, "stands")] == [1]  # of the last undo
    assert named(feed.so_far(), "stands") == [["stands", 0.0, 1]]


def test_who_comes_later_is_told_what_matters_now():
    _, feed, p = begin("solo")
    p.advance(60 * S)
    p.rate(60 * S, 0.5)
    p.command(60 * S, "about_notes", 1)
    p.take_up(60 * S, Profile("", "keyboard", (), controls=(Control("control_change", -1, 7, "tempo"),)))
    events = all_of(feed)
    later = feed.so_far()
    assert later[0][0] == "take"
    for name in ("beat", "plan", "likely", "about", "controls"):
        assert [e for e in later if e[0] == name] == named(events, name)[-1:], name
    assert [e[2] for e in named(later, "about")] == [["about_notes"]]
    assert named(later, "controls")[0][2][0][:4] == ["control_change", -1, 7, "tempo"]
    last = named(events, "on")[-1][1]
    assert named(later, "on") == [e for e in named(events, "on") if e[1] >= last - PAST_MS] != named(events, "on")


def test_the_page_is_told_where_a_pair_stands():
    _, feed, p = begin("solo")
    p.advance(6 * S)
    p.command(6 * S, "ab")
    p.advance(20 * S)
    p.prefer(20 * S, "b")
    events = all_of(feed)
    assert [e[2] for e in named(events, "pair")] == ["coming", "first", "second", "which", "b"]
    assert [e[2] for e in named(events, "said")][-2:] == [
        "Which? 1, 2, or 0 for neither.", "Pair: the second it is.",
    ]  # fmt: skip
    assert named(feed.so_far(), "pair") == named(events, "pair")[-1:] and not named(feed.so_far(), "said")


def test_the_page_is_told_why_a_pair_is_refused():
    _, feed, p = begin("duet")
    p.command(3 * S, "ab")
    p.advance(4 * S)
    events = all_of(feed)
    assert named(events, "said") == [["said", 3000.0, "A pair can be played in solo and answer, not in duet."]]
    assert not named(events, "pair")


def test_what_is_for_desk_to_act_on_is_not_shown():
    buffer = memoryview(bytearray(size_of(256)))
    recorder, feed = Recorder(RingWriter(buffer, 256)), Feed(buffer)
    long = "so " * 60
    for text in ('ready {"pid": 1}', "stage opening ports", "refused damaged it", "crash in here", long):
        recorder.status(S, text)
    assert [e[2] for e in feed.read()] == [long]


def test_the_odds_of_the_next_note_are_told():
    _, feed, p = begin("solo")
    p.advance(8 * S)
    for event in named(all_of(feed), "likely"):
        shares = [share for _, share in event[3]]
        assert shares == sorted(shares, reverse=True) and 0.9 < sum(shares) < 1.05
        assert len({note for note, _ in event[3]}) == len(event[3])


def test_the_chord_is_told_when_it_changes():
    _, feed, p = begin("solo", changes="| Dm7 | G7 |")
    p.advance(12 * S)
    assert [e[2] for e in named(all_of(feed), "chord")][:4] == ["Dm7", "G7", "Dm7", "G7"]


def test_a_page_that_was_too_slow_for_the_ring_says_so():
    buffer = memoryview(bytearray(size_of(64)))
    writer = RingWriter(buffer, 64)
    feed = Feed(buffer)
    for i in range(100):
        writer.write(Kind.LATE, i, bytes(8))
    assert named(feed.read(), "loss") == [["loss", 0.0, 36]]


@pytest.mark.parametrize("metre", ["3/4", "7/8"])
def test_beats_are_counted_in_their_metre(metre):
    _, feed, p = begin("solo", metre=metre)
    p.advance(10 * S)
    beats = named(all_of(feed), "beat")
    of = int(metre[0])
    assert [e[9] for e in beats[: 2 * of]] == [*range(1, of + 1)] * 2 and beats[0][10] == of


PADS = Profile("pads", "keyboard", (), controls=(
    Control("control_change", 0, 20, "rate_down"), Control("note_on", 9, 40, "undo"), Control("note_on", 9, 41, "held"),
    Control("note_on", 9, 42, "about_notes"), Control("control_change", 0, 21, "adventure"),
))  # fmt: skip


def test_what_a_control_does_is_told_like_a_command_and_replayed_once():
    """An undo by pad is an undo: the page, the take and its mean know it, and a replay does not do it twice."""
    buffer = memoryview(bytearray(size_of(CAPACITY)))
    writer = RingWriter(buffer, CAPACITY)
    feed = Feed(buffer)
    p = Performance(Settings(role="duet", seed=2, count_in=False), ring=writer, start_ns=S, profile=PADS)
    presses = ((6, b"\xb0\x14\x7f"), (6.1, b"\xb0\x14\x00"), (9, b"\xb0\x14\x7f"), (9.1, b"\xb0\x14\x00"),
               (10, b"\x99\x28\x40"), (11, b"\x99\x2a\x40"), (12, b"\x89\x2a\x40"), (13, b"\x99\x29\x40"),
               (13.5, b"\xb0\x15\x40"))  # fmt: skip
    for at, msg in presses:
        p.receive(round(at * S), msg)
    p.advance(20 * S)
    records = RingReader(buffer).read(CAPACITY)
    did = [(r.t_ns / S, *unpack(r)) for r in records if r.kind == Kind.DONE]
    assert did == [(10, "undo", None), (11, "about_notes", 1.0), (12, "about_notes", 0.0), (13, "held", None)]
    assert not [r for r in records if r.kind == Kind.COMMAND]
    events = all_of(feed)
    assert [event[2] for event in named(events, "stands")] == [1]
    assert [event[2:] for event in named(events, "did")] == [[name, value] for _, name, value in did]
    assert [event[2] for event in named(events, "about")] == [["about_notes"], []]
    tally = Tally(S)
    for record in records:
        tally.take(record)
    assert tally.row()["ratings"] == 1
    compared, difference = verify(records)
    assert compared > 20 and difference is None and p.learning.held
    again = []
    replay(records, write=lambda kind, t_ns, payload: again.append((kind, t_ns, payload)))
    kinds = (Kind.DONE, Kind.RATING, Kind.CREDIT)
    assert [r for r in again if r[0] in kinds] == [(r.kind, r.t_ns, r.payload) for r in records if r.kind in kinds]


def test_what_was_held_on_a_controller_that_has_gone_is_held_no_more():
    _, feed, p = begin("solo")
    p.command(2 * S, "about_notes", 1)
    p.command(3 * S, "in_lost")
    p.command(4 * S, "in_lost")
    assert [event[1:] for event in named(all_of(feed), "about")] == [[2000.0, ["about_notes"]], [3000.0, []]]
