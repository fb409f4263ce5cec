"""``livecomposer tastes``: the tastes in the user folder listed, copied, renamed, set aside, written out, taken in.

Called by ``cli``. What a taste has learnt is told by ``desk.portrait``, and tried on the player by ``desk.blind``.
"""

import difflib
import json
import os
import shlex
import time
from argparse import Namespace
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from livecomposer.desk.files import ASIDE, aside_of, save_taste, set_aside, taste_files, taste_path
from livecomposer.desk.lock import Lock
from livecomposer.errors import SettingsError, StoreError, TasteError
from livecomposer.instrument.snapshot import unpack, unpack_agents
from livecomposer.settings import Settings, collect, user_dir
from livecomposer.whole import write_whole

if TYPE_CHECKING:  # they load numba, and desk starts without it
    from livecomposer.ratings.taste import Taste

COUNTS = ("ratings", "likes", "dislikes", "pairs")


class Known(NamedTuple):
    """What is in a file that can be used. ``taste`` is None where an agent learnt without one."""

    name: str
    data: bytes
    agent: str
    taste: "Taste | None"

    @property
    def values(self) -> np.ndarray:
        """The ratings that are remembered, float64[n] in -1..1; answers to pairs are none."""
        if self.taste is None:
            return np.zeros(0)
        return self.taste.state()["y"][: self.taste.n][~self.taste.compared]

    @property
    def counts(self) -> dict[str, int | None]:
        """``COUNTS``; None where none are remembered one by one."""
        if self.taste is None:
            return dict.fromkeys(COUNTS)
        values = self.values
        found = (len(values), int((values > 0).sum()), int((values < 0).sum()), self.taste.n - len(values))
        return dict(zip(COUNTS, found, strict=True))


def tastes_command(args: Namespace) -> int:
    """Do what ``args.what`` says.

    Returns
    -------
    0, or 130 if Ctrl-C ended a blind test.

    Raises
    ------
    SettingsError, StoreError, TasteError, PortError
    """
    return _COMMANDS[args.what or "list"](args)


# ---- files ----------------------------------------------------------------------------------------------------------


def read(path: Path) -> bytes:
    """A file's bytes. Raises StoreError."""
    try:
        return path.read_bytes()
    except OSError as error:
        why = error.strerror or error
        raise StoreError(f"{path} cannot be read ({why}); mend its rights, or name another") from None


def understand(data: bytes, where: str, name: str = "") -> Known:
    """What a file holds, checked down to its numbers: whatever passes here can be played. Raises TasteError."""
    from livecomposer.agents.prior import load_prior
    from livecomposer.agents.registry import make_agents

    _, meta = unpack(data, where)
    if meta.get("kind") not in ("model", "taste"):
        kind = meta.get("kind", "model of some kind")
        raise TasteError(f"{where} is no taste but a {kind}; it has not been used or changed")
    agent = str(meta.get("agent"))
    prior = load_prior(settings().prior)
    try:
        agents, taste = make_agents(agent, 0, prior)
    except SettingsError:
        raise TasteError(
            f"{where} was learnt by agent {agent!r}, which this version has not; update to use it"
        ) from None
    unpack_agents(data, agent, [*agents, *([taste] if taste is not None else [])], where)
    return Known(name, data, agent, taste)


def settings() -> Settings:
    """The settings in force without flags: where the prior comes from, and which taste is played."""
    return collect({}, os.environ, user_dir(), Path.cwd())


def paths() -> list[Path]:
    """The files of all tastes, those that were set aside last."""
    return taste_files(user_dir())


def existing(name: str) -> Path:
    """The file of a taste that is there. Raises SettingsError naming the nearest that is."""
    path = taste_path(user_dir(), name)
    if os.path.isfile(path):
        return path
    names = [found.stem for found in paths()]
    close = difflib.get_close_matches(name, names, 1)
    if close:
        raise SettingsError(f'there is no taste "{name}"; did you mean "{close[0]}"?')
    there = f"there are: {', '.join(names)}" if names else "none has been learnt yet: play, and rate what you hear"
    raise SettingsError(f'there is no taste "{name}"; {there}')


