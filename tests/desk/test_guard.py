"""The guard releases what the table says, three times, pedals first; and keeps the player's thru alive."""

from livecomposer.desk.guard import Guard
from livecomposer.instrument.guard import SIZE, GuardMemory


def test_release_sends_what_sounds_at_each_moment_and_clears() -> None:
    memory = GuardMemory(memoryview(bytearray(SIZE)))
    for msg in ((0xB0, 64, 127), (0x90, 60, 90), (0x91, 52, 70), (0x91, 55, 70)):
        memory.before(bytes(msg))
        memory.after(bytes(msg))
    memory.before(bytes((0x81, 55, 0)))
    memory.after(bytes((0x81, 55, 0)))
    sent: list[bytes] = []
    guard = Guard(None, None, memory, sent.append)
    once = guard.release()
    assert sent == once * 3
    assert once == [
        *(
            bytes(m)
            for c in (0, 1)
            for m in ((0xB0 | c, 64, 0), (0xB0 | c, 66, 0), (0xB0 | c, 67, 0), (0xE0 | c, 0, 64))
        ),
        bytes((0x80, 60, 0)),
        bytes((0x81, 52, 0)),
        *(bytes(m) for c in (0, 1) for m in ((0xB0 | c, 123, 0), (0xB0 | c, 120, 0))),
    ]
    assert memory.sounding() == []


def test_a_note_is_marked_before_it_is_sent_and_until_its_end_has_been() -> None:
    memory = GuardMemory(memoryview(bytearray(SIZE)))
    memory.before(bytes((0x90, 60, 1)))
    assert memory.sounding() == [(0, 60)]
    memory.after(bytes((0x90, 60, 1)))
    memory.before(bytes((0x90, 60, 0)))
    assert memory.sounding() == [(0, 60)]
    memory.after(bytes((0x90, 60, 0)))
    assert memory.sounding() == []
