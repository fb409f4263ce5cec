"""The closed table of commands: what each may carry and what it does to a performance.

``Performance`` calls ``obey`` in the slack, whether the command came by key, page, MIDI control or program.
"""

from typing import TYPE_CHECKING

from livecomposer.errors import SettingsError
from livecomposer.instrument.records import ANSWERS, BY_RELEASE, COMMAND_TEXT_BYTES, COMMANDS, SOURCES
from livecomposer.midi.profiles import HOLD_ROLES, Control
from livecomposer.music.context import HARMONY, MELODY, RHYTHM
from livecomposer.music.theory import Key, next_key
from livecomposer.settings import ROLES, check

if TYPE_CHECKING:
    from livecomposer.instrument.performance import Performance

Value = float | str | None
# what one step of an endless encoder adds
KNOB_STEPS = {
    "tempo": 1.0,
    "level": 0.01,
    "adventure": 0.01,
    "outside": 0.01,
}

TAPPED = ("Tapped: a second tap sets the tempo.", "Tapped: that is the tempo now.")  # whether it has set it

# the head that ratings concern while it is held
ABOUT = {"about_rhythm": RHYTHM, "about_notes": MELODY, "about_chords": HARMONY}


def check_command(name: str, value: Value) -> None:
    """Raise SettingsError, in one sentence, unless ``name`` may carry ``value``."""
    if name not in COMMANDS:
        raise SettingsError(f"command {name!r} is not one of {', '.join(COMMANDS)}")
    if name in ("role", "key", "agent"):
        if value is not None:
            check(name, value)
            if len(str(value).encode()) > COMMAND_TEXT_BYTES:
                raise SettingsError(f"{name} = {value!r} is longer than {COMMAND_TEXT_BYTES} bytes; leave out spaces")
    elif name in ("tempo", "adventure", "outside"):
        check(name, value)
    elif name == "level":
        if isinstance(value, bool | str | None) or not 0.0 <= value <= 1.0:
            raise SettingsError(f"level = {value!r} is not a number from 0 to 1")
    elif name == "taste":
        if isinstance(value, str):
            fits = 0 < len(value.encode()) <= COMMAND_TEXT_BYTES
        else:
            fits = value is None or (not isinstance(value, bool) and value >= 0 and value == value // 1)
        if not fits:
            raise SettingsError(
                f"taste = {value!r} is no name of at most {COMMAND_TEXT_BYTES} bytes, nor a number from 0 on, nor "
                "nothing (the next)"
            )
    elif name in ("held", "mute", "click", *HOLD_ROLES):
        if value not in (None, 0, 1):
            raise SettingsError(f"{name} = {value!r} is not 1 (on), 0 (off) or nothing (the other)")
    elif value is not None:
        raise SettingsError(f"{name} = {value!r}: {name} takes no value")


def obey(p: "Performance", turn: int, name: str, value: Value, t_in: int | None = None) -> None:
    """Do what a (checked) command says at ``turn``; None toggles, or takes the next.

    ``taste`` and ``agent`` do nothing here: whoever owns the files reads them in the log, and answers with
    ``change_taste``.
    """
    learning = p.learning
    if name == "role":
        role = value if isinstance(value, str) else ROLES[(ROLES.index(p.turns.role) + 1) % len(ROLES)]
        p.begin_role(turn, role)
    elif name in ("key", "key_next"):
        _set_key(p, value if isinstance(value, str) else next_key(p.hearing.key, 1), turn)
    elif name == "tempo":
        p.transport.set_tempo(_number(value), turn)
        p.moved_grid(turn)
    elif name == "tap":
        tapped = turn if t_in is None else t_in
        follows = p.transport.tap(tapped)
        if follows:
            p.moved_grid(tapped)
        p.recorder.status(turn, TAPPED[follows])
    elif name == "held":
        learning.held = not learning.held if value is None else bool(value)
    elif name == "mute":
        p.muted = not p.muted if value is None else bool(value)
        if p.muted:
            p.pairs.drop(turn)
            p.part.cancel()
    elif name == "click":
        p.click = not p.click if value is None else bool(value)
    elif name == "adventure":
        p.adventure = min(max(_number(value), 0.0), 1.0)
        learning.explore(p.adventure if p.settings.explore else 0.0)
        p.pairs.go_on_trying()
        learning.changed = True
    elif name == "outside":
        p.outside = min(max(_number(value), 0.0), 1.0)
        p.hearing.outside(p.outside)
        learning.changed = True
    elif name == "level":
        p.level = min(max(_number(value), 0.0), 1.0)
        p.send_level(p.settings.agent_channel - 1, round(p.level * 127))
    elif name == "end":
        p.finish(turn)
    elif name == "undo":
        learning.undo()
        p.ratings_changed()
    elif name == "ab":
        p.pairs.ask(turn, p.muted)
    elif name in ANSWERS:
        p.pairs.answer(turn, ANSWERS[name])
    elif name == "forget":
        learning.forget_last(turn)
        p.ratings_changed()
    elif name in ABOUT:
        learning.hold(ABOUT[name], ABOUT[name] not in learning.about if value is None else bool(value))
    elif name == "restore":
        p.standby.restore(turn)
        p.ratings_changed()
    elif name == "panic":
        p.panic()
    elif name == "in_lost":
        p.by(BY_RELEASE)
        p.hands.lost()
        learning.about.clear()
        p.transport.clock_stop()
        p.await_quiet(turn)
    elif name == "out_lost":
        p.by(BY_RELEASE)
        p.voices.release()
    p.keys_changed()


def obey_control(p: "Performance", turn: int, index: int, data2: int, t_in: int) -> None:
    """A mapped control has moved: a rating or a command of ours, never music."""
    controls = p.hands.controls
    value, role = controls.value(index, data2), controls.role(index)
    if value is None:
        return
    if role in ("rate", "rate_up", "rate_down"):
        p.take_rating(turn, t_in, value, SOURCES.index("midi"), index)
    elif role in KNOB_STEPS:
        obey(p, turn, role, _turned(p, controls.controls[index], value) if controls.relative(index) else value)
    else:
        carried = value if role in HOLD_ROLES or controls.controls[index].selects else None
        p.recorder.done(turn, role, carried)
        obey(p, turn, role, carried, t_in)


def _turned(p: "Performance", control: Control, steps: float) -> float:
    """Where an endless encoder's ``steps`` lead, within the control's range."""
    now = {"tempo": p.transport.tempo, "level": p.level, "adventure": p.adventure, "outside": p.outside}[control.role]
    low, high = sorted((control.low, control.high))
    return min(max(now + steps * KNOB_STEPS[control.role], low), high)


def _number(value: Value) -> float:
    return float(value) if value is not None else 0.0


def _set_key(p: "Performance", key: str | Key, turn: int) -> None:
    """A new key from the next beat on; what is planned behind it is decided again."""
    p.hearing.set_key(key)
    p.heard_otherwise(turn)
