"""What the status line says."""

from livecomposer.desk.screen import Screen, State
from livecomposer.instrument.performance import Performance
from livecomposer.instrument.ring import RingReader, RingWriter, size_of
from livecomposer.music.metre import parse_metre
from livecomposer.music.theory import key_names
from livecomposer.settings import Settings


def test_state_follows_the_ring_and_the_line_says_it() -> None:
    memory = memoryview(bytearray(size_of(1 << 12)))
    p = Performance(
        Settings(role="solo", key="D dorian", tempo=96, seed=1), ring=RingWriter(memory, 1 << 12), start_ns=0
    )
    p.advance(3_000_000_000)
    p.rate(3_000_000_000, -1.0)
    p.freeze(True)
    p.advance(4_000_000_000)
    p.recorder.ledger(0, (3, 12, 0.08, 0.5, 1.25, 1, 0))
    state = State(key_names=key_names())
    for record in RingReader(memory).read():
        state.take(record, parse_metre("4/4"))
    screen = Screen(plain=True)
    screen.in_force = "[JACK, SCHED_FIFO]"
    assert screen.line(state) == (
        "solo·playing D dorian 96·3 HELD notes 12 ratings 1 ▼ latency 0.08/0.50/1.25 ms misses 1 [JACK, SCHED_FIFO]"
    )


def test_pairs_are_counted_beside_ratings() -> None:
    state = State(role="solo", ratings=3, last_rating=0.5, pairs=2)
    assert "ratings 3 ▲ pairs 2 latency" in Screen(plain=True).line(state)
    state.pairs = 0
    assert "pairs" not in Screen(plain=True).line(state)


def test_a_slow_way_to_the_ear_is_warned_of() -> None:
    screen = Screen(plain=True)
    state = State(role="duet", p50_ms=0.1)
    screen.sound_ms = 15.0
    assert "key→sound 15 ms" in screen.line(state) and "SLOW" not in screen.line(state)
    screen.sound_ms = 21.0
    assert "SLOW" in screen.line(state)


def test_a_narrow_terminal_loses_whole_fields_the_least_important_first():
    screen = Screen(plain=True)
    screen.in_force, screen.sound_ms = "[JACK, SCHED_FIFO]", 5.0
    state = State(role="solo", phase=2, key="C major", tempo=112.0, beat=1, notes=69, ratings=1, last_rating=1.0)
    state.about = {"about_notes"}
    whole = screen.line(state)
    assert whole == (
        "solo·playing C major 112·1 LEARNING (rates notes only) notes 69 ratings 1 ▲ latency 0.00/0.00/0.00 ms "
        "misses 0 key→sound 5 ms [JACK, SCHED_FIFO]"
    )
    assert screen.line(state, len(whole)) == whole
    assert screen.line(state, 100) == (
        "solo·playing C major 112·1 LEARNING (rates notes only) notes 69 ratings 1 ▲ misses 0 key→sound 5 ms"
    )
    assert screen.line(state, 80) == "solo·playing C major 112·1 LEARNING (rates notes only) notes 69 ratings 1 ▲"
    assert screen.line(state, 40) == "solo·playing LEARNING (rates notes only)"
    for width in range(12, len(whole)):
        assert len(screen.line(state, width)) <= width


def test_each_key_has_its_answer():
    state = State(role="duet", phase=2)
    assert [state.reply(name, None) for name in ("held", "held", "click", "mute", "mute", "role")] == [
        "HELD: it plays on and learns nothing.", "LEARNING: what you rate teaches it.", "Click on.",
        "MUTE: the agent only listens.", "The agent plays again.", "Role: answer.",
    ]  # fmt: skip
    assert (state.reply("click", 1.0), state.reply("role", "solo")) == ("Click on.", "Role: solo.")
    state.about = {"about_rhythm", "about_notes"}
    assert state.reply("about_notes", None) == "Ratings are about the rhythm and notes only."
    state.about.clear()
    assert state.reply("about_notes", None) == "Ratings are about all again."
    assert state.reply("end", None).startswith("It ends")
    assert not state.reply("level", 0.5)


def test_before_the_first_beat_nobody_knows_which_role_comes_next() -> None:
    state = State()
    assert state.reply("role", None) == "" and state.role == ""
    assert state.reply("role", "answer") == "Role: answer."
    assert state.reply("role", None) == "Role: solo."


def test_what_was_held_on_a_controller_that_has_gone_is_held_no_more() -> None:
    memory = memoryview(bytearray(size_of(64)))
    p = Performance(Settings(role="solo", seed=1), ring=RingWriter(memory, 64))
    p.command(1, "about_notes", 1)
    state, reader = State(), RingReader(memory)

    def follow() -> set[str]:
        for record in reader.read():
            state.take(record, parse_metre("4/4"))
        return state.about

    assert follow() == {"about_notes"}
    p.command(2, "in_lost")
    assert follow() == set() and not p.learning.about
