"""Measurements, each with what it is compared to in the same run; they report and never assert.

``cli`` calls ``run``. A bench is a module with ``measure(short) -> dict`` (the report: what ``--json`` prints) and
``rows(report)`` (its table); a report's ``ok`` is False only if something was lost or not released.
"""

import json
from argparse import Namespace
from importlib import import_module

from livecomposer.errors import SettingsError

# flags that only some take: which, and why the others do not
TAKEN = {
    "out": (("music", "score"), "keeps no files"),
    "plot": (("taste", "learn"), "draws no curves"),
    "seeds": (("taste", "words"), "chooses its own seeds"),
    "jobs": (("taste", "words"), "runs in one process"),
    "agents": (("taste", "music"), "plays one agent"),
    "env": (("learn",), "trains on no environment"),
    "agent": (("learn", "latency"), "compares what it compares"),
    "steps": (("learn",), "takes its own number of steps"),
    "seed": (("learn",), "chooses its own seeds"),
    "hyper": (("learn",), "trains no agent"),
}


def run(args: Namespace) -> int:
    """Run ``args.bench`` and print a table or one JSON object; returns 0, or 1 if the report is not ok."""
    from livecomposer.bench.report import heading, show
    from livecomposer.desk.wiring import prepare_cache

    prepare_cache()
    bench = import_module(f"livecomposer.bench.{args.bench}")
    asked = {flag: getattr(args, flag, None) for flag in TAKEN}
    given = {flag: value for flag, value in asked.items() if value not in (None, "") and value is not False}
    for flag in given:
        benches, why = TAKEN[flag]
        if args.bench not in benches:
            raise SettingsError(f"bench {args.bench} {why}; leave out --{flag}")
    report = {"bench": args.bench, "short": args.short, **bench.measure(args.short, **given)}
    if args.json:
        print(json.dumps(report))
    else:
        print(heading(report))
        show(bench.rows(report))
    return 0 if report["ok"] else 1
