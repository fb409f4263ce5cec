"""livecomposer: a MIDI instrument that plays with you and learns from your ratings while you play.

The names below are imported on first use only: desk, studio and the built-in sound must start without numba.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from livecomposer.instrument.performance import Performance
    from livecomposer.settings import Settings

__version__ = "0.1.0"
__all__ = ["Performance", "Settings"]

_HOMES = {"Performance": "livecomposer.instrument.performance", "Settings": "livecomposer.settings"}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        from importlib import import_module

        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'livecomposer' has no attribute {name!r}")
