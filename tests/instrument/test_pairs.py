"""A/B pairs: what is played and when, what each answer does, what ends a pair, and that undo and replay are exact."""

import random
from itertools import chain

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from livecomposer import Performance, Settings
from livecomposer.errors import SettingsError
from livecomposer.instrument.learning import PAIR_DARING
from livecomposer.instrument.pairs import ASKED, FIRST, LATER, NONE, SECOND
from livecomposer.instrument.records import blob_at, unpack
from livecomposer.instrument.replay import replay
from livecomposer.instrument.ring import Kind, RingReader, RingWriter, size_of
from livecomposer.instrument.roles import CALL, LISTEN, PLAY
from livecomposer.midi.profiles import Control, Profile
from livecomposer.ratings import taste
from tests.instrument.rig import BAR, BEAT, MS, QUARTER, heard, keys, onsets, performance, unfinished, words

CAPACITY = 1 << 14
TICK = BEAT / 12
# of a solo from bar line 0 in 4/4 at 120: asked for in bar 2, the first begins at bar 3, then every 2 bars
ASK = BAR + 100
ONE, TWO, OVER = 2 * BAR, 4 * BAR, 6 * BAR - BEAT
GOES_ON = 6 * BAR


def with_ring(role="solo", **settings):
    buffer = memoryview(bytearray(size_of(CAPACITY)))
    p = Performance(
        Settings(**{"role": role, "tempo": 120.0, "seed": 7, **settings}), ring=RingWriter(buffer, CAPACITY)
    )
    return p, RingReader(buffer)


def said(reader):
    records = reader.read(CAPACITY)
    return [
        (round(record.t_ns / MS), blob_at(records, i).decode())
        for i, record in enumerate(records)
        if record.kind == Kind.STATUS
    ]


def at(p, ms, name, value=None):
    sent = p.advance(round(ms * MS))
    p.command(round(ms * MS), name, value)
    return sent


def asked(**settings):
    """A solo that has played a pair and waits, the notes of the first and of the second, in ms from their beginning."""
    p, reader = with_ring(**settings)
    at(p, ASK, "ab")
    p.advance(round((ONE - 1) * MS))
    first = [(t - ONE, note) for t, note in onsets(p, TWO - 1)]
    second = [(t - TWO, note) for t, note in onsets(p, OVER)]
    assert p.pairs.state == ASKED
    return p, reader, first, second


# ---- what is played ------------------------------------------------------------------------------------------------


def test_the_line_rests_and_plays_two_phrases_of_the_same_context_with_silence_behind_each():
    p = performance("solo")
    at(p, ASK, "ab")
    p.advance(0)
    assert p.pairs.state == FIRST
    # quarters up and down a step, by the script: each begins around the middle again, and its last beat is silent
    assert onsets(p, OVER + 3 * BEAT) == [
        *((float(ONE + i * BEAT), note) for i, note in enumerate((64, 65, 64, 65, 64, 65, 64))),
        *((float(TWO + i * BEAT), note) for i, note in enumerate((67, 65, 67, 65, 67, 65, 67))),
    ]  # fmt: skip


def test_what_sounds_ends_by_the_next_eighth_and_nothing_begins():
    p = performance("solo", rhythm=(QUARTER,))
    sent = at(p, ASK, "ab")
    sent += p.advance(round((ONE - 1) * MS))
    last = words(sent)[-1]
    assert float(last.split()[0]) <= BAR + BEAT / 2
    assert unfinished(sent) == []


def test_both_phrases_are_decided_from_what_stood_before_the_pair():
    p, _ = with_ring()
    p.advance(round((ASK + 1) * MS))
    begun = []
    go_on = p.line.go_on

    def watched(tick, phrase_ticks, end_tick):
        begun.append((p.line.own.copy(), p.line.keep().form))
        go_on(tick, phrase_ticks, end_tick)

    p.line.go_on = watched
    at(p, ASK + 2, "ab")
    p.advance(round(OVER * MS))
    (first, form), (second, again) = begun
    assert form.tolist() == again.tolist()
    different = np.flatnonzero(first != second)
    assert different.tolist() in ([], [37])  # but for the number of the phrase
    assert second[37] == first[37] + 1


