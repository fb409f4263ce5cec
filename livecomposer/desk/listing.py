"""What is plugged in: ports with their profiles and the choice of ``play``, for people and for programs.

Plain functions on names and profiles, called by ``livecomposer ports`` and by the checks of ``livecomposer doctor``.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from livecomposer.errors import PortError
from livecomposer.midi import ports
from livecomposer.midi.profiles import Profile, is_daw_port, match_profile
from livecomposer.settings import Settings


def survey(
    settings: Settings, names: tuple[Sequence[str], Sequence[str]], profiles: Sequence[Profile]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]], list[str]]:
    """Inputs and outputs as ``livecomposer ports --json`` shows them, and why one could not be chosen.

    Each port is a dict of ``name``, ``profile`` (its name, or None), ``kind`` (the profile's, or None), ``port``
    ("keys" or "daw") and ``chosen``.
    """
    problems = []
    chosen_in = chosen_out = None
    try:
        if settings.midi_in or not settings.virtual:
            chosen_in = (ports.choose_input(names[0], settings.midi_in, profiles) or (None,))[0]
    except PortError as error:
        problems.append(str(error))
    try:
        if settings.midi_out or not settings.virtual:
            chosen_out = ports.choose_output(names[1], settings.midi_out, profiles, chosen_in)
    except PortError as error:
        problems.append(str(error))
    inputs = [_port(name, match_profile(name, profiles), profiles, name == chosen_in) for name in names[0]]
    outputs = [_port(name, _output_profile(name, profiles), profiles, name == chosen_out) for name in names[1]]
    return inputs, outputs, problems


def listing(
    settings: Settings, label: str, inputs: Iterable[dict[str, Any]], outputs: Iterable[dict[str, Any]]
) -> Iterator[str]:
    """The lines of ``livecomposer ports``."""
    yield f"MIDI system: {label}"
    keys = "the computer keys" + (" and the virtual player" if settings.player in ("auto", "virtual") else "")
    sound = "the built-in sound" if settings.sound != "off" else "nothing"
    for what, found, pattern, own, instead in (
        ("In", list(inputs), settings.midi_in, ports.IN_NAME, keys),
        ("Out", list(outputs), settings.midi_out, ports.OUT_NAME, sound),
    ):
        yield f"{what}:"
        for port in found:
            device = f"{port['profile']} ({port['kind']})" if port["profile"] else "no profile"
            daw = ", the port for a DAW: no keys here" if port["port"] == "daw" else ""
            yield f'{"*" if port["chosen"] else " "} "{port["name"]}"  {device}{daw}'
        if not found:
            yield "  none"
        if any(port["chosen"] for port in found):
            yield "  (* is what `livecomposer play` takes)"
        elif pattern:
            yield f'  `livecomposer play` cannot choose: "{pattern}" does not name one'
        else:
            taken = f'its virtual port "{own}"' if settings.virtual else instead
            yield f"  `livecomposer play` takes {taken}"


def _output_profile(name: str, profiles: Sequence[Profile]) -> Profile | None:
    """A synth's profile, else that of the controller whose lights and screen listen there."""
    found = match_profile(name, profiles, output=True)
    if found is None:
        found = match_profile(name, [profile for profile in profiles if not profile.generic])
    return found


def _port(name: str, profile: Profile | None, profiles: Sequence[Profile], chosen: bool) -> dict[str, Any]:
    daw = is_daw_port(name, profiles)
    if daw and (profile is None or profile.generic):
        profile = next((p for p in profiles if is_daw_port(name, [p])), profile)
    return {
        "name": name,
        "profile": profile.name if profile is not None else None,
        "kind": profile.kind if profile is not None else None,
        "port": "daw" if daw else "keys",
        "chosen": chosen,
    }
