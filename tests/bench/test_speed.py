"""``bench speed --short``: every figure that its docstring names, and a table of them (no figure is judged)."""

from livecomposer.bench import speed


def test_it_reports_what_it_documents(monkeypatch):
    monkeypatch.setattr(speed, "find_spec", lambda name: None)  # the referee is measured by hand
    monkeypatch.setattr(speed, "SHORT_STEPS", 256)
    report = speed.measure(True)
    for name in set(report) | set(report["decide"]) | set(report["cartpole"]) | set(report["practice"]):
        assert f"``{name}``" in (speed.__doc__ or ""), name
    assert {name: found is None for name, found in report["cartpole"].items()} == {
        "dqn": False, "a2c": False, "ppo": False, "sb3_dqn": True, "sb3_a2c": True, "sb3_ppo": True,
    }  # fmt: skip
    table = speed.rows(report)
    assert len(table) == 1 + 4 + 3 + 1 + 5
    assert table[1][2] == "not installed"
