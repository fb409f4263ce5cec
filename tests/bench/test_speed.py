"""``bench speed --short``: every figure that its docstring names, and a table of them (no figure is judged)."""

import pytest

from livecomposer.bench import speed


def test_it_reports_what_it_documents(monkeypatch):
    monkeypatch.setattr(speed, "find_spec", lambda name: None)  # the referee is measured by hand
    monkeypatch.setattr(speed, "SHORT_STEPS", 256)
    monkeypatch.setattr(speed, "WARM", 256)
    report = speed.measure(True)
    for name in set(report).union(*(report[part] for part in ("decide", "cartpole", "practice", "faster"))):
        assert f"``{name}``" in (speed.__doc__ or ""), name
    assert {name: found is None for name, found in report["cartpole"].items()} == {
        "dqn": False, "a2c": False, "ppo": False, "sb3_dqn": True, "sb3_a2c": True, "sb3_ppo": True,
    }  # fmt: skip
    assert [name for name, times in report["faster"].items() if times is not None] == ["a3c"]
    table = speed.rows(report)
    assert len(table) == 1 + 4 + 3 + 1 + 5
    assert (table[1][2], table[2][2]) == ("", "not installed")


def test_what_takes_turns_is_compared_turn_by_turn():
    halves = iter([2.0, 1.0, 2.0])  # a spell of half the speed, in the second turn
    now = [1.0]

    def fast() -> float:
        now[0] = next(halves)
        return 30.0 * now[0]

    turns = speed.by_turns({"fast": fast, "slow": lambda: 10.0 * now[0]}, 3)
    assert turns == [{"fast": 60.0, "slow": 20.0}, {"fast": 30.0, "slow": 10.0}, {"fast": 60.0, "slow": 20.0}]
    assert speed._times(turns, "fast", "slow") == 3.0 and speed._times(turns, "fast", "nobody") is None
    assert speed._median(turns, "fast") == 60.0 and speed._median(turns, "nobody") is None


def test_who_it_is_compared_with_decides_and_learns():
    """Both sides of each comparison, where the extra ``referee`` is installed (as on CI)."""
    pytest.importorskip("stable_baselines3", reason="the extra referee is not installed")
    from livecomposer.bench import referee

    decide, step = referee.deciders(4, 2, [8, 8])
    assert set(decide) == {"torch", "sb3_dqn", "sb3_ppo"} and set(step) == {"sb3_dqn_step"}
    assert int(decide["sb3_dqn"]()[0]) in (0, 1) and int(decide["sb3_ppo"]()[0]) in (0, 1)
    step["sb3_dqn_step"]()
    learners = referee.learners("CartPole-v1", 64)
    assert set(learners) == {"sb3_dqn", "sb3_a2c", "sb3_ppo"}
    assert all(run(64) > 0.0 for run in learners.values())
