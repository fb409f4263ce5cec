"""Files that are there whole or not at all. Tastes, models, profiles and tables are written by it."""

import os
from pathlib import Path


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