def test_they_are_played_to_opposite_draws():
    p, _ = with_ring()
    at(p, ASK, "ab")
    first = p.learning.draw()
    p.advance(round(OVER * MS))
    np.testing.assert_array_equal(p.learning.draw(), -first)


def test_the_player_is_told_what_comes():
    _, reader, _, _ = asked()
    assert said(reader) == [
        (ASK, "Pair: two phrases, from the next bar line on."),
        (ONE - 30, "Pair: the first …"),
        (TWO - 30, "Pair: the second …"),
        (OVER - 30, "Which? 1, 2, or 0 for neither."),
    ]


def test_an_answer_that_shows_another_taste_is_told(monkeypatch):
    p, reader, _, _ = asked()
    said(reader)
    monkeypatch.setattr(taste, "DOUBT", -1.0)  # every answer shows it
    p.prefer((OVER + 100) * MS, "b")
    assert "Your taste seems to have changed: what was learnt before counts little now; undo if it has not." in [
        words for _, words in said(reader)
    ]


@pytest.mark.parametrize("role", ["solo", "answer"])
def test_held_pairs_are_played_and_teach_nothing(role):
    p, reader = with_ring(role, held=True)
    if role == "answer":
        keys(p, (0, 400, 60), (500, 900, 64), (1000, 1900, 67))
    at(p, 6000, "ab")
    p.advance(30_000 * MS)
    before = p.learning.taste.state()["n"].tolist()
    p.prefer(30_000 * MS, "a")
    assert p.learning.taste.state()["n"].tolist() == before == [0]
    assert not p.learning.undo()
    assert not [record for record in reader.read(CAPACITY) if record.kind == Kind.ANSWER]


# ---- the answer ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("answer", "sign"), [("a", 1), ("b", -1), ("neither", 0)])
def test_an_answer_is_one_observation_of_the_difference(answer, sign):
    p, reader, _, _ = asked()
    p.prefer((OVER + 100) * MS, answer)
    taste = p.learning.taste
    state = taste.state()
    assert (taste.n, np.sign(state["y"][0]), taste.compared.tolist()) == (1, sign, [True])
    tables = p.learning.steps
    about = [
        taste.features_of(
            [(head, 1.0, rows[rows >= 0]) for head, table in enumerate(tables) for rows in of(table, number)]
        )
        for number in (p.line.phrase - 1, p.line.phrase)
    ]
    np.testing.assert_array_equal(state["x"][0], about[0] - about[1])
    (record,) = [record for record in reader.read(CAPACITY) if record.kind == Kind.ANSWER]
    assert unpack(record) == (0, answer, p.line.phrase - 1, p.line.phrase)


def of(table, phrase):
    return table.rows[: table.n][table.phrase[: table.n] == phrase]


def test_what_was_heard_up_to_an_answer_is_no_silence_behind_it():
    p, _, _, _ = asked()
    last = max(int(table.t_ns[table.n - 1]) for table in p.learning.steps)
    p.prefer((OVER + 100) * MS, "a")
    assert p.learning._pressed_ns == last
    p.undo_rating()
    assert p.learning._pressed_ns == -1


@pytest.mark.parametrize(("answer", "chosen"), [("a", 0), ("b", 1)])
def test_the_line_goes_on_from_the_phrase_that_was_chosen(answer, chosen):
    p, _, _, _ = asked()
    phrase = p.pairs._phrases[chosen]
    p.prefer(round((OVER + 100) * MS), answer)
    assert p.line.own[[9, 35, 36]].tolist() == phrase.after.own[[9, 35, 36]].tolist()  # the form
    first = onsets(p, GOES_ON + BAR)[0]
    assert first[0] >= GOES_ON
    assert p.learning.draw().tolist() == phrase.draw.tolist()  # through the phrase that follows
    p.advance((GOES_ON + 5 * BAR) * MS)
    assert p.learning.draw().tolist() != phrase.draw.tolist()


def test_neither_draws_anew_and_goes_on_from_before():
    p, _, _, _ = asked()
    draws, before = [phrase.draw.tolist() for phrase in p.pairs._phrases], p.pairs._before
    p.prefer(round((OVER + 100) * MS), "neither")
    assert p.learning.draw().tolist() not in draws
    assert p.line.own[[9, 35, 36]].tolist() == before.own[[9, 35, 36]].tolist()
    assert onsets(p, GOES_ON + BAR)[0][0] >= GOES_ON


