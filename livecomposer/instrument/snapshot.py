"""What has been learnt, as bytes: the model file's format, and a double buffer in shared memory that desk saves from.

The loop refreshes the shared copy after a rating (one memcpy, tens of µs, in its slack); desk writes it to disk. When
the loop goes on with another taste, a third copy keeps the one that it left, until the next change. Numba-free.
"""

import json
import struct
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from livecomposer.agents.model import pack, unpack
from livecomposer.errors import ForeignTaste, SettingsError, TasteError
from livecomposer.settings import AGENTS

_HEAD = struct.Struct("<QIIII")  # number of the copy, its part, bytes, crc, whose it is
_LEFT_AT = 32  # a second header: of the copy of the taste that was left last
_PARTS_AT = 64
_TEXT_BYTES = 4096  # room in each part for the JSON that names its arrays, behind its length
_LEFT = 2  # the part behind the two halves


class Stateful(Protocol):
    """The part of an agent that a file needs."""

    spec: Any

    def state(self) -> dict[str, np.ndarray]:
        """Named arrays."""

    def load(self, state: dict[str, np.ndarray]) -> None:
        """Take them back; raises TasteError, saying what it is, for what cannot be learnt."""

    def keep(self) -> Any:
        """All that it stands on, to come back to."""

    def restore(self, kept: Any) -> None:
        """Stand there again; cheap."""


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
    """Load a model file into agents.

    Raises
    ------
    ForeignTaste
        It is for another agent, layout or version.
    TasteError
        It is damaged, down to its numbers. What the agents then hold means nothing.
    """
    arrays, meta = unpack(data, where)
    if meta.get("agent") != agent:
        raise ForeignTaste(f"{where} was learnt by agent {meta.get('agent')!r}, not {agent!r}; choose that agent")
    if meta.get("layout") != layout_of(agents):
        raise ForeignTaste(f"{where} has another layout of heads than this version; it has not been used or changed")
    wanted = {name: (array.shape, array.dtype) for name, array in arrays_of(agents).items()}
    if wanted != {name: (array.shape, array.dtype) for name, array in arrays.items()}:
        raise TasteError(f"{where} does not hold the arrays that it names; it has not been used or changed")
    if not all(np.isfinite(array).all() for array in arrays.values()):
        raise TasteError(f"{where} holds numbers that are not finite; it has not been used or changed")
    try:
        for a in agents:
            a.load({name: arrays[f"{a.spec.name}.{name}"] for name in a.state()})
    except TasteError as error:
        raise TasteError(f"{where} holds {error}; it has not been used or changed") from None


def agent_of(data: bytes, where: str = "the snapshot") -> str:
    """The name of the agent that a model file is of. Raises TasteError, for one that is not known ForeignTaste."""
    agent = str(unpack(data, where)[1].get("agent"))
    if agent not in AGENTS:
        raise ForeignTaste(f"{where} was learnt by agent {agent!r}, which this version has not; update to use it")
    return agent


def load_model(path: str, agent: str, agents: Sequence[Stateful]) -> None:
    """Load a file of ``practice --agent``. Raises SettingsError if it cannot be read, TasteError if it is another's."""
    unpack_agents(read_model(path), agent, agents, f"model {path!r}")


def read_model(path: str) -> bytes:
    """Its bytes. Raises SettingsError."""
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise SettingsError(f"model = {path!r} cannot be read ({error.strerror}); practise first") from None


class SharedSnapshot:
    """A double buffer: the writer (loop) fills the half not in use, then flips one number; the reader checks a CRC.

    Parameters
    ----------
    buffer : memoryview
        ``size_of(n)`` bytes, zeroed by whoever created it.
    """

    def __init__(self, buffer: memoryview) -> None:
        self._buffer = buffer
        self._number = max(_HEAD.unpack_from(buffer, at)[0] for at in (0, _LEFT_AT))  # a restarted instrument counts on
        self._text = b""

    @staticmethod
    def size_of(n_bytes: int) -> int:
        """Shared memory needed for a state of ``n_bytes``."""
        return _PARTS_AT + 3 * (_TEXT_BYTES + n_bytes)

    def describe(self, arrays: dict[str, np.ndarray], meta: dict[str, Any]) -> None:
        """Say, before any ``write`` and whenever another agent plays, what the bytes will be."""
        rows = [[name, str(array.dtype), list(array.shape)] for name, array in arrays.items()]
        text = json.dumps({"arrays": rows, "meta": meta}).encode()
        self._text = len(text).to_bytes(4, "little") + text

    def write(self, arrays: dict[str, np.ndarray], whose: int = 0) -> None:
        """Copy the arrays of taste ``whose``. Slack; one writer."""
        self._copy(arrays, whose, 0, 1 - _HEAD.unpack_from(self._buffer, 0)[1])

    def leave(self, arrays: dict[str, np.ndarray], whose: int) -> None:
        """Copy the arrays of a taste that is being left: ``read_left`` finds it until another is."""
        self._copy(arrays, whose, _LEFT_AT, _LEFT)

    def read(self, after: int = 0, whose: int = 0) -> tuple[int, bytes] | None:
        """(number, model file) of a whole copy of taste ``whose`` newer than number ``after``, or None. Any process."""
        return self._found(0, after, whose)

    def read_left(self, whose: int) -> bytes | None:
        """The model file of taste ``whose`` as it was left, or None if it was not the last that was left."""
        found = self._found(_LEFT_AT, 0, whose)
        return found[1] if found else None

    def _copy(self, arrays: dict[str, np.ndarray], whose: int, head: int, part: int) -> None:
        start = self._start(part)
        at = start + len(self._text)
        self._buffer[start:at] = self._text
        for array in arrays.values():
            raw = array.reshape(-1).view(np.uint8).data
            self._buffer[at : at + len(raw)] = raw
            at += len(raw)
        crc = zlib.crc32(self._buffer[start:at], whose)
        self._number += 1
        _HEAD.pack_into(self._buffer, head, self._number, part, at - start, crc, whose)

    def _found(self, head: int, after: int, whose: int) -> tuple[int, bytes] | None:
        number, part, size, crc, owner = _HEAD.unpack_from(self._buffer, head)
        if number <= after or owner != whose:
            return None
        start = self._start(part)
        raw = bytes(self._buffer[start : start + size])
        if zlib.crc32(raw, whose) != crc:
            return None  # being rewritten: the next look finds it
        at = 4 + int.from_bytes(raw[:4], "little")
        described = json.loads(raw[4:at])
        arrays = {}
        for name, dtype, shape in described["arrays"]:
            count = int(np.prod(shape))
            array = np.frombuffer(raw, dtype=dtype, count=count, offset=at).reshape(shape)
            arrays[name] = array
            at += array.nbytes
        return number, pack(arrays, described["meta"])

    def _start(self, part: int) -> int:
        return _PARTS_AT + part * ((len(self._buffer) - _PARTS_AT) // 3)
