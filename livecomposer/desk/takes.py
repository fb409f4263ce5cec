"""``livecomposer takes``, ``export`` and ``replay``: what has been recorded, listed, named, taken out, played again.

Called by ``cli``. The store is studio's; here it is read, and changed where a person asks for it.
"""

import json
import time
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import Any

from livecomposer.desk.crew import Sound, render
from livecomposer.desk.files import check_writable
from livecomposer.errors import PortError, StoreError
from livecomposer.instrument import ring
from livecomposer.instrument.records import CHANGED, unpack
from livecomposer.instrument.ring import Kind
from livecomposer.midi import ports
from livecomposer.midi.messages import release_messages
from livecomposer.settings import user_dir
from livecomposer.studio.export import played, table, write_mid
from livecomposer.studio.recorder import machine
from livecomposer.studio.store import FILE, Store, Take, open_there
from livecomposer.whole import write_whole

SAME, DIFFERS, ELSEWHERE = 0, 1, 3  # exit codes of --verify
FORMATS = ("mid", "wav", "csv")
AHEAD_S = 0.5
READY_S = 20.0
CLOSING_S = 0.05  # JACK sends in its next cycle


def _store() -> Store:
    return open_there(user_dir() / FILE)


# ---- takes ----------------------------------------------------------------------------------------------------------


def takes_command(args: Namespace) -> int:
    """Do what ``args.what`` says. Raises StoreError."""
    store = _store()
    try:
        what = args.what or "list"
        if what == "list":
            _list(store, args.json)
        elif what == "rename":
            store.rename(args.take, args.name)
            print(f'Take {args.take} is "{store.take(args.take).title}".')
        elif what in ("star", "unstar"):
            store.star(args.take, what == "star")
            print(f"Take {args.take} is {'marked with ★' if what == 'star' else 'not marked any more'}.")
        elif what == "delete":
            store.delete(args.take, time.time())
            print(f"Deleted take {args.take}; for 30 days `livecomposer takes undo` brings it back.")
        else:
            print(f"Take {store.bring_back()} is back.")
    finally:
        store.close()
    return 0


def _list(store: Store, as_json: bool) -> None:
    takes = store.takes()
    facts = [_facts(store, take) for take in takes]
    if as_json:
        print(json.dumps({"file": str(store.path), "takes": facts}))
        return
    if not takes:
        print("No takes. `livecomposer play` records whatever is played.")
        return
    rows = [("", "take", "length", "role", "player", "agent", "ratings", "liking", "")]
    for take, fact in zip(takes, facts, strict=True):
        liking = f"{take.liking:+.2f}" if take.liking is not None else "–"
        remarks = [] if take.ended else ["cut off"]
        remarks += [f"{fact['lost']} records lost"] if fact["lost"] else []
        rows.append((
            "★" if take.star else "", str(take.id), _clock(take.seconds), take.role, str(take.player),
            str(take.agent), str(take.ratings + take.pairs), liking, "; ".join([take.title, *remarks]),
        ))  # fmt: skip
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    left = (0, 3, 8)
    for row in rows:
        cells = [c.ljust(w) if i in left else c.rjust(w) for i, (c, w) in enumerate(zip(row, widths, strict=True))]
        print("  ".join(cells).rstrip())


def _facts(store: Store, take: Take) -> dict[str, Any]:
    return {
        "id": take.id, "name": take.name, "star": take.star, "began": take.began, "seconds": round(take.seconds, 3),
        "role": take.role, "player_notes": take.player, "agent_notes": take.agent, "ratings": take.ratings,
        "pairs": take.pairs, "liking": take.liking, "p50_ms": take.p50_ms, "p99_ms": take.p99_ms,
        "ended": take.ended, "lost": sum(count for _, count, _ in store.losses(take.id)),
    }  # fmt: skip


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


# ---- export ---------------------------------------------------------------------------------------------------------


def export_command(args: Namespace) -> int:
    """Write a take as the files asked for (none: as .mid beside where one stands). Raises StoreError."""
    store = _store()
    try:
        take = store.take(args.take)
        wanted: dict[str, str] = {kind: path for kind in FORMATS if (path := getattr(args, kind)) is not None}
        if not wanted:
            wanted = {"mid": ""}
        files = {kind: asked or f"take-{take.id}.{kind}" for kind, asked in wanted.items()}
        for path in files.values():
            check_writable(path)
            if Path(path).exists() and not args.force:
                raise StoreError(f"{path} is there already; name another file, or replace it by --force")
        code = 0
        for kind, path in files.items():
            if kind == "wav":
                code = code if render(played(store, take).sounded, path, print) else 2
                continue
            if kind == "mid":
                write_mid(store, take, path)
            else:
                try:
                    write_whole(Path(path), table(store, take).encode())
                except OSError as error:
                    raise StoreError(f"{path} cannot be written ({error.strerror}); name another file") from None
            print(f"Wrote {path}.")
        return code
    finally:
        store.close()


