"""What the player hears, in virtual time: whole event lists at 120 BPM (a beat is 500 ms, a bar 2000 ms)."""

import pytest

from livecomposer import Performance, Settings
from livecomposer.errors import SettingsError, TasteError
from livecomposer.instrument.performance import LEAD_NS
from livecomposer.instrument.records import COMMANDS, blob_at
from livecomposer.instrument.ring import Kind, RingReader, RingWriter, size_of
from livecomposer.instrument.roles import CALL, LISTEN, PAUSED, PLAY, STOPPED
from livecomposer.midi.profiles import Control, Profile
from livecomposer.music.context import OUTSIDE
from livecomposer.music.theory import parse_key
from livecomposer.settings import ROLES
from tests.instrument.rig import (
    EIGHTH,
    HALF,
    MS,
    QUARTER,
    REST,
    SINGLE,
    THIRD,
    TRIAD,
    credited,
    feed,
    heard,
    keys,
    onsets,
    performance,
    unfinished,
    words,
)

# ---- thru --------------------------------------------------------------------------------------------------------

PLAYED = [
    "90 3c 01", "b0 40 2b", "b0 01 11", "e0 7f 3f", "d0 22", "a0 3c 05", "c0 07", "90 3c 00", "b0 40 00", "95 24 7f",
    "85 24 11", "99 24 40", "89 24 40", "80 77 13", "b0 7b 00", "90 00 7f", "80 00 7f",
]  # fmt: skip


@pytest.mark.parametrize("role", ROLES)
def test_thru_is_unchanged(role):
    p = performance(role, low=36, high=60)
    feed(p, *((i * 7, text) for i, text in enumerate(PLAYED)))
    sent = [line for line in heard(p, 200) if line.split()[1][1] not in "19" or line.split(" ", 1)[1] in PLAYED]
    assert sent == [f"{i * 7:.1f} {text}" for i, text in enumerate(PLAYED)]


def test_thru_is_first():
    p = performance("harmonize", harmony=(TRIAD,))
    feed(p, (100, "90 48 50"))
    assert heard(p, 100) == ["100.0 90 48 50", "100.0 91 45 40", "100.0 91 41 40"]


def test_thru_goes_out_before_anything_is_decided():
    order = []

    p = performance("harmonize", more={"sink": lambda t, msg: order.append(msg[0] >> 4)})
    agent = p.learning.agents[2]
    act = agent.act
    agent.act = lambda *args: order.append("decide") or act(*args)
    agent.actions = iter([TRIAD])
    feed(p, (100, "90 48 50"))
    assert order == [9, "decide", 9, 9]


def test_thru_off_hears_without_sending():
    p = performance("harmonize", harmony=(THIRD,), thru="off")
    keys(p, (100, 300, 72))
    feed(p, (350, "b0 40 7f"))
    assert heard(p, 1000) == ["100.0 91 45 40", "300.0 81 45 00"]


def test_programs_and_levels_are_sent_at_the_start():
    p = performance("solo", player_program=4, agent_program=11, player_level=100, agent_level=90, agent_channel=3)
    assert heard(p, -1) == ["0.0 c0 04", "0.0 b0 07 64", "0.0 c2 0b", "0.0 b2 07 5a"]


# ---- harmonize ---------------------------------------------------------------------------------------------------


def test_harmonize_answers_each_key_at_once():
    p = performance("harmonize", harmony=(TRIAD, THIRD))
    keys(p, (100, 400, 72), (600, 900, 67))
    assert heard(p, 2000) == [
        "100.0 90 48 50", "100.0 91 45 40", "100.0 91 41 40", "400.0 80 48 40", "400.0 81 45 00", "400.0 81 41 00",
        "600.0 90 43 50", "600.0 91 40 40", "900.0 80 43 40", "900.0 81 40 00",
    ]  # fmt: skip


@pytest.mark.parametrize("gap", [1, 40])
def test_keys_within_40_ms_are_one_chord(gap):
    """The later key is not answered; what it clashes with (65 beside its 64) goes."""
    p = performance("harmonize", harmony=(TRIAD,))
    keys(p, (100, 400, 72), (100 + gap, 500, 64))
    assert heard(p, 2000) == [
        "100.0 90 48 50", "100.0 91 45 40", "100.0 91 41 40", f"{100 + gap}.0 90 40 50", f"{100 + gap}.0 81 41 00",
        "400.0 80 48 40", "400.0 81 45 00", "500.0 80 40 40",
    ]  # fmt: skip


def test_41_ms_later_is_another_chord():
    p = performance("harmonize", harmony=(THIRD,))
    feed(p, (100, "90 48 50"), (141, "90 40 50"))
    assert heard(p, 200, 1) == ["100.0 91 45 40", "141.0 91 3c 40"]


def test_the_key_stays_the_bottom_if_so_set():
    p = performance("harmonize", harmony=(TRIAD,), keep="bottom")
    feed(p, (100, "90 3c 50"))
    assert heard(p, 300, 1) == ["100.0 91 40 40", "100.0 91 43 40"]


@pytest.mark.parametrize("keep", ["top", "bottom"])
@pytest.mark.parametrize("action", range(11))
def test_the_key_is_the_edge_of_at_most_five(keep, action):
    p = performance("harmonize", harmony=(action,), keep=keep)
    for i in range(128):
        t = i * 200
        keys(p, (t, t + 50, i))
        notes = [note for _, note in onsets(p, t + 100)]
        assert len(notes) <= 4
        assert all(note < i if keep == "top" else note > i for note in notes)


def test_sharing_the_players_sound():
    """On the player's channel a pitch is struck again when the player comes to it, and ends with the last cause."""
    p = performance("harmonize", harmony=(THIRD, SINGLE), share_sound=True)
    feed(p, (100, "90 48 50"), (300, "90 45 5a"), (500, "80 48 40"), (700, "80 45 40"))
    assert heard(p, 1000) == [
        "100.0 90 48 50", "100.0 90 45 40", "300.0 80 45 00", "300.0 90 45 5a", "500.0 80 48 40", "700.0 80 45 40",
    ]  # fmt: skip


def test_a_note_that_the_player_holds_is_not_added():
    p = performance("harmonize", harmony=(TRIAD,))
    feed(p, (0, "92 45 50"), (100, "90 48 50"))
    assert heard(p, 150) == ["0.0 92 45 50", "0.0 91 41 40", "0.0 91 3e 40", "100.0 90 48 50",
                             "100.0 81 41 00", "100.0 91 41 40"]  # fmt: skip


def test_added_notes_wait_for_the_pedal():
    """Key up with the pedal down: they sound on; below 64 the pedal is up. A key still down keeps its own."""
    p = performance("harmonize", harmony=(THIRD,))
    feed(p, (0, "b0 40 7f"), (100, "90 48 50"), (200, "80 48 40"), (300, "90 4a 50"), (500, "b0 40 40"),
         (600, "b0 40 3f"), (700, "b0 40 00"), (800, "80 4a 40"))  # fmt: skip
    assert heard(p, 1000, 1) == ["100.0 91 45 40", "300.0 91 47 40", "600.0 81 45 00", "800.0 81 47 00"]


