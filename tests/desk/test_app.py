"""What the page asks of desk, without a run around it."""

from types import SimpleNamespace

from livecomposer.desk.app import Desk


def test_what_the_page_asks_of_the_ports_waits_for_the_instrument():
    said = [("port", {"side": "in", "name": "keys"}), ("learn", "begin"), ("port", {"side": "out", "name": ""})]
    done = []
    desk = Desk.__new__(Desk)
    desk.studio = SimpleNamespace(look=lambda: said.pop(0) if said else None)
    desk.cables = SimpleNamespace(choose=lambda side, name: done.append((side, name)), learn=done.append)
    desk._asked = []
    desk.ready = False  # it has died and is being started again
    for _ in range(4):
        desk._watch_studio()
        desk._obey()
    assert done == []
    desk.ready = True
    desk._obey()
    assert done == [("in", "keys"), "begin", ("out", "")]
    desk._obey()
    assert len(done) == 3
