"""One owner for a taste file: a lock of the operating system, which ends with the process that holds it.

Held by desk for a whole run, and by ``livecomposer tastes`` while it writes. The file beside the taste is only what the
lock is held on; a leftover one means nothing.
"""

import os
from pathlib import Path
from types import TracebackType
from typing import Any

from livecomposer.errors import StoreError


class Lock:
    """``take`` it, and ``release`` it in the end."""

    def __init__(self, path: Path) -> None:
        self.path = path.with_name(f"{path.name}.lock")
        self._file: Any = None

    def take(self) -> bool:
        """Whether it is ours now. Where none can be made (a folder that cannot be written, a file system without
        locks) nobody else has one either, and it counts as ours."""
        if self._file is not None:
            return True
        while True:
            try:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                file = open(self.path, "ab")  # noqa: SIM115 (it stays open as long as the lock is held)
            except OSError:
                return True
            try:
                _hold(file)
            except (BlockingIOError, PermissionError):
                file.close()
                return False
            except OSError:
                file.close()
                return True
            try:
                if os.path.samestat(os.fstat(file.fileno()), os.stat(self.path)):
                    self._file = file
                    return True
            except OSError:
                pass
            file.close()  # whoever had it has just removed it: the lock is on a file that nobody else will find

    def release(self) -> None:
        """Give it back, and the file with it."""
        file, self._file = self._file, None
        if file is None:
            return
        if os.name == "nt":  # where an open file cannot be removed
            file.close()
        try:
            self.path.unlink(missing_ok=True)
        except OSError:  # on Windows somebody else may have opened it already
            pass
        file.close()

    def __enter__(self) -> "Lock":
        if not self.take():
            name = self.path.name.removesuffix(".npz.lock")
            raise StoreError(f'"{name}" is being played by a livecomposer that is running; end that first')
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.release()


def _hold(file: Any) -> None:
    """Lock an open file without waiting. Raises BlockingIOError or PermissionError if somebody else has."""
    if os.name == "nt":
        import msvcrt

        file.seek(0)
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]  # Windows only
    else:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