def test_a_key_struck_again_under_the_pedal_replaces_its_notes():
    p = performance("harmonize", harmony=(TRIAD, THIRD))
    feed(p, (0, "b0 40 7f"), (100, "90 48 50"), (200, "80 48 40"), (300, "90 48 50"), (400, "80 48 40"))
    feed(p, (500, "b0 40 00"))
    assert heard(p, 1000, 1) == [
        "100.0 91 45 40", "100.0 91 41 40", "300.0 81 45 00", "300.0 81 41 00", "300.0 91 45 40", "500.0 81 45 00",
    ]  # fmt: skip


def test_the_pedal_holds_nothing_of_the_line():
    with_pedal, without = performance("solo"), performance("solo")
    feed(with_pedal, (0, "b0 40 7f"))
    assert heard(with_pedal, 6000, 1) == heard(without, 6000, 1)


@pytest.mark.parametrize(
    ("command", "value"), [("role", "solo"), ("role", "answer"), ("key", "F# major"), ("mute", 1), ("end", None)]
)
def test_what_a_key_started_ends_with_it_whatever_changes(command, value):
    p = performance("harmonize", harmony=(TRIAD,))
    feed(p, (100, "90 48 50"))
    p.command(200 * MS, command, value)
    feed(p, (300, "80 48 40"))
    assert heard(p, 300) == [
        "100.0 90 48 50", "100.0 91 45 40", "100.0 91 41 40", "300.0 80 48 40", "300.0 81 45 00", "300.0 81 41 00",
    ]  # fmt: skip


def test_drums_are_passed_and_not_harmonized():
    p = performance("harmonize", harmony=(THIRD,))
    feed(p, (100, "99 3c 50"), (200, "89 3c 40"))
    assert heard(p, 500) == ["100.0 99 3c 50", "200.0 89 3c 40"]
    assert p.notes_in == 0


def test_a_new_key_is_in_force_for_the_next_stroke():
    p = performance("harmonize", harmony=(THIRD,))
    p.command(50 * MS, "key", "C minor")
    keys(p, (100, 200, 67))
    p.command(250 * MS, "key_next")
    keys(p, (300, 400, 71))
    assert onsets(p, 500) == [(100.0, 63), (300.0, 67)]
    assert p.hearing.key == parse_key("G minor")


# ---- answer ------------------------------------------------------------------------------------------------------


def test_call_and_answer():
    """The grid starts with the call's first note (1230). Quiet is a beat after the last key is up (2100); the answer
    begins on the next beat (2230), which is a bar's first, lasts as many beats as the call, at least two, and takes up
    the player's last note and loudness."""
    p = performance("answer")
    keys(p, (1230, 1400, 60), (1480, 1600, 64))
    assert heard(p, 9000) == [
        "1230.0 90 3c 50", "1400.0 80 3c 40", "1480.0 90 40 50", "1600.0 80 40 40",
        "2230.0 91 41 50", "2690.0 81 41 00", "2730.0 91 40 4c", "3190.0 81 40 00",
    ]  # fmt: skip
    assert p.turns.phase == LISTEN
    assert p.transport.tick_at(2230 * MS) % 48 == 0


@pytest.mark.parametrize(
    ("tempo", "up", "begins"),
    [
        (120.0, 1600, 2230.0),  # 1600 + 500 = 2100, next beat 2230
        (120.0, 1695, 2230.0),  # 2195 and 30 ms to plan: just in time
        (120.0, 1705, 2730.0),  # 2205: a beat later
        (240.0, 1500, 1980.0),  # max(250, 400): 1900, next beat of 250 is 1980
        (60.0, 1500, 3230.0),  # a beat is 1000: 2500, next beat 3230
    ],
)
def test_when_an_answer_begins(tempo, up, begins):
    p = performance("answer", tempo=tempo)
    keys(p, (1230, up, 60))
    assert onsets(p, 4000)[0][0] == begins


def test_a_long_call_gets_a_long_answer():
    p = performance("answer")
    keys(p, *((1000 + i * 500, 1400 + i * 500, 60 + i) for i in range(6)))
    notes = onsets(p, 20_000)
    assert [t for t, _ in notes] == [4500.0 + 500 * i for i in range(6)]


def test_a_key_held_keeps_the_call_open():
    p = performance("answer")
    feed(p, (1000, "90 3c 50"), (1200, "90 40 50"), (1300, "80 40 40"))
    assert onsets(p, 9000) == []
    feed(p, (9000, "80 3c 40"))
    assert onsets(p, 10_600) == [(10_000.0, 65), (10_500.0, 64)]


