"""Connects our JACK ports to the loudspeakers, and tells when the server has ended, through libjack's C interface.

Called by :mod:`livecomposer.synth.sound` while it opens, and by :mod:`livecomposer.desk.watch` in its child. The
connecting is what SignalFlow 0.6 leaves undone: its audio layer asks for the connections before its client is active,
jackd refuses ("owned by inactive clients"), and nothing is heard.
"""

import ctypes
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

OURS = "^miniaudio"  # the name SignalFlow's audio layer gives its client
AUDIO = b"32 bit float mono audio"
INPUT, OUTPUT, PHYSICAL = 1, 2, 4  # JackPortFlags
NO_START_SERVER = 1  # JackOptions
LIBRARIES = {"darwin": "libjack.0.dylib", "win32": "libjack64.dll"}


@contextmanager
def server_end() -> Iterator[threading.Event | None]:
    """An event that is set when the server ends, or None where there is no library or no server."""
    with _client(b"livecomposer-end") as opened:
        if opened is None:
            yield None
            return
        library, client = opened
        ended = threading.Event()
        told = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(lambda _: ended.set())
        library.jack_on_shutdown.argtypes = [ctypes.c_void_p, type(told), ctypes.c_void_p]
        library.jack_on_shutdown.restype = None
        library.jack_on_shutdown(client, told, None)
        yield ended


@contextmanager
def _client(name: bytes = b"livecomposer-wiring") -> Iterator[tuple[Any, ctypes.c_void_p] | None]:
    """libjack and an inactive client of its own, or None where there is no library or no server."""
    try:
        library = ctypes.CDLL(LIBRARIES.get(sys.platform, "libjack.so.0"))
    except OSError:
        yield None
        return
    library.jack_client_open.restype = ctypes.c_void_p
    library.jack_client_open.argtypes = [ctypes.c_char_p, ctypes.c_int, ctypes.c_void_p]
    library.jack_client_close.argtypes = [ctypes.c_void_p]
    library.jack_get_ports.restype = ctypes.POINTER(ctypes.c_char_p)
    library.jack_get_ports.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_ulong]
    library.jack_free.argtypes = [ctypes.c_void_p]
    library.jack_port_by_name.restype = ctypes.c_void_p
    library.jack_port_by_name.argtypes = [ctypes.c_void_p, ctypes.c_char_p]
    library.jack_port_connected.argtypes = [ctypes.c_void_p]
    library.jack_connect.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_char_p]
    handle = library.jack_client_open(name, NO_START_SERVER, None)
    if not handle:
        yield None
        return
    try:
        yield library, ctypes.c_void_p(handle)
    finally:
        library.jack_client_close(handle)


def _ports(library: Any, client: ctypes.c_void_p, pattern: str, flags: int) -> list[bytes]:
    found = library.jack_get_ports(client, pattern.encode(), AUDIO, flags)
    names: list[bytes] = []
    if found:
        while found[len(names)] is not None:
            names.append(found[len(names)])
        library.jack_free(found)
    return names


def outputs() -> frozenset[bytes]:
    """The ports of every client named as ours will be: look before opening, so as to know ours afterwards."""
    with _client() as opened:
        return frozenset(_ports(*opened, OURS, OUTPUT)) if opened else frozenset()


def connect(before: frozenset[bytes]) -> int:
    """Connect the ports that were not there ``before`` to the first physical ones; returns how many are connected.

    A port that somebody else (a session manager, a later SignalFlow) has connected is left as it is.
    """
    with _client() as opened:
        if opened is None:
            return 0
        library, client = opened
        ours = [name for name in _ports(library, client, OURS, OUTPUT) if name not in before]
        speakers = _ports(library, client, "", INPUT | PHYSICAL)
        done = 0
        for source, target in zip(ours, speakers, strict=False):
            port = library.jack_port_by_name(client, source)
            if library.jack_port_connected(port) or library.jack_connect(client, source, target) == 0:
                done += 1
        return done
