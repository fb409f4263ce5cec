"""Measurements, each with what it is compared to in the same run; they report and never assert.

``cli`` calls ``run``. A bench is a module with ``measure(short) -> dict`` (the report: what ``--json`` prints) and
``rows(report)`` (its table); a report's ``ok`` is False only if something was lost or not released.
"""

import json
from argparse import Namespace
from importlib import import_module

from livecomposer.errors import SettingsError

WRITE = ("music", "score")  # the benches that keep files


def run(args: Namespace) -> int:
    """Run ``args.bench`` and print a table or one JSON object; returns 0, or 1 if the report is not ok."""
    from livecomposer.bench.report import heading, show
    from livecomposer.desk.wiring import prepare_cache

    prepare_cache()
    bench = import_module(f"livecomposer.bench.{args.bench}")
    kept = {"out": args.out} if args.out else {}
    if kept and args.bench not in WRITE:
        raise SettingsError(f"bench {args.bench} keeps no files; leave out --out")
    report = {"bench": args.bench, "short": args.short, **bench.measure(args.short, **kept)}
    if args.json:
        print(json.dumps(report))
    else:
        print(heading(report))
        show(bench.rows(report))
    return 0 if report["ok"] else 1
