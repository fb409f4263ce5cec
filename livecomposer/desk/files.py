"""Where what has been learnt is kept: one file per name, replaced whole, never overwritten by something worse.

Owned by desk's main thread; the bytes come from the shared snapshot.
"""

import os
import time
from pathlib import Path

from livecomposer.errors import SettingsError, StoreError, TasteError
from livecomposer.instrument.snapshot import unpack

LONGEST = 200  # bytes of a name: file systems take 255, and what is set aside gets a longer one
ASIDE = ".unused-"  # in the name of a file that was set aside


def taste_path(folder: Path, name: str) -> Path:
    """The file of a name. Raises SettingsError if the name cannot be one."""
    odd = name != name.strip() or not name.isprintable() or any(c in name for c in '/\\:*?"<>|')
    long = len(os.fsencode(name)) > LONGEST and ASIDE not in name
    if not name or odd or long or name.startswith(".") or name.endswith("."):
        shown = name if name.isprintable() else ascii(name)[1:-1]
        raise SettingsError(f'taste = "{shown}" cannot be a file name; use letters, digits, spaces, - and _')
    return folder / "tastes" / f"{name}.npz"


def load_taste(path: Path) -> tuple[bytes | None, str]:
    """(the file's bytes, or None to begin anew; a sentence for the player, or "").

    A damaged file is set aside beside itself, not used and not lost.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None, ""
    except OSError as error:
        raise StoreError(
            f"{path} cannot be read ({error.strerror}); mend its rights or choose another --taste"
        ) from None
    try:
        unpack(data, str(path))
        return data, ""
    except TasteError as error:
        return None, f"{error}; it now lies in {set_aside(path).name}, and this run begins anew"


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
        if not folder.is_dir() or not os.access(folder, os.W_OK) or Path(path).is_dir():
            raise StoreError(f"{path} cannot be written: {folder} is no folder that can be written to; name another")


def save_taste(path: Path, data: bytes) -> None:
    """Write a taste whole. Raises StoreError; the old file then still stands."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, data)
    except OSError as error:
        raise StoreError(
            f"what is being learnt cannot be saved to {path} ({error.strerror}); "
            "set LIVECOMPOSER_HOME to a folder that can be written"
        ) from None


def write_whole(path: Path, data: bytes) -> None:
    """Write a file all or not at all: a new one beside it, then one rename. Raises OSError."""
    new = path.with_name(f"{path.name}.new")
    try:
        with open(new, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(new, path)
    except OSError:
        try:
            new.unlink(missing_ok=True)  # half a file helps nobody
        except OSError:
            pass
        raise


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
