"""The model file: ``.npz`` with a JSON ``meta`` inside it (kind, version, agent, layout), never a pickle.

Snapshots, tastes and priors are such files. Numba-free.
"""

import io
import json
import struct
import zipfile
import zlib
from typing import Any

import numpy as np

from livecomposer.errors import ForeignTaste, TasteError

VERSION = 1
# what zipfile, zlib, json and numpy raise on bytes that are not what they seem
_DAMAGE = (
    ValueError, KeyError, TypeError, OSError, EOFError, RuntimeError, MemoryError, SyntaxError, struct.error,
    zipfile.BadZipFile, zlib.error,
)  # fmt: skip


def pack(arrays: dict[str, np.ndarray], meta: dict[str, Any]) -> bytes:
    """The bytes of a model file."""
    out = io.BytesIO()
    text = np.frombuffer(json.dumps({"version": VERSION, **meta}).encode(), dtype=np.uint8)
    np.savez_compressed(out, meta=text, **arrays)  # type: ignore[arg-type]  # savez's stub takes a flag where names go
    return out.getvalue()


def unpack(data: bytes, where: str = "the snapshot") -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Arrays and meta of a model file. Raises TasteError if it is damaged, ForeignTaste if from a newer version."""
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        meta = json.loads(arrays.pop("meta").tobytes())
        version = int(meta["version"])
    except _DAMAGE:
        raise TasteError(f"{where} is damaged or no file of livecomposer; it has not been used or changed") from None
    if version > VERSION:
        raise ForeignTaste(f"{where} was written by a newer livecomposer (version {version}); update to use it")
    return arrays, meta
