"""What a bench prints: tables of several shapes, and sentences."""

import pytest

from livecomposer.bench import learn, speed, words
from livecomposer.bench.report import row, show, spread

LEARNT = {
    "agent": "q", "env": "Taxi-v4", "curve": [(500, -3.25)], "solved_at_step": None, "set_aside": 0,
    "best_return": 7.9, "cpu_s": 1.5,
}  # fmt: skip
FOUND = {"named": 0.8, "sure": 0.7, "wins": 0.9, "fooled": 0.1}
NAMED = {"seeds": 2, "listeners": {"long low notes": FOUND}, "all": FOUND, "nothing": {"sure": 0.05, "likely": 0.2}}


def test_rows_get_their_header_and_sentences_come_last(capsys):
    show([["one"], row("a note", spread([1e6, 3e6]), "ms"), row("nothing", spread([]), "ms"), ["two"]])
    assert capsys.readouterr().out.splitlines() == [
        "           n      p50      p99      max",
        "  a note   2  3000.00  3000.00  3000.00  ms",
        "  nothing  0        –        –        –  ms",
        "  one",
        "  two",
    ]


def test_sentences_alone_have_no_table(capsys):
    show([["one"], ["two"]])
    assert capsys.readouterr().out == "  one\n  two\n"


@pytest.mark.parametrize(
    "rows, printed",
    [
        (
            learn.rows(LEARNT),
            [
                "  q on Taxi-v4                mean greedy return",
                "  500 steps                                 -3.2",
                "  best weights, 100 episodes                 7.9",
                "  not solved; 1.5 s CPU",
            ],
        ),
        (
            words.rows(NAMED)[:3],
            [
                "                  named  sure  wins  fooled",
                "  long low notes    80%   70%   90%     10%",
                "  all               80%   70%   90%     10%",
            ],
        ),
    ],
)
def test_other_tables_bring_theirs(rows, printed, capsys):
    show(rows)
    assert capsys.readouterr().out.splitlines() == printed


def test_the_table_of_speeds_can_be_printed(capsys):
    cartpole = {f"{by}{name}": None if by else 9 for by in ("", "sb3_") for name in ("dqn", "a2c", "ppo")}
    decide = {"table": 1.0, "network": 8.0, "torch": None, "sb3_dqn": 320.0, "sb3_ppo": None}
    show(speed.rows({
        "decide": decide, "dqn_step": 90.0, "sb3_dqn_step": 900.0, "taxi": 10_000_000, "cartpole": cartpole,
        "practice": {"ppo": 40_000, "a3c": 90_000}, "faster": {"network": 41.0, "dqn_step": 10.0, "a3c": 1.87},
    }))  # fmt: skip
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["here", "Stable-Baselines3"] and lines[0].endswith("Stable-Baselines3")
    assert lines[2].split()[-5:] == ["µs", "8.0", "320.0:", "41.0", "×"] and "48 in, 64-64-64-64, 14 out" in lines[2]
    assert lines[-1].endswith("90,000  1.87 × one worker")
