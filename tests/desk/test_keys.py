"""The table of keys and what a terminal sends for them."""

import pytest

from livecomposer.desk.keys import ACTIONS, HELP, Action, help_text, parse_keys
from livecomposer.instrument.records import COMMANDS


@pytest.mark.parametrize(
    ("data", "names"),
    [
        (b"\x1b[A", ["up"]),
        (b"\x1bOB", ["down"]),
        (b"\x1b[C\x1b[D", ["right", "left"]),
        (b"\x1b", ["esc"]),
        (b"\x7f", ["backspace"]),
        (b"\x08", ["backspace"]),
        (b"\t", ["tab"]),
        (b"aW ?", ["a", "w", " ", "?"]),
        (b"\x1b[15~m", ["m"]),
        (b"\x1b[1;5A", []),
        (b"\x1b[3~", ["delete"]),
        (b"\xc3\xa9a", ["a"]),
        (b"", []),
    ],
)
def test_parse(data: bytes, names: list[str]) -> None:
    assert parse_keys(data) == names


def test_piano_is_one_octave_from_c_upwards() -> None:
    assert [ACTIONS[key] for key in "awsedftgyhujk"] == [Action("note", i) for i in range(13)]


def test_ratings_are_graded_and_signed() -> None:
    assert [ACTIONS[key].value for key in ("up", "right", "left", "down")] == [1.0, 0.5, -0.5, -1.0]


def test_pairs_have_their_keys() -> None:
    assert [ACTIONS[key] for key in "b120"] == [
        Action("command", name) for name in ("ab", "ab_a", "ab_b", "ab_none")
    ]  # fmt: skip


def test_every_command_key_is_a_command_that_exists() -> None:
    assert {a.value for a in ACTIONS.values() if a.kind == "command"} <= set(COMMANDS)


def test_help_names_every_key_of_the_table() -> None:
    shown = help_text()
    for keys, text in HELP:
        assert keys in shown and text in shown
    spoken = {"up": "↑", "right": "→", "left": "←", "down": "↓", " ": "Space", "backspace": "Backspace"}
    for key in ACTIONS:
        assert spoken.get(key, key.capitalize() if len(key) > 1 else key) in shown