def test_what_was_not_chosen_is_no_motif():
    p, _, first, second = asked()
    p.prefer(round((OVER + 100) * MS), "b")
    trace = p.line.trace[0]
    lines = [[trace[round((begin + t) / TICK)] for t, _ in notes] for begin, notes in ((ONE, first), (TWO, second))]
    assert set(lines[0]) == {-1}
    assert -1 not in lines[1]


def test_an_answer_while_the_second_sounds_counts_when_it_has_ended():
    p, reader = with_ring()
    at(p, ASK, "ab")
    at(p, TWO - 100, "ab_a")  # too early: only one has been heard
    at(p, TWO + BAR, "ab_b")
    assert (p.pairs.state, p.learning.taste.n) == (SECOND, 0)
    p.advance(OVER * MS)
    assert (p.pairs.state, p.learning.taste.n) == (NONE, 1)
    assert [text for _, text in said(reader)] == [
        "Pair: two phrases, from the next bar line on.", "Pair: the first …", "Hear both first, then answer.",
        "Pair: the second …", "Pair: the second it is.",
    ]  # fmt: skip


def test_an_answer_to_a_pair_that_was_left_is_none_to_the_next():
    p, _ = with_ring()
    at(p, ASK, "ab")
    at(p, TWO + BAR, "ab_b")
    at(p, TWO + BAR + 100, "ab")
    at(p, GOES_ON + BAR, "ab")
    p.advance(p.transport.ns_at(p.pairs.spans[1][1]))
    assert (p.pairs.state, p.learning.taste.n) == (ASKED, 0)


def test_without_an_answer_the_music_goes_on_and_a_late_one_counts_for_a_minute():
    p, _, _, _ = asked()
    assert onsets(p, OVER + 8 * BEAT - 40) == []
    p.advance((OVER + 8 * BEAT) * MS)
    assert p.pairs.state == LATER
    assert onsets(p, OVER + 12 * BEAT + BAR)
    p.prefer((OVER + 59_000) * MS, "a")
    assert (p.pairs.state, p.learning.taste.n) == (NONE, 1)
    again, reader, _, _ = asked()
    again.prefer((OVER + 61_000) * MS, "a")
    assert again.learning.taste.n == 0
    assert said(reader)[-1][1] == "There is no pair to answer; ask for one first."


@pytest.mark.parametrize(("answer", "a", "b"), [("a", 0.5, -0.5), ("b", -0.5, 0.5), ("neither", -0.25, -0.25)])
def test_the_agent_without_a_taste_is_credited(answer, a, b):
    p = performance("solo")
    at(p, ASK, "ab")
    p.advance(OVER * MS)
    first, second = (phrase.number for phrase in p.pairs._phrases)
    p.prefer(OVER * MS, answer)
    table = p.learning.steps[1]
    assert set(table.reward[: table.n][table.phrase[: table.n] == first]) == {a}
    assert set(table.reward[: table.n][table.phrase[: table.n] == second]) == {b}
    assert p.learning.undo()
    assert not table.reward.any()


def test_a_rating_between_the_phrases_is_about_the_first():
    p, reader = with_ring()
    at(p, ASK, "ab")
    p.advance(round((TWO - 100) * MS))
    p.rate((TWO - 100) * MS, 0.5)
    p.advance(OVER * MS)
    (rating,) = [record for record in reader.read(CAPACITY) if record.kind == Kind.RATING]
    assert unpack(rating)[4] == p.pairs._phrases[0].number


def test_a_dislike_cuts_nothing_of_what_is_planned_of_a_pair():
    p, _ = with_ring()
    at(p, ASK, "ab")
    p.advance((ONE + 200) * MS)
    planned = list(p.line.events)
    p.rate((ONE + 200) * MS, -1.0)
    assert planned
    assert [id(event) for event in p.line.events] == [id(event) for event in planned]


