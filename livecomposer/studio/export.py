"""A take taken out of the store: as MIDI file, as table, as what sounded.

The page's downloads and ``livecomposer export`` call it; any thread with a store of its own.
"""

import csv
import io
import os
from dataclasses import fields
from typing import Any

from livecomposer.errors import StoreError
from livecomposer.instrument.records import BY_RELEASE, OBEYED, SOURCES, unpack
from livecomposer.instrument.ring import Kind, Record
from livecomposer.midi.messages import is_channel_message
from livecomposer.settings import Settings
from livecomposer.studio.keeping import Kept
from livecomposer.studio.store import Store, Take

PARTS = ("player", "agent", "click", "release")
HEADS = ("rhythm", "melody", "harmony")
COLUMNS = (
    "t_s", "kind", "part", "message", "due_s", "head", "step", "action", "late", "value", "prior", "decided_ms",
    "sent_ms", "rating", "source", "weight", "phrase", "name", "text",
)  # fmt: skip
KEPT = (
    Kind.START, Kind.INPUT, Kind.OUTPUT, Kind.RATING, Kind.ANSWER, Kind.BEAT, *OBEYED, Kind.TASTE,
)  # fmt: skip


def settings_of(take: Take) -> Settings:
    """What a take was played with. Raises StoreError if its beginning is lost."""
    if take.settings is None:
        raise StoreError(f"take {take.id} has lost its beginning; there is nothing to write of it")
    known = {spec.name for spec in fields(Settings)}
    return Settings(**{name: value for name, value in take.settings["settings"].items() if name in known})


def played(store: Store, take: Take) -> Kept:
    """All that was played and rated in a take."""
    settings = settings_of(take)
    kept = Kept(settings, settings.thru != "off", take.start_ns)
    for record in store.records(take.id, KEPT):
        kept.take(record)
        kept.verdicts.obey(record)
    return kept


def write_mid(store: Store, take: Take, path: str | os.PathLike[str]) -> None:
    """Both parts as a standard MIDI file. Raises StoreError."""
    played(store, take).export(path)


def table(store: Store, take: Take) -> str:
    """Everything in a take as comma-separated values, one row an event; times in seconds from its beginning."""
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS, restval="", lineterminator="\n")
    writer.writeheader()
    for after, count, why in store.losses(take.id):
        writer.writerow({"kind": "loss", "value": count, "text": f"after record {after}: {why}"})
    for record in store.records(take.id):
        row = _row(record, take.start_ns)
        if row is not None:
            writer.writerow({"t_s": f"{(record.t_ns - take.start_ns) * 1e-9:.6f}", **row})
    return out.getvalue()


def roll(store: Store, take: Take) -> dict[str, Any]:
    """What the page draws of a take: ``notes`` as [start_s, length_s, note, velocity, part], ``ratings`` as
    [t_s, value or text], ``losses``, ``seconds``."""
    kept = played(store, take)
    notes: list[list[Any]] = []
    for part, events in enumerate((kept.player, kept.agent)):
        down: dict[tuple[int, int], list[Any]] = {}
        for t_s, msg in sorted(events, key=lambda event: event[0]):
            if not is_channel_message(msg) or msg[0] & 0xF0 not in (0x80, 0x90):
                continue
            key = (msg[0] & 15, msg[1])
            if key in down:
                begun = down.pop(key)
                begun[1] = round(t_s - begun[0], 4)
            if msg[0] & 0xF0 == 0x90 and msg[2]:
                down[key] = [round(t_s, 4), max(round(take.seconds - t_s, 4), 0.0), msg[1], msg[2], part]
                notes.append(down[key])
    return {
        "id": take.id, "title": take.title, "seconds": round(take.seconds, 3), "notes": notes,
        "ratings": [[round(t_s, 3), value] for t_s, value in kept.ratings],
        "losses": [{"count": count, "why": why} for _, count, why in store.losses(take.id)],
    }  # fmt: skip


def _row(record: Record, start_ns: int) -> dict[str, Any] | None:
    """The columns of one record; None for what only carries others on."""
    kind = Kind(record.kind) if record.kind in set(Kind) else None
    if kind in (None, Kind.CHUNK, Kind.SETTINGS, Kind.STATUS, Kind.CONTROLS):
        return None
    values = unpack(record)
    row: dict[str, Any] = {"kind": kind.name.lower()} if kind else {}
    if kind == Kind.INPUT:
        t_in, port, msg = values
        row |= {"due_s": _s(t_in, start_ns), "source": _source(port), "part": PARTS[0], "message": msg.hex(" ")}
    elif kind == Kind.OUTPUT:
        due, step, by, msg = values
        row |= {"due_s": _s(due, start_ns), "part": PARTS[min(by, BY_RELEASE)], "message": msg.hex(" ")}
        row |= {"step": step} if step >= 0 else {}
    elif kind == Kind.DECISION:
        head, late, action, step, t_in, decided, sent, value, prior = values
        row |= {
            "head": HEADS[head], "late": late, "action": action, "step": step, "value": f"{value:.6g}",
            "prior": f"{prior:.6g}", "due_s": _s(t_in, start_ns), "decided_ms": f"{(decided - t_in) * 1e-6:.4f}",
            "sent_ms": f"{(sent - t_in) * 1e-6:.4f}",
        }  # fmt: skip
    elif kind == Kind.RATING:
        t_pressed, number, source, value, phrase = values
        row |= {"due_s": _s(t_pressed, start_ns), "rating": number, "source": _source(source), "value": f"{value:+.6g}"}
        row |= {"phrase": phrase}
    elif kind == Kind.CREDIT:
        number, head, step, weight = values
        row |= {"rating": number, "head": HEADS[head], "step": step, "weight": f"{weight:.6g}"}
    elif kind == Kind.ANSWER:
        number, answer, first, second = values
        row |= {"rating": number, "value": answer, "text": f"phrases {first} and {second}"}
    elif kind in OBEYED:
        name, value = values
        row |= {"name": name, "value": "" if value is None else value}
    elif kind == Kind.BEAT:
        tick, tempo, tonic, phase, classes, role, flags = values
        row |= {"step": tick, "value": f"{tempo:.6g}", "text": f"{tonic} {classes:012b} {phase} {role} {flags}"}
    elif kind == Kind.PLAN:
        tick, ticks, note, added, first = values
        row |= {"step": tick, "value": note, "text": " ".join(map(str, (ticks, *added))), "late": int(first)}
    else:
        row |= {"text": " ".join(f"{v:.6g}" if isinstance(v, float) else str(v) for v in values)}
    return row


def _s(t_ns: int, start_ns: int) -> str:
    return f"{(t_ns - start_ns) * 1e-9:.6f}"


def _source(number: int) -> str:
    return SOURCES[number] if number < len(SOURCES) else str(number)
