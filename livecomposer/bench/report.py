"""Figures and how they are shown: percentiles, facts about the machine, a small table.

Called by every bench; numba-free.
"""

import os
import platform
from collections.abc import Iterable, Sequence
from importlib.util import find_spec
from typing import Any

from livecomposer.errors import SettingsError

HEADER = ("", "n", "p50", "p99", "max", "")  # of a table of ``row``s, whose last cell is a unit
EXTRAS = {"gymnasium": ("Gymnasium", "gym")}


def need(bench: str, module: str) -> None:
    """Raise SettingsError naming the extra if ``module``, which the bench needs, is not installed."""
    if find_spec(module) is None:
        what, extra = EXTRAS[module]
        raise SettingsError(f'bench {bench} needs {what}; run `pip install "livecomposer[{extra}]"`')


def spread(values: Iterable[float], scale: float = 1e-3) -> dict[str, float]:
    """``n``, ``p50``, ``p99`` and ``max`` of ``values`` times ``scale`` (default: ns to µs); n 0 has no others."""
    found = sorted(values)
    if not found:
        return {"n": 0}
    n = len(found)
    return {
        "n": n,
        "p50": round(found[n // 2] * scale, 3),
        "p99": round(found[min(int(0.99 * n), n - 1)] * scale, 3),
        "max": round(found[-1] * scale, 3),
    }


def machine(**more: Any) -> dict[str, Any]:
    """What figures depend on: ``cores``, ``python``, ``system``, ``load_1m`` (None where unknown), and ``more``."""
    load = round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None
    return {
        "cores": os.cpu_count(), "python": platform.python_version(), "system": platform.platform(terse=True),
        "load_1m": load, **more,
    }  # fmt: skip


def heading(report: dict[str, Any]) -> str:
    """One line: the bench, and the machine it ran on."""
    facts = dict(report["machine"])
    words = [f"{facts.pop('cores')} cores", f"Python {facts.pop('python')}", str(facts.pop("system"))]
    if "fifo" in facts:
        words.append("SCHED_FIFO" if facts.pop("fifo") else "normal priority")
    words += [f"{name.replace('_', ' ')} {value}" for name, value in facts.items() if value is not None]
    return f"bench {report['bench']}{' --short' if report['short'] else ''}: {', '.join(words)}"


def row(name: str, figures: dict[str, float], unit: str) -> list[str]:
    """A table row of a ``spread``."""
    if not figures["n"]:
        return [name, "0", "–", "–", "–", unit]
    return [name, str(figures["n"]), *(f"{figures[key]:.2f}" for key in ("p50", "p99", "max")), unit]


def show(rows: Sequence[Sequence[str]]) -> None:
    """Print rows: those of more than one cell as a table, those of one as sentences behind it.

    The first row of a table is its header, but rows as ``row`` makes them (so wide is no other table) get theirs here.
    """
    table = [r for r in rows if len(r) > 1]
    units = bool(table) and len(table[0]) == len(HEADER)
    if units:
        table.insert(0, HEADER)
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for first, *cells in table:
        unit = [cells.pop()] if units else []
        numbers = [cell.rjust(width) for cell, width in zip(cells, widths[1:], strict=False)]
        print("  ".join(["", first.ljust(widths[0]), *numbers, *unit]).rstrip())
    for sentence in (r[0] for r in rows if len(r) == 1):
        print(f"  {sentence}")