@pytest.mark.parametrize("role", ["answer", "solo"])
@pytest.mark.parametrize("at", [2230, 2231, 2300, 2479, 2481, 2690, 2699, 2701, 2725, 2729])
def test_the_agent_yields(role, at):
    """No onset later than 10 ms after the player's; what sounds has ended by the next eighth."""
    p = performance(role, rhythm=(EIGHTH, QUARTER), more={"start_ns": 230 * MS} if role == "solo" else None)
    if role == "answer":
        keys(p, (1230, 1400, 60), (1480, 1600, 64))
    p.advance((at - 1) * MS)
    feed(p, (at, "90 48 50"))
    sent = p.advance((at + 3000) * MS)
    eighth = 230 + -(-(at + 1 - 230) // 250) * 250
    agent = [(t / MS, msg) for t, msg in sent if msg[0] & 15 == 1]
    assert all(t <= at + 10 for t, msg in agent if msg[0] == 0x91)
    assert all(t <= eighth for t, _ in agent)
    assert p.turns.phase == (CALL if role == "answer" else PAUSED)
    assert unfinished(sent) == [(0, 0x48)]


def test_rating_controls_never_count_as_playing():
    profile = Profile("test", "keyboard", (), controls=(Control("note_on", -1, 21, "rate_down"),))
    p, plain = performance("solo", more={"profile": profile}), performance("solo")
    feed(p, (1200, "90 15 40"), (1300, "80 15 40"))
    assert heard(p, 1900) == heard(plain, 1900)
    assert (p.learning.ratings, p.notes_in, p.turns.phase) == (1, 0, PLAY)


def test_trading_a_bar():
    p = performance("answer", trade_bars=1, rhythm=(HALF,))
    keys(p, (1000, 1200, 60), (2000, 2200, 62))
    assert onsets(p, 4900) == [(3000.0, 64), (4000.0, 62)]
    keys(p, (5100, 5300, 65))  # the player's bar is 5000 to 7000
    assert onsets(p, 8900) == [(7000.0, 67), (8000.0, 65)]
    assert onsets(p, 20_000) == []  # a bar without the player: nobody trades
    assert p.turns.phase == LISTEN


def test_overhang_and_pickup_leave_the_agents_bar_alone():
    """A note up to a beat into the agent's bar hangs over; one in its last beat is a pickup to the next."""
    p = performance("answer", trade_bars=1, rhythm=(HALF,))
    keys(p, (1000, 1200, 60), (3400, 3600, 62), (4600, 4800, 64))
    assert onsets(p, 6900) == [(3000.0, 62), (4000.0, 60)]
    assert onsets(p, 8900) == [(7000.0, 65), (8000.0, 64)]


def test_in_between_it_yields_and_a_new_call_begins():
    p = performance("answer", trade_bars=1, rhythm=(HALF,))
    keys(p, (1000, 1200, 60), (3600, 3700, 62))
    assert heard(p, 7000, 1) == [
        "3000.0 91 3e 50", "3750.0 81 3e 00", "5600.0 91 40 50", "6520.0 81 40 00", "6600.0 91 3e 4c",
    ]  # fmt: skip


def test_an_answer_does_not_wait_for_the_grid_of_before():
    p = performance("answer")
    keys(p, (1230, 1400, 60))
    assert onsets(p, 4400)[0] == (2230.0, 62)
    keys(p, (7777, 7900, 60))
    assert onsets(p, 9000)[0] == (8777.0, 62)


# ---- solo and duet -----------------------------------------------------------------------------------------------


def test_solo_yields_and_goes_on():
    p = performance("solo")
    keys(p, (1200, 1400, 60))
    assert heard(p, 2600) == [
        "0.0 91 43 50", "460.0 81 43 00", "500.0 91 41 4c", "960.0 81 41 00", "1000.0 91 43 4c", "1200.0 90 3c 50",
        "1250.0 81 43 00", "1400.0 80 3c 40", "2000.0 91 3b 50", "2460.0 81 3b 00", "2500.0 91 3c 4c",
    ]  # fmt: skip


def test_solo_breathes_for_the_last_beat_of_every_fourth_bar():
    p = performance("solo")
    times = [t for t, _ in onsets(p, 16_900)]
    assert times == [500.0 * i for i in range(34) if i % 16 != 15]


def test_duet_counts_in_one_bar_and_plays_along():
    """On the strong beat at 3000 it waits 25 ms for a player who has struck within the last 1.5 s."""
    p = performance("duet", harmony=(THIRD,))
    keys(p, (2100, 2200, 60))
    assert heard(p, 3100) == [
        "0.0 99 4c 64", "60.0 89 4c 00", "500.0 99 4d 64", "560.0 89 4d 00",
        "1000.0 99 4d 64", "1060.0 89 4d 00", "1500.0 99 4d 64", "1560.0 89 4d 00",
        "2000.0 91 3e 50", "2000.0 91 3b 44", "2100.0 90 3c 50", "2200.0 80 3c 40",
        "2460.0 81 3e 00", "2460.0 81 3b 00", "2500.0 91 3c 4c", "2500.0 91 39 40", "2960.0 81 3c 00",
        "2960.0 81 39 00", "3025.0 91 3e 4c", "3025.0 91 3b 40",
    ]  # fmt: skip


def test_a_note_that_would_clash_with_the_key_just_struck_is_drawn_anew():
    """At 3025 the line would play D against the player's C; what the prior knows forbids it: B, a step down instead."""
    p = performance("duet", prior="shipped")
    keys(p, (2100, 2200, 60))
    assert onsets(p, 3100) == [(2000.0, 62), (2500.0, 60), (3025.0, 59)]


def test_duet_without_count_in_begins_at_once():
    p = performance("duet", count_in=False)
    assert heard(p, 500) == ["0.0 91 3e 50", "460.0 81 3e 00", "500.0 91 3c 4c"]


@pytest.mark.parametrize("at", [3900, 3971, 3999, 4000])
def test_a_role_taken_just_before_the_bar_begins_there(at):
    """Even after the bar's first beat has been passed over in planning, nothing is squeezed together."""
    p = performance("answer")
    p.advance(at * MS)
    p.command(at * MS, "role", "solo")
    assert onsets(p, 5400) == [(4000.0, 67), (4500.0, 65), (5000.0, 67)]


def test_a_role_taken_after_the_bar_waits_for_the_next():
    p = performance("answer")
    p.command(4001 * MS, "role", "duet")
    assert heard(p, 7999, 9)[::2] == ["6000.0 99 4c 64", "6500.0 99 4d 64", "7000.0 99 4d 64", "7500.0 99 4d 64"]
    assert onsets(p, 8000) == [(8000.0, 62)]


def test_leaving_a_role_ends_its_line():
    p = performance("solo")
    p.advance(600 * MS)
    p.command(700 * MS, "role", "harmonize")
    assert heard(p, 5000) == ["700.0 81 41 00"]


def test_role_without_a_name_takes_the_next():
    p = performance("harmonize")
    seen = []
    for i in range(5):
        p.command(i * MS, "role")
        seen.append(p.turns.role)
    assert seen == ["duet", "answer", "solo", "harmonize", "duet"]


def test_rests_are_silent():
    p = performance("solo", rhythm=(QUARTER, REST))
    assert [t for t, _ in onsets(p, 3900)] == [0.0, 1000.0, 2000.0, 3000.0]


def test_loudness_follows_the_player():
    """The mean of the last two seconds less 8, plus 8 on the bar and 4 on the beat; kept while the player is silent."""
    p = performance("duet", count_in=False, rhythm=(EIGHTH,))
    feed(p, (100, "90 3c 64"), (150, "80 3c 40"), (300, "90 3c 50"), (350, "80 3c 40"))
    levels = [int(line.split()[3], 16) for line in heard(p, 5900, 1) if " 91 " in line]
    assert levels[:9] == [80, 92, 86, 82, 86, 82, 86, 82, 90]
    assert levels[9:17] == [72, 76, 72, 76, 72, 76, 72, 80]  # the first stroke is more than two seconds ago
    assert levels[17:] == [72, 76, 72, 76, 72, 76, 72]


# ---- commands ----------------------------------------------------------------------------------------------------


def test_the_click():
    p = performance("answer")
    p.command(600 * MS, "click")
    assert heard(p, 2100) == [
        "1000.0 99 4d 64", "1060.0 89 4d 00", "1500.0 99 4d 64", "1560.0 89 4d 00",
        "2000.0 99 4c 64", "2060.0 89 4c 00",
    ]  # fmt: skip
    p.command(2200 * MS, "click")
    assert heard(p, 4000) == []


def test_the_click_has_a_channel_of_its_own():
    p = performance("answer", click=True, click_channel=16)
    assert heard(p, 100) == ["0.0 9f 4c 64", "60.0 8f 4c 00"]


def test_mute_finishes_the_note_and_then_only_listens():
    p = performance("solo")
    p.advance(1100 * MS)
    p.command(1100 * MS, "mute")
    assert heard(p, 3000) == ["1460.0 81 43 00"]
    p.command(3100 * MS, "mute")
    assert onsets(p, 4100) == [(3500.0, 64), (4000.0, 65)]


def test_muted_it_adds_nothing():
    p = performance("harmonize", harmony=(THIRD,))
    feed(p, (100, "90 48 50"))
    p.command(200 * MS, "mute", 1)
    p.command(210 * MS, "mute", True)
    feed(p, (300, "80 48 40"), (400, "90 48 50"), (500, "80 48 40"))
    assert heard(p, 1000, 1) == ["100.0 91 45 40", "300.0 81 45 00"]


@pytest.mark.parametrize(("at", "line"), [(100, 4000), (2200, 4000), (3469, 4000), (3471, 8000), (4000, 8000)])
def test_end_cadences_on_the_tonic_at_the_next_two_bar_line(at, line):
    p = performance("solo")
    p.advance(at * MS)
    p.command(at * MS, "end")
    sent = heard(p, 20_000)
    assert sent[-6:] == [
        f"{line}.0 91 3c 50", f"{line}.0 91 37 44", f"{line}.0 91 34 44",
        f"{line + 1840}.0 81 3c 00", f"{line + 1840}.0 81 37 00", f"{line + 1840}.0 81 34 00",
    ]  # fmt: skip
    last = {4000: "3500.0 91 41 4c", 8000: "7000.0 91 43 4c"}  # 7500 to 8000 is the breath of a fourth bar
    assert [text for text in sent[:-6] if " 91 " in text][-1] == last[line]
    assert p.turns.phase == STOPPED


def test_end_again_goes_on():
    p = performance("solo")
    p.command(100 * MS, "end")
    p.advance(7000 * MS)
    p.command(8100 * MS, "end")
    assert onsets(p, 10_600) == [(10_000.0, 67), (10_500.0, 65)]


def test_end_twice_before_the_cadence_goes_on_without_it():
    p = performance("solo")
    p.advance(100 * MS)
    p.command(100 * MS, "end")
    p.command(600 * MS, "end")
    assert onsets(p, 4100) == [(500.0, 65), *((2000.0 + 500 * i, 67 - 2 * (i % 2)) for i in range(5))]


def test_the_cadence_keeps_its_bar_line_when_the_tempo_changes():
    p = performance("solo")
    p.advance(600 * MS)
    p.command(700 * MS, "end")
    p.command(1000 * MS, "tempo", 60)  # 48 of 96 ticks still to go, now at 83.3 ms each
    sent = heard(p, 20_000)
    assert sent[-6].split(" ", 1) == ["7000.0", "91 3c 50"]


def test_end_stops_the_click_too():
    p = performance("solo", click=True)
    p.command(100 * MS, "end")
    sent = heard(p, 20_000, 9)
    assert sent[-2:] == ["3500.0 99 4d 64", "3560.0 89 4d 00"]


@pytest.mark.parametrize("role", ["harmonize", "answer"])
def test_end_while_listening_stops_at_once(role):
    p = performance(role, harmony=(THIRD,))
    p.command(100 * MS, "end")
    keys(p, (200, 300, 72))
    assert heard(p, 5000) == ["200.0 90 48 50", "300.0 80 48 40"]
    p.command(5000 * MS, "end")
    keys(p, (5100, 5200, 72))
    assert onsets(p, 7000) != []


def test_tempo_takes_the_line_along():
    """At 1250 the tempo halves: half a beat is still to go, which now takes 500 ms."""
    p = performance("solo", rhythm=(EIGHTH,))
    p.advance(1240 * MS)
    p.command(1250 * MS, "tempo", 60.0)
    assert [t for t, _ in onsets(p, 4300)] == [1250.0, 1750.0, 2250.0, 2750.0, 3250.0, 3750.0, 4250.0]
    assert p.transport.tempo == 60.0


@pytest.mark.parametrize("at", [1400, 1471, 1490, 1499])
def test_a_tempo_within_the_lead_keeps_every_beat_and_click(at):
    p = performance("solo", click=True)
    p.advance(at * MS)
    p.command(at * MS, "tempo", 240)
    beat = at + (1500 - at) / 2
    sent = p.advance(round((beat + 600) * MS))
    clicks = [round(t / MS, 1) for t, msg in sent if msg[0] == 0x99]
    notes = [round(t / MS, 1) for t, msg in sent if msg[0] == 0x91]
    assert clicks == notes == [beat, beat + 250, beat + 500]


def test_taps():
    """Four taps 600 ms apart are 100 BPM with the beat on them; a tap that jumps ahead squeezes no notes together."""
    p = performance("solo", click=True)
    for t in (1300, 1900, 2500, 3100):
        p.advance(t * MS)
        p.command(t * MS, "tap")
    assert p.transport.tempo == pytest.approx(100.0)
    sent = p.advance(6000 * MS)
    clicks = [round(t / MS, 1) for t, msg in sent if msg[0] == 0x99]
    notes = [round(t / MS, 1) for t, msg in sent if msg[0] == 0x91]
    assert clicks[-4:] == notes[-4:] == [3700.0, 4300.0, 4900.0, 5500.0]
    assert len(notes) == len(set(notes))


def test_a_tap_says_whether_it_has_set_the_tempo():
    buffer = memoryview(bytearray(size_of(64)))
    p, said = Performance(Settings(role="solo", seed=1), ring=RingWriter(buffer, 64)), []
    reader = RingReader(buffer)
    for ms in (1000, 1500, 2100, 5000, 5400):
        tempo = p.transport.tempo
        p.command(ms * MS, "tap")
        records = reader.read()
        told = [blob_at(records, i).decode() for i, record in enumerate(records) if record.kind == Kind.STATUS]
        said += [(p.transport.tempo != tempo, told)]
    first, then = "Tapped: a second tap sets the tempo.", "Tapped: that is the tempo now."
    assert said == [(False, [first]), (True, [then]), (True, [then]), (False, [first]), (True, [then])]


def test_a_tap_that_jumps_to_the_next_beat_plays_it():
    p = performance("solo", rhythm=(EIGHTH,), click=True)
    p.command(1300 * MS, "tap")
    p.command(1900 * MS, "tap")  # 95 BPM... the beat at 2000 is now
    sent = p.advance(3200 * MS)
    tail = [(round(t / MS, 1), msg[0]) for t, msg in sent if msg[0] in (0x91, 0x99) and t >= 1800 * MS]
    assert tail == [(1900.0, 0x91), (1900.0, 0x99), (2200.0, 0x91), (2500.0, 0x91), (2500.0, 0x99), (2800.0, 0x91),
                    (3100.0, 0x91), (3100.0, 0x99)]  # fmt: skip


def test_a_key_is_in_force_from_the_next_beat():
    p = performance("solo", steps=(1,), high=127)
    p.advance(600 * MS)
    p.command(700 * MS, "key", "C# major")
    assert onsets(p, 2600) == [(1000.0, 90), (1500.0, 92), (2000.0, 94), (2500.0, 96)]


def test_panic_ends_everything_and_the_line_comes_back():
    p = performance("solo", agent_channel=2)
    feed(p, (0, "b0 40 7f"), (100, "95 3c 50"))
    p.advance(600 * MS)
    p.command(700 * MS, "panic")
    assert heard(p, 700) == [
        "700.0 b0 40 00", "700.0 b0 42 00", "700.0 b0 43 00", "700.0 e0 00 40",
        "700.0 b1 40 00", "700.0 b1 42 00", "700.0 b1 43 00", "700.0 e1 00 40",
        "700.0 b5 40 00", "700.0 b5 42 00", "700.0 b5 43 00", "700.0 e5 00 40",
        "700.0 85 3c 00",
        "700.0 b0 7b 00", "700.0 b0 78 00", "700.0 b1 7b 00", "700.0 b1 78 00", "700.0 b5 7b 00", "700.0 b5 78 00",
    ]  # fmt: skip


def test_level_is_a_controller_of_the_agents_channel():
    p = performance("answer")
    p.command(100 * MS, "level", 0.5)
    p.command(200 * MS, "level", 1)
    assert heard(p, 300) == ["100.0 b1 07 40", "200.0 b1 07 7f"]


@pytest.mark.parametrize(("explore", "tried"), [(True, 0.25), (False, 0.0)])
def test_adventure_reaches_every_agent_unless_nothing_is_to_be_tried(explore, tried):
    p = performance("solo", explore=explore)
    p.command(0, "adventure", 0.25)
    assert [agent.adventure for agent in p.learning.agents] == [tried] * 3


BAD = [
    ("volume", 1), ("role", "sing"), ("role", 3), ("key", "H minor"), ("key", 5), ("key", "C " + "0, " * 12 + "11"),
    ("tempo", None), ("tempo", 20), ("tempo", "fast"), ("tempo", float("nan")), ("tempo", True), ("adventure", 2),
    ("adventure", None), ("level", -0.1), ("level", "loud"), ("level", float("nan")), ("level", True), ("held", "yes"),
    ("held", float("nan")), ("mute", 2), ("click", "on"), ("tap", 1.0), ("end", "now"), ("panic", 0), ("undo", "all"),
    ("key_next", "G"), ("in_lost", 1), ("out_lost", 1),
]  # fmt: skip


@pytest.mark.parametrize(("name", "value"), BAD)
def test_a_bad_command_says_so_and_changes_nothing(name, value):
    buffer = memoryview(bytearray(size_of(4096)))
    p, plain = performance("solo", more={"ring": RingWriter(buffer, 4096)}), performance("solo")
    p.advance(600 * MS)
    with pytest.raises(SettingsError) as error:
        p.command(700 * MS, name, value)
    assert "\n" not in str(error.value)
    assert name in str(error.value)
    plain.advance(600 * MS)
    assert heard(p, 5000) == heard(plain, 5000)
    assert not [record for record in RingReader(buffer).read() if record.kind == Kind.COMMAND]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_can_be_given(name):
    p = performance("solo")
    p.command(0, name, {"tempo": 100, "level": 0.5, "adventure": 0.5, "outside": 0.5}.get(name))


# ---- ratings -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("agent", ["dyna-q", "q"])
def test_a_rating_changes_what_comes_and_undo_takes_it_back_exactly(agent):
    p = Performance(Settings(role="solo", tempo=120.0, seed=7, agent=agent))
    p.advance(3250 * MS)
    before = p.snapshot()
    history = []
    for i, value in enumerate((0.2, 1.0, 0.3, -0.7)):
        p.rate((3100 + 50 * i) * MS, value, 3250 * MS)
        history.append((p.snapshot(), [steps.reward.tobytes() for steps in p.learning.steps]))
    assert len({snapshot for snapshot, _ in history}) == 4
    for snapshot, rewards in reversed(history):
        assert (p.snapshot(), [steps.reward.tobytes() for steps in p.learning.steps]) == (snapshot, rewards)
        p.undo_rating(3250 * MS)
    assert p.snapshot() == before
    p.undo_rating(3250 * MS)  # nothing left to take back
    assert p.snapshot() == before


def test_held_plays_on_without_learning():
    p = Performance(Settings(role="solo", tempo=120.0, seed=7, held=True))
    before = p.snapshot()
    for i in range(20):
        p.rate(i * 1000 * MS, 1.0)
    assert (p.snapshot(), p.learning.ratings) == (before, 0)
    p.freeze(False, 20_000 * MS)
    p.rate(20_500 * MS, 1.0)
    assert (p.learning.held, p.learning.ratings, p.snapshot() != before) == (False, 1, True)
    p.freeze(True)
    assert p.learning.held


@pytest.mark.parametrize(("given_", "taken"), [(5.0, 1.0), (-5.0, -1.0), (0.3, 0.3)])
def test_ratings_are_clipped(given_, taken):
    p = performance("solo")
    p.rate(700 * MS, given_)
    for nothing in (float("nan"), float("inf"), float("-inf")):
        p.rate(700 * MS, nothing)
    assert p.learning.ratings == 1
    assert sum(credited(p, 0)) == pytest.approx(taken)


def test_a_dislike_changes_the_plan_from_the_next_beat_only():
    p = performance("solo", rhythm=(EIGHTH,))
    p.advance(600 * MS)
    asked = p.learning.agents[1].asked
    planned = list(p.line.events)
    p.rate(700 * MS, 0.5)
    assert (p.learning.agents[1].asked, p.line.events) == (asked, planned)
    p.rate(750 * MS, -0.5)
    assert p.learning.agents[1].asked > asked
    assert onsets(p, 1400)[0] == (750.0, 65)


def test_what_was_learnt_changes_the_plan_behind_the_next_beat():
    """At 970 the beat at 1000 is taken up: what starts from 2000 on is decided again."""
    rated, plain = performance("solo", rhythm=(EIGHTH,)), performance("solo", rhythm=(EIGHTH,))
    for p in (rated, plain):
        p.advance(600 * MS)
    before = rated.learning.agents[1].asked
    rated.rate(700 * MS, 0.5)
    for p in (rated, plain):
        p.advance(980 * MS)
    assert plain.learning.agents[1].asked == before + 2
    assert rated.learning.agents[1].asked == before + 2 + 4
    assert [e.tick for e in rated.line.events] == [e.tick for e in plain.line.events] == [*range(36, 84, 6)]
    assert [e.note for e in rated.line.events[:2]] == [e.note for e in plain.line.events[:2]]


@pytest.mark.parametrize(("key_up", "pressed"), [(7100, 7200), (None, 6980)])
def test_before_the_last_note_has_ended_it_is_not_the_gap(key_up, pressed):
    """Neither a key that comes up while the phrase's last note sounds, nor a last note on its way, ends the phrase."""
    p = performance("duet", count_in=False)
    if key_up:
        keys(p, (6900, key_up, 60))
    p.rate(pressed * MS, 1.0)
    assert credited(p, 0)[:8] == [0.0] * 8
    p.rate(7900 * MS, 1.0)
    assert credited(p, 0)[0] == 0.3


def test_a_rating_in_the_gap_reaches_the_whole_answer():
    p = performance("answer")
    keys(p, (1230, 1400, 60))
    p.advance(5000 * MS)  # the answer was 2230 to 3230
    p.rate(5500 * MS, 1.0)
    assert [credited(p, head) for head in range(3)] == [[0.3] * 2] * 3


def test_a_rating_within_the_phrase_reaches_the_last_notes():
    p = performance("solo")
    p.advance(7150 * MS)
    p.rate(7150 * MS, 1.0)
    rewards = credited(p, 0)
    assert rewards[:10] == [0.0] * 10
    assert rewards[12] == max(rewards)  # heard from 1150 to 650 ms ago
    assert sum(rewards) == pytest.approx(1.0, abs=0.02)


def test_the_last_beat_of_four_bars_is_a_gap():
    p = performance("solo")
    p.advance(7700 * MS)
    p.rate(7700 * MS, 1.0)
    assert credited(p, 0) == [0.3] * 15


def test_a_press_on_its_way_when_the_next_phrase_began_is_about_the_last():
    p = performance("solo")
    p.advance(8300 * MS)
    p.rate(7990 * MS, 1.0, 8300 * MS)
    assert credited(p, 0) == [0.3] * 15 + [0.0]
    assert p.learning.agents[0].observed == []


def test_harmonize_gap():
    p = performance("harmonize")
    keys(p, *((500 * i, 500 * i + 300, 60 + i) for i in range(8)))
    p.rate(5000 * MS, 0.5)
    assert credited(p, 2) == [0.15] * 8


def test_steps_are_observed_once_in_order():
    p = performance("solo")
    p.advance(60_000 * MS)
    seen = p.learning.agents[1].observed
    assert seen == list(range(len(seen)))
    assert (len(seen), p.learning.steps[1].n) == (6 * 15, 7 * 15 + 9)  # not those that can still be judged


# ---- ports and faults --------------------------------------------------------------------------------------------


def test_a_lost_input_ends_what_its_keys_and_pedals_hold():
    p = performance("harmonize", harmony=(THIRD,))
    feed(
        p, (0, "b0 40 7f"), (50, "b0 43 50"), (60, "e0 00 7f"), (100, "90 48 50"), (110, "99 24 50"), (200, "b0 01 40")
    )
    p.command(300 * MS, "in_lost")
    assert heard(p, 2000)[7:] == [
        "300.0 b0 40 00", "300.0 b0 43 00", "300.0 e0 00 40", "300.0 80 48 00", "300.0 89 24 00", "300.0 81 45 00",
    ]  # fmt: skip
    keys(p, (3000, 3100, 72))
    assert heard(p, 4000) == ["3000.0 90 48 50", "3000.0 91 45 40", "3100.0 80 48 40", "3100.0 81 45 00"]


def test_a_lost_input_forgets_which_controls_were_down():
    p = performance("solo", **mapped(("control_change", -1, 67, "rate_up")))
    feed(p, (0, "b0 43 7f"))
    p.command(100 * MS, "in_lost")
    feed(p, (200, "b0 43 7f"))
    assert p.learning.ratings == 2


def test_a_lost_input_gives_solo_back():
    p = performance("solo")
    feed(p, (1200, "90 3c 50"))
    p.command(1500 * MS, "in_lost")
    assert onsets(p, 4600)[3:] == [(4000.0, 59), (4500.0, 60)]


def test_a_lost_output_releases_it():
    p = performance("solo")
    p.advance(100 * MS)
    p.command(200 * MS, "out_lost")
    assert heard(p, 499)[4] == "200.0 81 43 00"
    assert onsets(p, 500) == [(500.0, 65)]


def test_active_sensing_that_stops_is_a_lost_input():
    p = performance("harmonize", harmony=(THIRD,))
    feed(p, (0, "fe"), (100, "90 48 50"), (300, "fe"), (600, "fe"))
    assert heard(p, 5000) == ["100.0 90 48 50", "100.0 91 45 40", "1000.0 80 48 00", "1000.0 81 45 00"]


def test_any_message_shows_that_the_cable_is_in():
    p = performance("harmonize")
    feed(p, (0, "fe"), (100, "90 48 50"), *((300 + i * 350, f"b0 01 {i:02x}") for i in range(10)))
    assert heard(p, 3849)[-1] == "3450.0 b0 01 09"
    assert heard(p, 5000) == ["3850.0 80 48 00"]


def test_without_active_sensing_a_key_may_be_held_for_ever():
    p = performance("harmonize")
    feed(p, (100, "90 48 50"))
    assert heard(p, 60_000) == ["100.0 90 48 50"]


MALFORMED = [
    "", "90", "90 3c", "90 3c 40 41", "3c 40", "90 80 40", "90 3c 80", "c0", "c0 01 02", "c0 80", "f0 7e 7f f7", "f4",
    "f5", "f7", "f1 00", "f2 01 02", "f6", "00", "90 3c 40 90 3e 40",
]  # fmt: skip


@pytest.mark.parametrize("role", ROLES)
def test_malformed_messages_change_nothing(role):
    p, plain = performance(role), performance(role)
    for i, text in enumerate([*MALFORMED, "f0 " + "01 " * 50_000 + "f7"]):
        p.receive((i * 130) * MS, bytes.fromhex(text))
    assert heard(p, 5000) == heard(plain, 5000)
    assert p.hands.malformed == len(MALFORMED) + 1


def test_real_time_messages_are_no_fault():
    p = performance("solo", clock="internal")
    feed(p, *((i, text) for i, text in enumerate(["f8", "fa", "fb", "fc", "ff", "f9", "fd"])))
    assert (p.hands.malformed, p.transport.external) == (0, False)


@pytest.mark.parametrize("role", ROLES)
def test_a_flood_is_passed_on_whole(role):
    p = performance(role)
    flood = [bytes((0x90 if i % 2 == 0 else 0x80, 30 + i % 60 // 2, 1 + i % 100)) for i in range(10_000)]
    for i, msg in enumerate(flood):
        p.receive(i * 1000, msg)
    sent = [msg for _, msg in p.advance(10 * MS)]
    assert [msg for msg in sent if msg[0] & 15 == 0] == flood
    p.release(20 * MS)
    assert unfinished([*((0, m) for m in sent), *p.advance(20 * MS)]) == []


def looped(role, events, settings, until=6000):
    """Feed every message sent back in after 3 ms; what was heard, and how many came back."""
    p = performance(role, **settings)
    waiting = [(round(t * MS), bytes.fromhex(text)) for t, text in events]
    heard_, back, t = [], 0, 0
    while t <= until * MS and back < 5000:
        now = [entry for entry in waiting if entry[0] <= t]
        waiting = [entry for entry in waiting if entry[0] > t]
        for due, msg in now:
            p.receive(due, msg)
        for sent, msg in p.advance(t):
            heard_.append((sent, msg))
            waiting.append((sent + 3 * MS, msg))
            back += 1
        waiting.sort(key=lambda entry: entry[0])
        t += MS
    return words(heard_), back, p


PHRASE = [
    (100, "b0 40 7f"), (500, "90 48 50"), (700, "80 48 40"), (720, "90 4a 50"), (730, "90 4d 50"), (900, "80 4a 40"),
    (950, "80 4d 40"), (1000, "b0 40 00"), (1100, "90 48 50"), (1150, "90 48 00"), (1200, "90 48 50"),
    (1290, "90 48 00"), (1300, "b0 01 10"), (1310, "b0 01 11"),
    (1320, "b0 01 12"), (1400, "e0 00 50"), (1500, "e0 00 40"), (1600, "d0 30"),
    (1700, "c0 05"), (2000, "90 40 50"), (2001, "90 43 50"), (2600, "80 40 00"), (2601, "80 43 00"),
]  # fmt: skip


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("settings", [{}, {"share_sound": True}, {"click": True}, {"thru": "off"}], ids=str)
def test_our_own_echo_changes_nothing(role, settings):
    settings = {"harmony": (TRIAD,), **settings}
    p = performance(role, **settings)
    for t, text in PHRASE:
        p.receive(round(t * MS), bytes.fromhex(text))
    plain = words(p.advance(6000 * MS))
    found, back, _ = looped(role, PHRASE, settings)
    assert back == len(plain)
    assert found == plain


@pytest.mark.parametrize("share", [False, True])
def test_without_a_loop_nothing_of_the_players_is_dropped(share):
    """A fixed-velocity keyboard, repeated controllers, and note-offs that look like ours."""
    p = performance("harmonize", harmony=(TRIAD,), share_sound=share)
    played = []
    for i in range(400):
        t = i * 45
        note = (72, 69, 65, 67)[i // 2 % 4]
        msg = bytes((0x90, note, 64)) if i % 2 == 0 else bytes((0x80, note, 0))
        played.append(msg)
        p.receive(t * MS, msg)
        p.receive((t + 5) * MS, b"\xb0\x01\x40")
    ons = [msg for _, msg in p.advance(400 * 45 * MS) if msg[0] == 0x90 and msg[2] == 64]
    assert ons == [msg for msg in played if msg[0] == 0x90]
    assert p.voices.keys_down == 0


# ---- clock -------------------------------------------------------------------------------------------------------


def clocks(p, start_ms, tempo, n, jitter=(0,)):
    feed(p, (start_ms, "fa"))
    for i in range(n):
        p.receive(round((start_ms + 5 + jitter[i % len(jitter)] + i * 60_000 / tempo / 24) * MS), b"\xf8")


def test_an_external_clock_gives_the_beat():
    """Start at 1100, first clock at 1105: a bar line there, then 100 BPM, whose beats are 600 ms apart."""
    p = performance("solo", click=True)
    p.advance(1050 * MS)
    clocks(p, 1100, 100.0, 97)
    sent = [(t, msg) for t, msg in p.advance(3600 * MS) if t > 1100 * MS]
    clicks = [(round(t / MS), msg[1]) for t, msg in sent if msg[0] == 0x99]
    notes = [round(t / MS) for t, msg in sent if msg[0] == 0x91]
    assert clicks == [(1105, 76), (1705, 77), (2305, 77), (2905, 77), (3505, 76)]
    assert notes == [t for t, _ in clicks]


def test_jitter_moves_no_note_by_more_than_two_ms():
    p = performance("solo")
    p.advance(999 * MS)
    clocks(p, 1000, 100.0, 24 * 16, jitter=(0, 0.9, -0.7, 0.4, -0.9, 0.1, -0.2))
    notes = [t for t, _ in onsets(p, 1005 + 600 * 16)]
    assert len(notes) >= 15
    assert all(abs((t - 1005 + 300) % 600 - 300) < 2.0 for t in notes[3:])


def test_clock_is_obeyed_only_after_start():
    for mode, external in (("auto", False), ("external", True), ("internal", False)):
        p = performance("solo", clock=mode)
        for i in range(30):
            p.receive(i * 25 * MS, b"\xf8")
        assert p.transport.external is external
    p = performance("solo")
    clocks(p, 0, 100.0, 30)
    assert p.transport.external
    p.command(800 * MS, "in_lost")
    assert not p.transport.external


def test_stop_leaves_the_tempo():
    p = performance("solo")
    clocks(p, 0, 100.0, 49)
    feed(p, (1300, "fc"))
    assert p.transport.tempo == pytest.approx(100.0, rel=1e-6)
    assert [t for t, _ in onsets(p, 4000)][-3:] == [2405.0, 3005.0, 3605.0]


# ---- controls ----------------------------------------------------------------------------------------------------


def mapped(*controls):
    profile = Profile("test", "keyboard", (), controls=tuple(Control(*c) for c in controls))
    return {"more": {"profile": profile}}


def test_mapped_controls_are_swallowed_and_obeyed():
    p = performance(
        "answer",
        **mapped(
            ("control_change", -1, 67, "rate_up"), ("note_on", -1, 22, "panic"), ("control_change", -1, 20, "tempo"),
            ("control_change", -1, 21, "level"), ("note_on", 9, 36, "click"), ("control_change", -1, 22, "role"),
            ("control_change", -1, 23, "held"), ("control_change", -1, 24, "key_next"),
        ),
    )  # fmt: skip
    feed(p, (0, "b0 43 7f"), (10, "b0 43 00"), (20, "b0 14 7f"), (30, "b0 15 40"), (40, "b0 16 7f"), (50, "b0 17 7f"),
         (60, "b0 18 7f"), (70, "99 24 40"), (80, "89 24 00"))  # fmt: skip
    assert heard(p, 100) == ["30.0 b1 07 40"]
    assert (p.learning.ratings, p.transport.tempo, p.turns.role) == (1, 180.0, "solo")
    assert (p.learning.held, p.hearing.key.tonic, p.click) == (True, 7, True)


def test_a_knob_lets_chromatic_notes_in():
    p = performance("solo", **mapped(("control_change", -1, 24, "outside")))
    assert p.hearing.world[OUTSIDE] == 0
    feed(p, (0, "b0 18 7f"))
    assert (p.outside, p.hearing.world[OUTSIDE]) == (1.0, 100)
    feed(p, (10, "b0 18 00"))
    assert (p.outside, p.hearing.world[OUTSIDE]) == (0.0, 0)


def test_endless_encoders_add_steps():
    p = performance(
        "answer",
        **mapped(
            ("control_change", -1, 20, "tempo", "relative_twos"), ("control_change", -1, 21, "level", "relative_twos"),
            ("control_change", -1, 22, "adventure", "relative_signed"),
        ),
    )  # fmt: skip
    feed(p, (0, "b0 14 03"), (10, "b0 14 7f"), (20, "b0 15 7f"), (30, "b0 16 05"), (40, "b0 16 45"))
    assert p.transport.tempo == 122.0
    assert heard(p, 100) == ["20.0 b1 07 63"]
    assert p.adventure == pytest.approx(0.5)
    for _ in range(3):
        feed(p, (100, "b0 14 3f"))
    assert p.transport.tempo == 180.0


def test_a_control_key_stays_swallowed_through_a_panic_of_the_map():
    """Its note_off ends as its note_on began."""
    p = performance("harmonize", harmony=(THIRD,), **mapped(("note_on", -1, 21, "rate_down")))
    feed(p, (0, "90 15 40"), (100, "80 15 40"), (200, "90 15 40"), (300, "90 15 00"))
    assert (heard(p, 500), p.learning.ratings, p.voices.keys_down) == ([], 2, 0)


# ---- late, records, snapshots, the end ---------------------------------------------------------------------------


def test_late_decisions_are_the_fallbacks():
    p = performance("harmonize", harmony=(TRIAD,), prior="none")
    p.late(100 * MS)
    p.receive(90 * MS, b"\x90\x48\x50", 100 * MS)
    assert heard(p, 100, 1) == ["100.0 91 45 40"]  # a third
    assert p.learning.agents[2].asked == 0
    p.receive(200 * MS, b"\x90\x48\x50")
    assert p.learning.agents[2].asked == 1


def test_a_late_line_walks_to_the_tonic_in_quarters():
    p = performance("answer", rhythm=(EIGHTH,), steps=(3,), harmony=(TRIAD,), prior="none")
    p.late(10_000 * MS)
    p.command(100 * MS, "role", "solo")
    assert onsets(p, 4100) == [(2000.0, 64), (2500.0, 62), (3000.0, 60), (3500.0, 60), (4000.0, 60)]
    assert [agent.asked for agent in p.learning.agents] == [0, 0, 0]


@pytest.mark.parametrize("key", ["C major", "B chromatic", "F# 0", "D 0,1"])
@pytest.mark.parametrize("late", [False, True])
def test_the_line_keeps_to_its_register(key, late):
    p = Performance(Settings(role="answer", key=key, low=50, high=62, seed=3))
    keys(p, (0, 10, 52))
    if late:
        p.late(10**12)
    p.command(20 * MS, "role", "solo")
    notes = [note for _, note in onsets(p, 60_000)]
    assert notes
    assert all(50 <= note <= 62 for note in notes)


def test_what_cannot_be_loaded_is_refused():
    with pytest.raises(TasteError, match="the snapshot is damaged"):
        Performance(Settings(), snapshot=b"PK")


def test_a_snapshot_goes_on_where_it_was():
    p = Performance(Settings(role="solo", seed=7))
    for i in range(1, 20):
        p.rate(i * 700 * MS, 1.0 if i % 2 else -1.0)
    again = Performance(Settings(role="solo", seed=7), snapshot=p.snapshot())
    assert again.snapshot() == p.snapshot()
    assert p.snapshot() != Performance(Settings(role="solo", seed=7)).snapshot()


def test_counts():
    p = performance("harmonize", harmony=(TRIAD,))
    keys(p, (100, 200, 72), (300, 400, 74))
    feed(p, (500, "99 24 40"), (600, "90"))
    assert (p.notes_in, p.notes_out, p.hands.malformed) == (2, 4, 1)


def test_stamps_of_a_decision():
    """With a clock that ticks 7 ns a look: in, decided, sent; and what the decision cost."""
    ticks = iter(range(1_000_000, 2_000_000, 7))
    buffer = memoryview(bytearray(size_of(256)))
    p = performance(
        "harmonize",
        harmony=(THIRD,),
        more={"ring": RingWriter(buffer, 256), "clock": lambda: next(ticks), "start_ns": 0},
    )
    p.receive(100 * MS, b"\x90\x48\x50", 101 * MS)
    assert (p.decide_ns, p.sent_ns) == (7, 101 * MS)
    (decision,) = [record for record in RingReader(buffer).read() if record.kind == Kind.DECISION]
    assert decision.t_ns == 101 * MS
    p.receive(300 * MS, b"\xb0\x01\x01")
    assert p.decide_ns == -1


def test_the_plan_is_what_sounds():
    """Every event is published before it sounds, and the last plan that held its tick is what sounded."""
    from livecomposer.instrument.records import unpack

    buffer = memoryview(bytearray(size_of(8192)))
    p = Performance(Settings(role="solo", tempo=120.0, seed=3), ring=RingWriter(buffer, 8192))
    sent = p.advance(20_000 * MS)
    planned: dict[int, tuple[int, ...]] = {}
    for record in RingReader(buffer).read():
        if record.kind == Kind.PLAN:
            tick, _, note, added, _ = unpack(record)
            planned[tick] = (note, *added)
    sounded: dict[int, tuple[int, ...]] = {}
    for t, msg in sent:
        if msg[0] == 0x91:
            tick = round(p.transport.tick_at(t))
            sounded[tick] = (*sounded.get(tick, ()), msg[1])
    later = {tick: notes for tick, notes in sounded.items() if tick >= 12}
    assert len(later) > 20
    assert all(planned[tick] == notes for tick, notes in later.items())


def test_who_a_message_is_sent_for():
    from livecomposer.instrument.records import BY_AGENT, BY_CLICK, BY_PLAYER, BY_RELEASE, unpack

    buffer = memoryview(bytearray(size_of(1024)))
    p = performance("solo", click=True, more={"ring": RingWriter(buffer, 1024)})
    feed(p, (100, "90 3c 50"), (200, "80 3c 50"))
    p.advance(700 * MS)
    p.release(800 * MS)
    by = {}
    for record in RingReader(buffer).read():
        if record.kind == Kind.OUTPUT:
            _, _, who, msg = unpack(record)
            by.setdefault((who, msg[0] >> 4), set()).add(msg[0] & 15)
    assert by[BY_PLAYER, 9] == by[BY_PLAYER, 8] == {0}
    assert by[BY_AGENT, 9] == by[BY_AGENT, 8] == {1}
    assert by[BY_CLICK, 9] == by[BY_CLICK, 8] == {9}
    assert {who for who, kind in by if kind in (11, 14)} == {BY_RELEASE}


@pytest.mark.parametrize("role", ROLES)
def test_release_is_the_end(role):
    p = performance(role, click=True, harmony=(TRIAD,))
    feed(p, (400, "b0 40 7f"), (450, "90 3c 50"))
    p.advance(480 * MS)  # a click and a beat are on their way
    p.release(490 * MS)
    sent = p.advance(490 * MS)
    assert p.advance(60_000 * MS) == []
    assert [msg.hex(" ") for _, msg in sent[-2:]] == ["b9 7b 00", "b9 78 00"]


def test_next_due_is_when_something_will_happen():
    p = performance("solo")
    for _ in range(200):
        due = p.next_due_ns()
        p.advance(due - 1)
        assert p.next_due_ns() == due
        p.advance(due)
    assert p.next_due_ns() > 10_000 * MS
    assert LEAD_NS == 30 * MS