@pytest.mark.parametrize("what", ["dislike", "undo", "forget", "adventure", "restore"])
def test_whatever_is_rated_or_taken_back_a_phrase_is_played_to_its_draw(what):
    """The second to the opposite of what the first began with, as boldly; that is what an answer keeps."""
    p, _ = with_ring()
    p.rate(BAR * MS, 0.5)
    at(p, ASK, "ab")
    first = p.learning.draw()
    for ms, draw in ((ONE + 200, first), (TWO + 200, -first)):
        p.advance(ms * MS)
        p.rate(ms * MS, 0.5)
        if what == "dislike":
            p.rate(ms * MS, -0.8)
        else:
            p.command(ms * MS, what, 0.4 if what == "adventure" else None)
        np.testing.assert_array_equal(p.learning.draw(), draw)
        assert p.learning.taste.daring == PAIR_DARING * p.adventure
    p.advance(OVER * MS)
    p.prefer(OVER * MS, "a")
    np.testing.assert_array_equal(p.learning.draw(), first)


def test_the_two_phrases_wish_the_opposite_before_any_rating_too():
    p, _ = with_ring()
    at(p, ASK, "ab")
    first = p.learning.taste.weights.copy()
    p.advance(round(OVER * MS))
    assert np.abs(first).max() > 0.05 and not p.learning.taste.mean.any()
    np.testing.assert_array_equal(p.learning.taste.weights, -first)


# ---- answer --------------------------------------------------------------------------------------------------------

CALLED = ((0, 400, 60), (500, 900, 64), (1000, 1400, 65), (1500, 1900, 67))


def test_in_answer_the_phrases_are_two_replies_to_the_last_call():
    p, _ = with_ring("answer")
    keys(p, *CALLED)
    p.advance(6000 * MS)
    assert p.turns.phase == LISTEN
    length = p.part.reply_ticks
    lags = []
    reply = p.line.answer

    def watched(tick, end_tick, lag):
        lags.append((tick - lag, end_tick - tick))
        reply(tick, end_tick, lag)

    p.line.answer = watched
    p.command(6000 * MS, "ab")
    (a, a_end), (b, b_end) = p.pairs.spans
    assert (a_end - a, b_end - b) == (length, length)
    assert (a % 48, b % 48, b - a_end >= 12) == (0, 0, True)
    p.advance(p.transport.ns_at(b_end))
    assert p.pairs.state == ASKED
    assert lags == [(p.part._called, length)] * 2
    p.prefer(p.now_ns, "b")
    assert (p.learning.taste.n, p.turns.phase) == (1, LISTEN)


def test_when_trading_the_call_comes_after_the_answer():
    p, _ = with_ring("answer", trade_bars=1)
    keys(p, *CALLED)
    p.advance(5000 * MS)
    p.command(p.now_ns, "ab")
    assert p.pairs.state == FIRST
    p.advance(p.transport.ns_at(p.pairs.spans[1][1]))
    p.prefer(p.now_ns, "a")
    assert p.turns.phase == CALL
    assert p.turns.call_tick % 48 == 0


# ---- what is refused, and what ends a pair -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("role", "before", "sentence"),
    [
        ("duet", (), "A pair can be played in solo and answer, not in duet."),
        ("harmonize", (), "A pair can be played in solo and answer, not in harmonize."),
        ("solo", ("mute",), "A pair cannot be played: the agent is muted."),
        ("solo", ("end",), "A pair cannot be played: the agent has been stopped."),
        ("answer", (), "A pair of replies needs a call: play one, and hear the reply."),
    ],
)
def test_what_cannot_be_is_said_in_a_sentence_and_changes_nothing(role, before, sentence):
    (p, reader), (plain, _) = with_ring(role), with_ring(role)
    for each in (p, plain):
        for name in before:
            at(each, 500, name)
        each.advance(ASK * MS)
    p.command(ASK * MS, "ab")
    assert [text for _, text in said(reader)] == [sentence]
    assert heard(p, 12 * BAR) == heard(plain, 12 * BAR)


def test_no_pair_while_the_player_has_come_in():
    p, reader = with_ring()
    p.advance(ASK * MS)
    p.receive(ASK * MS, b"\x90\x3c\x50")
    at(p, ASK + 100, "ab")
    assert p.pairs.state == NONE
    assert said(reader)[0][1] == "A pair cannot be played now: let the agent play again first."


