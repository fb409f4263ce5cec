"""Where what has been learnt is kept: one file per name, replaced whole, never overwritten by something worse.

Owned by desk's main thread; the bytes come from the shared snapshot.
"""

import errno
import os
import re
import time
from pathlib import Path

from livecomposer.errors import ForeignTaste, SettingsError, StoreError, TasteError
from livecomposer.instrument.snapshot import agent_of, read_model, unpack
from livecomposer.whole import write_whole

LONGEST = 200  # bytes of a name: file systems take 255, and what is set aside gets a longer one
ASIDE = ".unused-"  # in the name of a file that was set aside
FULL = (errno.ENOSPC, errno.EDQUOT)
_RESERVED = re.compile(r"(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(\..*)?", re.IGNORECASE)  # devices of Windows


def taste_path(folder: Path, name: str) -> Path:
    """The file of a name. Raises SettingsError if the name cannot be one."""
    odd = name != name.strip() or not name.isprintable() or any(c in name for c in '/\\:*?"<>|')
    long = len(os.fsencode(name)) > LONGEST + (40 if ASIDE in name else 0)
    if not name or odd or long or name.startswith(".") or name.endswith(".") or _RESERVED.fullmatch(name):
        shown = name if name.isprintable() else ascii(name)[1:-1]
        if long:
            raise SettingsError(f'taste = "{shown[:40]}…" is longer than {LONGEST} bytes; choose a shorter name')
        raise SettingsError(f'taste = "{shown}" cannot be a file name; use letters, digits, spaces, - and _')
    return folder / "tastes" / f"{name}.npz"


def taste_files(folder: Path) -> list[Path]:
    """The files of all tastes in order, those that were set aside last. Raises StoreError."""
    tastes = folder / "tastes"
    try:
        found = [path for path in tastes.iterdir() if path.suffix == ".npz" and path.is_file()]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise StoreError(
            f"{tastes} cannot be read ({error.strerror}); set LIVECOMPOSER_HOME to a folder that can"
        ) from None
    return sorted(found, key=lambda path: (ASIDE in path.name, path.name.lower(), path.name))


def read_taste(path: Path) -> bytes | None:
    """A file's bytes, None if there is none. Raises StoreError if it cannot be read, TasteError if it is damaged,
    ForeignTaste if a newer version has written it."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        if os.path.isdir(path):
            raise StoreError(f"{path} is a folder; move it away, or choose another --taste") from None
        raise StoreError(
            f"{path} cannot be read ({error.strerror}); mend its rights or choose another --taste"
        ) from None
    unpack(data, str(path))
    return data


def load_taste(path: Path) -> tuple[bytes | None, str]:
    """(the file's bytes, or None to begin anew; a sentence for the player, or "").

    A damaged file is set aside beside itself, not used and not lost. Raises StoreError, and ForeignTaste for one that a
    newer version has written.
    """
    try:
        return read_taste(path), ""
    except ForeignTaste:
        raise
    except TasteError as error:
        return None, f"{error}; it now lies in {set_aside(path).name}, and this run begins anew"


def model_agent(path: str) -> str:
    """The agent that a model of ``practice --agent`` is of, its file checked. Raises SettingsError, TasteError."""
    data = read_model(path)
    where = f"model {path!r}"
    meta = unpack(data, where)[1]
    if meta.get("kind") == "prior":
        raise SettingsError(f"{where} is a prior, not an agent's; play it with --prior")
    return agent_of(data, where)


def check_prior(name: str) -> None:
    """Raise SettingsError or TasteError if a prior that is a file cannot be one."""
    if name in ("shipped", "none"):
        return
    try:
        data = Path(name).read_bytes()
    except OSError as error:
        raise SettingsError(f"prior = {name!r} cannot be read ({error.strerror}); write shipped or none") from None
    meta = unpack(data, f"prior {name!r}")[1]
    if meta.get("kind") != "prior":
        whose = f" of agent {meta['agent']}; play it with --model" if "agent" in meta else "; write shipped or none"
        raise SettingsError(f"prior = {name!r} is no prior but a {meta.get('kind', 'file of some kind')}{whose}")


def set_aside(path: Path) -> Path:
    """Move a file out of the way of saving; returns where it went."""
    aside = aside_of(path)
    try:
        os.replace(path, aside)
    except OSError as error:
        raise StoreError(f"{path} cannot be moved aside ({error.strerror}); choose another --taste") from None
    return aside


def aside_of(path: Path) -> Path:
    """A name beside a file that no other file has, for what is set aside now."""
    stem = f"{path.stem}{ASIDE}{time.strftime('%Y%m%d-%H%M%S')}"
    aside = path.with_name(f"{stem}{path.suffix}")
    number = 1
    while os.path.lexists(aside):
        number += 1
        aside = path.with_name(f"{stem}-{number}{path.suffix}")
    return aside


def check_writable(path: str) -> None:
    """Raise StoreError now if a file asked for could not be written at the end ("": none is asked for)."""
    if path:
        folder = Path(path).absolute().parent
        if Path(path).is_dir():
            raise StoreError(f"{path} is a folder; name a file in it")
        if not folder.is_dir() or not os.access(folder, os.W_OK):
            raise StoreError(f"{path} cannot be written: {folder} is no folder that can be written to; name another")


def save_taste(path: Path, data: bytes) -> None:
    """Write a taste whole. Raises StoreError; the old file then still stands."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, data)
    except OSError as error:
        cure = "make room" if error.errno in FULL else "set LIVECOMPOSER_HOME to a folder that can be written"
        raise StoreError(f"what is being learnt cannot be saved to {path} ({error.strerror}); {cure}") from None


def log_crash(folder: Path, trace: str) -> str:
    """Keep a traceback for whoever mends it; returns "; see PATH", or "" if it cannot be written."""
    path = folder / "crash.log"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with open(path, "a", encoding="utf-8") as file:
            file.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')}\n{trace}\n")
    except OSError:
        return ""
    return f"; see {path}"
