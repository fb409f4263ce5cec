"""What is plugged into what, decided once at start, and said in words.

Called by ``app`` before anything is opened; raises what a person can mend.
"""

import os
import random
import shutil
import sys
import tempfile
import time
import zlib
from pathlib import Path
from typing import NamedTuple

from livecomposer.errors import PortError, StoreError
from livecomposer.midi import ports
from livecomposer.midi.profiles import Profile
from livecomposer.settings import Settings

FOLDERS = 4  # of compiled kernels (about 31 MB each) that are kept,
RECENT_S = 86_400.0  # and those used so lately: another livecomposer may be using one


class Plan(NamedTuple):
    """The wiring of a run; ``lines`` say it to the player."""

    settings: Settings
    system: ports.System | None
    midi_in: str | None
    midi_out: str | None
    virtual_in: bool
    virtual_out: bool
    profile: Profile | None
    sound: bool
    virtual_player: bool
    kernels_ready: bool
    lines: list[str]


def choose(settings: Settings, profiles: list[Profile]) -> Plan:
    """Ports, profile, sound and player for these settings. Raises PortError, PortNotFound, StoreError."""
    lines: list[str] = []
    system = None
    asked = bool(settings.midi_in or settings.midi_out or settings.api or settings.virtual)
    try:
        system = ports.find_system(settings.api)
        inputs, outputs = ports.list_ports(system)
    except PortError as error:
        if asked:
            raise
        lines.append(f"{str(error)[:1].upper()}{str(error)[1:]}.")
        inputs, outputs = [], []
    virtual_in = settings.virtual and not settings.midi_in
    virtual_out = settings.virtual and not settings.midi_out
    chosen = None
    if not virtual_in:
        chosen = ports.choose_input(inputs, settings.midi_in, profiles)
    midi_in, profile = chosen or (None, None)
    midi_out = None
    if not virtual_out:
        midi_out = ports.choose_output(outputs, settings.midi_out, profiles, midi_in)
    if profile is None:
        profile = next((p for p in profiles if p.kind == "keyboard" and p.generic), None)

    has_out = virtual_out or midi_out is not None
    sound = settings.sound == "on" or (settings.sound == "auto" and not has_out)
    has_in = virtual_in or midi_in is not None
    virtual_player = settings.player == "virtual" or (settings.player == "auto" and not has_in)
    thru = settings.thru
    if thru == "auto":
        same = midi_in is not None and midi_out is not None and ports.same_device(midi_in, midi_out)
        thru = "off" if same else "on"
    seed = settings.seed if settings.seed >= 0 else random.SystemRandom().randrange(2**31)

    mapped = f" ({profile.name})" if profile is not None and midi_in is not None else ""
    if virtual_in:
        lines.append(f'In: virtual port "{ports.IN_NAME}"')
    elif midi_in:
        lines.append(f'In: "{midi_in}"{mapped}')
    else:
        lines.append("In: no MIDI keyboard found; play on the computer keys a w s e d f t g y h u j k")
    if virtual_player:
        lines.append("A virtual player comes in when all is ready, and plays until you do.")
    if virtual_out:
        lines.append(f'Out: virtual port "{ports.OUT_NAME}"')
    elif midi_out:
        lines.append(f'Out: "{midi_out}"' + (", thru off: the keyboard sounds by itself" if thru == "off" else ""))
    if sound and has_out:
        lines.append("Out: the built-in sound as well")
    elif sound:
        lines.append("Out: the built-in sound")
    elif not has_out:
        lines.append("Out: nothing (no synth, and the built-in sound is off)")
    return Plan(
        settings.with_(thru=thru, seed=seed), system, midi_in, midi_out, virtual_in, virtual_out, profile, sound,
        virtual_player, prepare_cache() and kernels_made(settings.agent), lines,
    )  # fmt: skip


def _kernels() -> int:
    """A number that changes with the sources of the kernels: numba does not see that a callee in another file has."""
    package = Path(__file__).parent.parent
    crc = 0
    for folder in ("music", "agents", "ratings"):
        for path in sorted((package / folder).glob("*.py")):
            crc = zlib.crc32(path.read_bytes(), crc)
    return crc


def prepare_cache() -> bool:
    """Give numba a folder it can write to (an installed package may be read-only), before any child imports it.

    Returns whether kernels have been compiled there already. Raises StoreError if there is nowhere to write.
    """
    import platformdirs

    from livecomposer import __version__

    if "NUMBA_CACHE_DIR" not in os.environ:
        tail = f"numba-{__version__}-{_kernels():08x}-py{sys.version_info[0]}{sys.version_info[1]}"
        usual = Path(platformdirs.user_cache_dir("livecomposer", appauthor=False)) / tail
        # The user's number in the name: what lies in a cache is run, so nobody else's folder will do.
        spare = Path(tempfile.gettempdir()) / f"livecomposer-{os.getuid() if hasattr(os, 'getuid') else 0}-{tail}"
        folder = next((path for path in (usual, spare) if _is_ours(path)), None)
        if folder is None:
            raise StoreError(
                f"compiled kernels cannot be kept in {usual} nor in {spare}; "
                "make one of them writable, or set NUMBA_CACHE_DIR to a folder that is"
            )
        os.environ["NUMBA_CACHE_DIR"] = str(folder)
        os.utime(folder)
        _tidy(folder)
    return any(Path(os.environ["NUMBA_CACHE_DIR"]).rglob("*.nbi"))


def kernels_made(what: str) -> bool:
    """Whether all kernels of ``what`` (an agent, or "practice" and an agent) have been compiled by these sources."""
    return _mark(what).exists()


def note_kernels(what: str) -> None:
    """All kernels of ``what`` have been compiled now."""
    try:
        _mark(what).touch()
    except OSError:  # then it is said once more next time
        pass


def _mark(what: str) -> Path:
    return Path(os.environ["NUMBA_CACHE_DIR"]) / f"made-{_kernels():08x}-{what}"


def _tidy(folder: Path) -> None:
    """Remove the kernels of versions that have not been used for long, beside ``folder``."""
    try:
        others = sorted(
            ((path.stat().st_mtime, path) for path in folder.parent.glob("numba-*") if path != folder), reverse=True
        )
    except OSError:  # somebody else is tidying up
        return
    for used, path in others[FOLDERS - 1 :]:
        if time.time() - used > RECENT_S:
            shutil.rmtree(path, ignore_errors=True)


def _is_ours(folder: Path) -> bool:
    """Whether the folder is there (made, if need be), can be written, and belongs to this user."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return not hasattr(os, "getuid") or folder.stat().st_uid == os.getuid()
    except OSError:
        return False