# ---- replay ---------------------------------------------------------------------------------------------------------


def replay_command(args: Namespace) -> int:
    """Play a take, or with ``args.verify`` check that it is what the instrument would play again.

    Returns
    -------
    0; 1 if a message differs; 3 if one does and the take is of another processor or another numba.
    """
    store = _store()
    try:
        take = store.take(args.take)
        return _verify(store, take, args.json) if args.verify else _play(store, take, args)
    finally:
        store.close()


def _verify(store: Store, take: Take, as_json: bool) -> int:
    from livecomposer.instrument.replay import verify

    losses = sum(count for _, count, _ in store.losses(take.id))
    if losses:
        raise StoreError(f"take {take.id} lacks {losses} records; only a whole one can be verified")
    if take.settings is None:
        raise StoreError(f"take {take.id} has lost its beginning; only a whole one can be verified")
    records = store.records(take.id)
    crc = take.settings["snapshot_crc"]
    snapshot = store.snapshot(crc) if crc else None
    changes = [unpack(record) for record in records if record.kind == Kind.TASTE]
    tastes = [data for what, _, crc, _ in changes if what == CHANGED and crc and (data := store.snapshot(crc))]
    compared, difference = verify(records, snapshot, tastes)
    elsewhere = {name: (was, now) for name, now in machine().items() if (was := take.machine.get(name)) != now}
    report = {
        "take": take.id, "compared": compared, "same": difference is None,
        "difference": None if difference is None else _told(difference), "elsewhere": sorted(elsewhere),
    }  # fmt: skip
    if as_json:
        print(json.dumps(report))
    elif difference is None:
        print(f"Take {take.id}: all {compared} messages are the same.")
    else:
        print(f"Take {take.id}: message {difference.number + 1} differs: {_words(difference)}.")
        for name, (was, now) in sorted(elsewhere.items()):
            print(f"  {name}: recorded with {was}, here {now}")
    return SAME if difference is None else ELSEWHERE if elsewhere else DIFFERS


def _told(difference: Any) -> dict[str, Any]:
    def one(message: tuple[int, int, int, bytes] | None) -> dict[str, Any] | None:
        if message is None:
            return None
        due, step, by, data = message
        return {"due_ns": due, "step": step, "by": by, "message": data.hex(" ")}

    number, recorded, replayed = difference
    return {"number": number, "recorded": one(recorded), "replayed": one(replayed)}


def _words(difference: Any) -> str:
    def one(message: tuple[int, int, int, bytes] | None) -> str:
        return "nothing" if message is None else f"{message[3].hex(' ')} due at {message[0]} ns"

    return f"recorded {one(difference.recorded)}, played again {one(difference.replayed)}"


def _play(store: Store, take: Take, args: Namespace) -> int:
    """What sounded in a take, on a MIDI output or through the built-in sound. Raises PortError where there is none."""
    events = sorted(played(store, take).sounded, key=lambda event: event[0])
    print(f'Take {take.id}, "{take.title}", {_clock(take.seconds)} long. Ctrl-C to stop.', flush=True)
    if args.midi_out is not None:
        system = ports.find_system(args.api or "")
        name = ports.choose_output(ports.list_ports(system)[1], args.midi_out, [])
        out = ports.open_output(system, name)
        try:
            _in_time(events, lambda due, msg: out.send_message(msg), 0.0)
        finally:
            for msg in release_messages(sorted({msg[0] & 15 for _, msg in events}), []):
                out.send_message(msg)
            time.sleep(CLOSING_S)
            ports.close_port(out)
        return 0
    memory = ring.create(1 << 14)
    assert memory.buf is not None
    writer = ring.RingWriter(memory.buf, 1 << 14)
    sound = Sound(memory, {})
    try:
        sound.start()
        end = time.monotonic() + READY_S
        while sound.said is None and time.monotonic() < end:
            sound.look()
            time.sleep(0.02)
        if sound.said is None or sound.said[0] != "ready":
            why = sound.said[1] if sound.said else "it does not start"
            raise PortError(f"take {take.id} cannot be heard here: {why}; `livecomposer export` writes it as a file")
        _in_time(events, lambda due, msg: writer.write(Kind.OUTPUT, due, msg), AHEAD_S)
        time.sleep(2 * AHEAD_S)
    finally:
        sound.stop()
        memory.close()
        memory.unlink()
    return 0


def _in_time(events: list[tuple[float, bytes]], send: Callable[[int, bytes], Any], ahead_s: float) -> None:
    """Send each message ``ahead_s`` before it is due."""
    start = time.perf_counter_ns() + int(AHEAD_S * 1e9)
    for t_s, msg in events:
        due = start + int(t_s * 1e9)
        while (wait := (due - time.perf_counter_ns()) * 1e-9 - ahead_s) > 0:
            time.sleep(wait)
        send(due, msg)
