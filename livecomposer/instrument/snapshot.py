"""What has been learnt, as bytes: the model file's format, and a double buffer in shared memory that desk saves from.

The loop refreshes the shared copy after a rating (one memcpy, tens of µs, in its slack); desk writes it to disk.
Numba-free.
"""

import json
import struct
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from livecomposer.agents.model import pack, unpack
from livecomposer.errors import SettingsError, TasteError

_HEAD = struct.Struct("<QIII")  # number of the copy, its half, bytes, crc
_HALVES_AT = 4096  # behind the header: number, and the JSON that names the arrays


class Stateful(Protocol):
    """The part of an agent that a file needs."""

    spec: Any

    def state(self) -> dict[str, np.ndarray]:
        """Named arrays."""

    def load(self, state: dict[str, np.ndarray]) -> None:
        """Take them back."""


def layout_of(agents: Sequence[Stateful]) -> int:
    """A number that changes whenever states, actions or arrays of the heads do."""
    text = ";".join(
        f"{a.spec.name},{a.spec.n_states},{a.spec.n_features},{a.spec.n_actions},"
        + ",".join(f"{name}{array.shape}{array.dtype}" for name, array in a.state().items())
        for a in agents
    )
    return zlib.crc32(text.encode())


def arrays_of(agents: Sequence[Stateful]) -> dict[str, np.ndarray]:
    """All agents' arrays by ``head.name``."""
    return {f"{a.spec.name}.{name}": array for a in agents for name, array in a.state().items()}


def pack_agents(agent: str, agents: Sequence[Stateful]) -> bytes:
    """The model file of these agents."""
    return pack(arrays_of(agents), {"kind": "model", "agent": agent, "layout": layout_of(agents)})


def unpack_agents(data: bytes, agent: str, agents: Sequence[Stateful], where: str = "the snapshot") -> None:
    """Load a model file into agents. Raises TasteError if it is for others."""
    arrays, meta = unpack(data, where)
    if meta.get("agent") != agent:
        raise TasteError(f"{where} was learnt by agent {meta.get('agent')!r}, not {agent!r}; choose that agent")
    if meta.get("layout") != layout_of(agents):
        raise TasteError(f"{where} has another layout of heads than this version; it has not been used or changed")
    wanted = {name: (array.shape, array.dtype) for name, array in arrays_of(agents).items()}
    if wanted != {name: (array.shape, array.dtype) for name, array in arrays.items()}:
        raise TasteError(f"{where} does not hold the arrays that it names; it has not been used or changed")
    if not all(np.isfinite(array).all() for array in arrays.values()):
        raise TasteError(f"{where} holds numbers that are not finite; it has not been used or changed")
    for a in agents:
        a.load({name: arrays[f"{a.spec.name}.{name}"] for name in a.state()})


def load_model(path: str, agent: str, agents: Sequence[Stateful]) -> None:
    """Load a file of ``practice --agent``. Raises SettingsError if it cannot be read, TasteError if it is another's."""
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise SettingsError(f"model = {path!r} cannot be read ({error.strerror}); practise first") from None
    unpack_agents(data, agent, agents, f"model {path!r}")


class SharedSnapshot:
    """A double buffer: the writer (loop) fills the half not in use, then flips one number; the reader checks a CRC.

    Parameters
    ----------
    buffer : memoryview
        ``size_of(n)`` bytes, zeroed by whoever created it.
    """

    def __init__(self, buffer: memoryview) -> None:
        self._buffer = buffer
        self._number = _HEAD.unpack_from(buffer, 0)[0]  # a restarted instrument counts on

    @staticmethod
    def size_of(n_bytes: int) -> int:
        """Shared memory needed for a state of ``n_bytes``."""
        return _HALVES_AT + 2 * n_bytes

    def describe(self, arrays: dict[str, np.ndarray], meta: dict[str, Any]) -> None:
        """Say once, before any ``write``, what the bytes will be."""
        rows = [[name, str(array.dtype), list(array.shape)] for name, array in arrays.items()]
        text = json.dumps({"arrays": rows, "meta": meta}).encode()
        struct.pack_into("<I", self._buffer, 32, len(text))
        self._buffer[36 : 36 + len(text)] = text

    def write(self, arrays: dict[str, np.ndarray]) -> None:
        """Copy the arrays. Slack; one writer."""
        number = self._number + 1
        half = (len(self._buffer) - _HALVES_AT) // 2
        start = _HALVES_AT + (number & 1) * half
        at = start
        for array in arrays.values():
            raw = array.reshape(-1).view(np.uint8).data
            self._buffer[at : at + len(raw)] = raw
            at += len(raw)
        crc = zlib.crc32(self._buffer[start:at])
        _HEAD.pack_into(self._buffer, 0, number, number & 1, at - start, crc)
        self._number = number

    def read(self, after: int = 0) -> tuple[int, bytes] | None:
        """(number, model file) of a whole copy newer than number ``after``, or None. Any process."""
        number, side, size, crc = _HEAD.unpack_from(self._buffer, 0)
        if number <= after:
            return None
        half = (len(self._buffer) - _HALVES_AT) // 2
        start = _HALVES_AT + side * half
        raw = bytes(self._buffer[start : start + size])
        if zlib.crc32(raw) != crc:
            return None  # being rewritten: the next look finds it
        length = struct.unpack_from("<I", self._buffer, 32)[0]
        described = json.loads(bytes(self._buffer[36 : 36 + length]))
        arrays, at = {}, 0
        for name, dtype, shape in described["arrays"]:
            count = int(np.prod(shape))
            array = np.frombuffer(raw, dtype=dtype, count=count, offset=at).reshape(shape)
            arrays[name] = array
            at += array.nbytes
        return number, pack(arrays, described["meta"])
