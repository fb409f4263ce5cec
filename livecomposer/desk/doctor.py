"""``livecomposer ports`` and ``livecomposer doctor``: what is plugged in, what is wrong with this machine, what to do.

Called by ``cli``; nothing plays meanwhile.
"""

import json
import os
import queue
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from livecomposer.desk.checks import CHECKS, Check, Finding, said
from livecomposer.desk.listing import listing, survey
from livecomposer.errors import LivecomposerError, PortError, SettingsError
from livecomposer.midi import ports
from livecomposer.midi.profiles import load_profiles
from livecomposer.settings import Settings, collect, user_dir

SLICE_S = 0.2  # on Windows a wait cannot be interrupted: Ctrl-C works between two


def ports_command(api: str, as_json: bool) -> int:
    """List inputs and outputs, whose profile fits them, and which of them ``play`` takes with the settings in force.

    With ``as_json`` one object: ``system`` ("alsa", "jack", "coremidi", "winmm" or null), ``inputs`` and ``outputs``
    (each ``name``, ``profile`` or null, ``kind`` of the profile or null, ``port`` "keys" or "daw", ``chosen``), and
    ``problems`` (sentences: broken profiles and settings, a pattern that matches nothing or two).

    Returns
    -------
    0, or 2 if no MIDI system answers.

    Raises
    ------
    PortError
        No MIDI system answers, and ``as_json`` is not set.
    """
    profiles, broken = load_profiles(user_dir() / "devices")
    problems = [str(error) for error in broken]
    try:
        settings = collect({}, os.environ, user_dir(), Path.cwd())
    except SettingsError as error:
        problems.append(str(error))
        settings = Settings()
    try:
        system = ports.find_system(api or settings.api)
        names = ports.list_ports(system)
    except PortError as error:
        if not as_json:
            for problem in problems:
                print(f"Warning: {problem}")
            raise
        print(json.dumps({"system": None, "inputs": [], "outputs": [], "problems": [str(error), *problems]}, indent=2))
        return 2
    inputs, outputs, unclear = survey(settings, names, profiles)
    problems += unclear
    if as_json:
        found = {"system": system.name, "inputs": inputs, "outputs": outputs, "problems": problems}
        print(json.dumps(found, indent=2))
        return 0
    for line in listing(settings, system.label, inputs, outputs):
        print(line)
    for problem in problems:
        print(f"Warning: {problem}")
    return 0


def doctor_command(as_json: bool) -> int:
    """Check this machine, a line a check; returns 0, or 1 if something fails.

    With ``as_json`` a list of objects: ``check``, ``state`` ("ok", "warn" or "fail"), ``found``, ``fix`` ("" if none).
    """
    findings = []
    for finding in examine(CHECKS):
        findings.append(finding)
        if not as_json:
            print(line(finding), flush=True)
    failed = sum(finding.state == "fail" for finding in findings)
    if as_json:
        print(json.dumps([finding._asdict() for finding in findings], indent=2))
    else:
        warned = sum(finding.state == "warn" for finding in findings)
        print(f"{len(findings) - warned - failed} ok, {warned} warn, {failed} fail")
    return 1 if failed else 0


def line(finding: Finding) -> str:
    """A finding for people."""
    return f"{finding.state:<4}  {finding.check}: {finding.found}" + (f"; {finding.fix}" if finding.fix else "")


def examine(checks: Iterable[Check]) -> Iterator[Finding]:
    """What each check finds, as it comes. A check that raises, or does not end in time, has failed."""
    for check in checks:
        found: queue.SimpleQueue[Finding | None] = queue.SimpleQueue()
        threading.Thread(target=_look, args=(check, found), name=check.name, daemon=True).start()
        end = time.monotonic() + check.limit_s
        while True:
            try:
                finding = found.get(timeout=min(max(end - time.monotonic(), 0.0), SLICE_S))
            except queue.Empty:
                if time.monotonic() < end:
                    continue
                yield Finding(check.name, "fail", f"no end within {check.limit_s:g} s", "something it asks hangs")
                break
            if finding is None:
                break
            yield finding


def _look(check: Check, found: "queue.SimpleQueue[Finding | None]") -> None:
    try:
        for finding in check.look():
            found.put(finding)
    except LivecomposerError as error:
        found.put(said(check.name, "fail", str(error)))
    except BaseException as error:  # whatever it is, the other checks go on
        found.put(Finding(check.name, "fail", f"{type(error).__name__}: {error}", "please report this"))
    found.put(None)