@pytest.mark.parametrize("ms", [ASK + 300, ONE + 700, TWO + 700, OVER + 700])
@pytest.mark.parametrize(
    "what", [("ab",), ("role", "solo"), ("role", "duet"), ("end",), ("panic",), ("mute",), "a key"], ids=str
)
def test_a_pair_that_is_left_teaches_nothing_and_every_note_ends(what, ms):
    p, reader = with_ring()
    sent = at(p, ASK, "ab")
    sent += p.advance(round(ms * MS))
    assert p.pairs.on
    if what == "a key":
        p.receive(round(ms * MS), b"\x90\x3c\x50")
        p.receive(round((ms + 200) * MS), b"\x80\x3c\x40")
    else:
        p.command(round(ms * MS), *what)
    sent += p.advance(round((ms + 4000) * MS))
    assert not p.pairs.on
    assert [text for _, text in said(reader)].count("The pair is left.") == 1
    p.prefer(round((ms + 4000) * MS), "a")
    assert p.learning.taste.n == 0
    assert said(reader)[-1][1] == "There is no pair to answer; ask for one first."
    if what not in (("end",), ("mute",)):
        after = p.advance(round((ms + 12_000) * MS))
        assert [msg for _, msg in after if msg[0] == 0x91 and msg[2]]
        sent += after
    p.release(p.now_ns + MS)
    assert unfinished(chain(sent, p.advance(p.now_ns))) == []


def test_a_second_b_leaves_the_pair_and_the_line_goes_on_at_the_next_bar():
    p, _ = with_ring()
    at(p, ASK, "ab")
    at(p, ONE + 700, "ab")
    p.advance(round((ONE + 1000) * MS))
    found = onsets(p, ONE + 2 * BAR)
    assert found
    assert found[0][0] >= ONE + BAR
    assert p.turns.phase == PLAY


def test_playing_in_answer_cancels_the_pair_and_is_a_call():
    p, _ = with_ring("answer")
    keys(p, *CALLED)
    p.advance(6000 * MS)
    p.command(6000 * MS, "ab")
    start = p.transport.ns_at(p.pairs.spans[0][0])
    p.advance(start + 700 * MS)
    p.receive(start + 700 * MS, b"\x90\x3c\x50")
    assert (p.pairs.state, p.turns.phase) == (NONE, CALL)
    p.receive(start + 1200 * MS, b"\x80\x3c\x40")
    sent = p.advance(start + 6000 * MS)
    assert [msg for t, msg in sent if t > start + 1200 * MS and msg[0] == 0x91]  # it has been answered


@pytest.mark.parametrize("ms", [ONE + 700, TWO + 700, OVER + 700])
def test_a_pair_that_is_dropped_leaves_nothing_of_what_was_tried(ms):
    (p, _), (plain, _) = with_ring(), with_ring()
    at(p, ASK, "ab")
    p.advance(ms * MS)
    p.receive(ms * MS, b"\x90\x3c\x50")
    taste = p.learning.taste
    assert (taste.daring, taste.weights.any()) == (plain.learning.taste.daring, False)  # nothing has been rated
    p.rate((ms + 50) * MS, 1.0)
    draw = p.learning.draw()
    p.pairs.phrase_begins()
    assert (p.learning.draw() != draw).any()


@pytest.mark.parametrize("answer", ["c", "", "A", None, 1])
def test_another_answer_is_refused(answer):
    p, _, _, _ = asked()
    with pytest.raises(SettingsError, match="is not one of a, b, neither"):
        p.prefer(p.now_ns, answer)
    assert p.pairs.state == ASKED


def test_controls_ask_and_answer():
    controls = tuple(Control("note_on", 9, 36 + i, role) for i, role in enumerate(("ab", "ab_a", "ab_b", "ab_none")))
    p = Performance(Settings(role="solo", tempo=120.0, seed=7), profile=Profile("X", "pads", ("X",), controls=controls))
    for ms, note in ((ASK, 36), (OVER, 38)):
        p.advance(ms * MS)
        p.receive(ms * MS, bytes((0x99, note, 100)))
        p.receive((ms + 50) * MS, bytes((0x89, note, 0)))
    assert (p.learning.taste.n, p.learning.taste.state()["y"][0] < 0) == (1, True)
    assert p.notes_in == 0


# ---- undo and replay -----------------------------------------------------------------------------------------------