def fresh(name: str, but: Path | None = None) -> Path:
    """The file of a taste that is to be, which may only be ``but`` in other letters. Raises SettingsError."""
    path = taste_path(user_dir(), name)
    if os.path.lexists(path) and not (but and but.name != path.name and os.path.samefile(but, path)):
        raise SettingsError(
            f'there is a taste "{name}" already; choose another name, or reset or rename that one first'
        )
    return path


def keep_time(path: Path, like: Path) -> None:
    """Give a copy the time of its original, which says when it was rated last."""
    try:
        times = like.stat()
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    except OSError:
        pass


def known(name: str) -> Known:
    """A taste that is there and can be used. Raises SettingsError, StoreError, TasteError."""
    path = existing(name)
    return understand(read(path), str(path), name)


# ---- the commands ---------------------------------------------------------------------------------------------------


def _list(args: Namespace) -> int:
    rows = [_row(path) for path in paths()]
    folder = user_dir() / "tastes"
    if args.json:
        print(json.dumps({"folder": str(folder), "tastes": rows}))
        return 0
    if not rows:
        print(f"No tastes in {folder} yet: play, and rate what you hear.")
        return 0
    print(f"Tastes in {folder}:")
    chosen = settings().taste
    table = [["", "name", "agent", *COUNTS, "last rated", "size"]]
    for row in rows:
        if not row["problem"] and not row["set_aside"]:
            counts = ["–" if row[key] is None else str(row[key]) for key in COUNTS]
            mark = "*" if row["name"] == chosen else ""
            table.append([mark, row["name"], row["agent"], *counts, row["last_rated"][:16].replace("T", " "),
                          f"{row['bytes'] / 1000:.0f} kB"])  # fmt: skip
    widths = [max(len(cells[i]) for cells in table) for i in range(len(table[0]))]
    for cells in table if len(table) > 1 else []:
        aligned = [cell.ljust(w) if i in (0, 1, 2, 7) else cell.rjust(w)
                   for i, (cell, w) in enumerate(zip(cells, widths, strict=True))]  # fmt: skip
        print(f"{aligned[0]:<1} {'  '.join(aligned[1:])}".rstrip())
    if any(cells[0] for cells in table):
        print("(* is what `livecomposer play` plays to, unless --taste names another)")
    for row in rows:
        if row["problem"] and not row["set_aside"]:
            print(f"! {row['problem']}")
    if aside := [row["name"] for row in rows if row["set_aside"]]:
        print(f"Set aside (`livecomposer tastes rename OLD NEW` takes one back): {', '.join(aside)}")
    return 0


def _row(path: Path) -> dict[str, Any]:
    """One taste as ``tastes --json`` shows it."""
    row: dict[str, Any] = {
        "name": path.stem, "agent": None, **dict.fromkeys(COUNTS), "last_rated": None, "bytes": None,
        "set_aside": ASIDE in path.name, "problem": None,
    }  # fmt: skip
    try:
        data = read(path)
        times = path.stat()
        row["last_rated"] = time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(times.st_mtime))
        row["bytes"] = times.st_size
        found = understand(data, path.name, path.stem)
        row |= {"agent": found.agent, **found.counts}
    except (StoreError, TasteError) as error:
        row["problem"] = str(error)
    except OSError as error:
        row["problem"] = f"{path.name} cannot be read ({error.strerror}); mend its rights"
    return row


def _explain(args: Namespace) -> int:
    from livecomposer.desk import portrait

    found = known(args.name)
    if found.taste is None:
        raise TasteError(
            f'"{args.name}" was learnt by agent {found.agent!r}, which keeps no reasons; '
            "only what dyna-q has learnt can be explained"
        )
    drawn = portrait.draw(found.name, found.taste)
    if args.plot:
        portrait.plot(drawn, Path(args.plot))
    if args.json:
        print(json.dumps(portrait.report(drawn)))
    else:
        for line in portrait.lines(drawn):
            print(line)
        if args.plot:
            print(f"\nDrawn in {args.plot}.")
    return 0


def _copy(args: Namespace) -> int:
    old = existing(args.old)
    new = fresh(args.new)
    data = read(old)
    understand(data, str(old))
    with Lock(new):
        save_taste(new, data)
        keep_time(new, old)
    print(f'Copied "{args.old}" to "{args.new}". To play it: livecomposer play --taste {shlex.quote(args.new)}')
    return 0


def _rename(args: Namespace) -> int:
    old = existing(args.old)
    new = fresh(args.new, old)
    with Lock(old), nullcontext() if old.name.lower() == new.name.lower() else Lock(new):
        try:
            os.replace(old, new)
        except OSError as error:
            raise StoreError(f"{old} cannot be renamed ({error.strerror}); make its folder writable") from None
    print(f'"{args.old}" is now called "{args.new}".')
    return 0


def _reset(args: Namespace) -> int:
    path = existing(args.name)
    with Lock(path):
        try:
            aside = set_aside(path)
        except StoreError:
            raise StoreError(f"{path} cannot be moved aside, so it stays as it is; make its folder writable") from None
    print(f'"{args.name}" begins anew. What it had learnt is kept in {aside}.')
    print(f"To get it back: {_back(aside, args.name)}")
    return 0


def _export(args: Namespace) -> int:
    path = existing(args.name)
    target = Path(args.file)
    data = read(path)
    understand(data, str(path))
    if os.path.isdir(target):
        raise SettingsError(f"file = {args.file!r} is a folder; name a file in it")
    if not os.path.isdir(target.absolute().parent):
        raise SettingsError(f"file = {args.file!r}: there is no folder {str(target.parent)!r}; make it first")
    if os.path.lexists(target) and not args.force:
        raise SettingsError(f"file = {args.file!r} is there already; name another, or replace it by --force")
    try:
        write_whole(target, data)
    except OSError as error:
        raise StoreError(f"{target} cannot be written ({error.strerror}); name another place") from None
    keep_time(target, path)
    print(f"Wrote {target}. To take it in elsewhere: livecomposer tastes import {shlex.quote(target.name)}")
    return 0


def _import(args: Namespace) -> int:
    source = Path(args.file)
    name = args.name or source.stem
    path = taste_path(user_dir(), name)
    if os.path.isdir(source):
        raise SettingsError(f"file = {args.file!r} is a folder; name a file in it that `tastes export` has written")
    if not os.path.isfile(source):
        raise SettingsError(f"file = {args.file!r}: there is no such file; name one that `tastes export` has written")
    data = read(source)
    found = understand(data, str(source), name)
    there = os.path.lexists(path)
    if there and not args.replace:
        raise SettingsError(f'there is a taste "{name}" already; choose another name for this one, or add --replace')
    aside = None
    with Lock(path):
        if there:  # a copy first: if anything fails, the old one stands where it stood
            aside = aside_of(path)
            save_taste(aside, read(path))
            keep_time(aside, path)
        save_taste(path, data)
        keep_time(path, source)
    n, pairs = found.counts["ratings"], found.counts["pairs"]
    of = "" if n is None else f" of {n} rating{'' if n == 1 else 's'}"
    of += f" and {pairs} pair{'' if pairs == 1 else 's'}" if pairs else ""
    print(f'Took in "{name}", a taste{of}. To play it: livecomposer play --taste {shlex.quote(name)}')
    if aside is not None:
        print(f"The one before is kept in {aside}.")
        print(f"To get it back: {_back(aside, f'{name} before')}")
    return 0


def _back(aside: Path, name: str) -> str:
    return f"livecomposer tastes rename {shlex.quote(aside.stem)} {shlex.quote(name)}"


def _test(args: Namespace) -> int:
    from livecomposer.desk import blind

    found = known(args.name)
    if found.taste is None:
        raise TasteError(
            f'"{args.name}" was learnt by agent {found.agent!r}; only what dyna-q has learnt can be tested'
        )
    return blind.blind_test(found.name, found.data, found.taste, settings().prior, args)


_COMMANDS: dict[str, Callable[[Namespace], int]] = {
    "list": _list, "explain": _explain, "copy": _copy, "rename": _rename, "reset": _reset, "export": _export,
    "import": _import, "test": _test,
}  # fmt: skip