@settings(max_examples=15, deadline=None)
@given(
    history=st.lists(
        st.one_of(st.floats(-1, 1, width=16), st.sampled_from(("a", "b", "neither"))), min_size=1, max_size=5
    ),
    depth=st.integers(1, 5),
)
def test_undo_takes_back_ratings_and_answers_as_one_history(history, depth):
    """Each in a performance of its own: what is taken back was never there."""
    p = Performance(Settings(role="solo", tempo=240.0, seed=3))
    kept = []
    now = 1000
    for what in history:
        kept.append([array.copy() for array in p.learning.taste.state().values()][:-1])  # but the draw
        if isinstance(what, str):
            p.command(now * MS, "ab")
            while p.pairs.state != ASKED:
                now += 100
                p.advance(now * MS)
            p.prefer(now * MS, what)
        else:
            now += 1500
            p.rate(now * MS, what)
    taken = history[: max(len(history) - depth, 0)]
    for _ in range(min(depth, len(history))):
        p.command(now * MS, "undo")
    for array, was in zip(p.learning.taste.state().values(), kept[len(taken)], strict=False):
        np.testing.assert_array_equal(array, was)


@pytest.mark.parametrize("role", ["solo", "answer"])
@pytest.mark.parametrize("second", ["a", "neither"])
def test_pairs_replay_byte_for_byte(role, second):
    p, reader = with_ring(role)
    sent = []
    if role == "answer":
        keys(p, *CALLED)
    for start, answer in ((6000, "b"), (26_000, second)):
        sent += at(p, start, "ab")
        sent += p.advance((start + 14_000) * MS)
        p.prefer((start + 14_000) * MS, answer)
    p.command(45_000 * MS, "undo")
    p.release(50_000 * MS)
    sent += p.advance(p.now_ns)
    assert p.learning.taste.n == 1
    assert replay(reader.read(CAPACITY)) == sent


class Later:
    """A learner that keeps its jobs until somebody runs them."""

    def __init__(self):
        self.jobs = []

    def submit(self, job):
        self.jobs.append(job)


@pytest.mark.parametrize("seed", range(6))
def test_whatever_happens_in_pairs_replays_byte_for_byte(seed):
    rng, learner = random.Random(seed), Later()
    buffer = memoryview(bytearray(size_of(CAPACITY)))
    p = Performance(
        Settings(role=("solo", "answer")[seed % 2], tempo=240.0, seed=seed, trade_bars=seed // 4),
        ring=RingWriter(buffer, CAPACITY), learner=learner,
    )  # fmt: skip
    reader, records, sent = RingReader(buffer), [], []
    for _ in range(25):
        what = ["ab"] if p.turns.role == "solo" or rng.random() < 0.6 else ["key", "pause", "pause", "ab"]
        what += rng.choices(
            ("undo", "rate", "key", "late", "tempo", "end", "ab", "job", "pause"), k=rng.choice((0, 0, 1, 2))
        )
        what += ["job", "pause", "job", "pause", "job", rng.choice(("ab_a", "ab_b", "ab_none")), "job"]
        for name in what:
            t = p.now_ns + rng.choice((10, 400, 900)) * MS + rng.randrange(1000)
            if name == "rate":
                p.rate(t, rng.uniform(-1, 1))
            elif name == "key":
                p.receive(t, b"\x90\x3c\x50")
                p.receive(t + 400 * MS, b"\x80\x3c\x40")
            elif name == "job":
                while learner.jobs:
                    job = learner.jobs.pop(0)
                    p.adopt(t, job.number, job.run())
            elif name == "late":
                p.late(t)
            elif name == "pause":
                sent += p.advance(t + 2500 * MS)
            else:
                p.command(t, name, rng.uniform(180, 300) if name == "tempo" else None)
            records += reader.read(CAPACITY)
    t = p.now_ns
    p.release(t + 1000 * MS)
    sent += p.advance(p.now_ns)
    records += reader.read(CAPACITY)
    assert reader.lost == 0
    assert replay(records) == sent
    assert unfinished(sent) == []
    assert sum(record.kind == Kind.ANSWER for record in records) >= 2


def test_advancing_in_pieces_changes_nothing():
    whole, pieces = with_ring()[0], with_ring()[0]
    for p in (whole, pieces):
        p.command(3000 * MS, "ab")
    all_at_once = whole.advance(20_000 * MS)
    assert list(chain.from_iterable(pieces.advance(t * MS) for t in range(3000, 20_001, 37))) == [
        message for message in all_at_once if message[0] <= pieces.now_ns
    ]
