"""The page in a real browser (Debian's chromium, headless), beside a real run on JACK: what a player does with it.

One run for all; the tests go on where the one before has stopped. ``PAGE_SHOTS=DIR`` also writes the screenshots.
"""

import json
import os
import shutil
import sys
import time
import wave
from importlib.resources import files
from pathlib import Path

import mido
import pytest

from livecomposer.bench import jack
from livecomposer.bench.play import READY_S, Play
from livecomposer.errors import PortError
from livecomposer.midi import ports

CHROMIUM = next((path for name in ("chromium", "chromium-browser") if (path := shutil.which(name))), None)
pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed"),
    pytest.mark.skipif(sys.platform != "linux", reason="the browser is looked for as Debian has it"),
]
FLAGS = (
    "--no-sandbox", "--disable-dev-shm-usage", "--autoplay-policy=no-user-gesture-required",
    "--disable-background-networking", "--disable-background-timer-throttling", "--disable-renderer-backgrounding",
)  # fmt: skip
WAIT_MS = 30_000
SIZE = {"width": 1440, "height": 860}
EVIL = "<img src=x onerror=\"document.title='broken into'\">"
VIEWS = {"F1": "stage", "F2": "train", "F3": "takes", "F4": "setup"}


class Synth:
    """A MIDI input of ours that an output can be chosen for; ``heard`` counts its note_ons."""

    def __init__(self, name):
        import rtmidi

        self.notes = []
        self.port = rtmidi.MidiIn(ports.find_system("jack").api, name=name, queue_size_limit=65536)
        self.port.set_callback(lambda event, _: self.notes.append(event[0]) if event[0][0] & 0xF0 == 0x90 else None)
        self.port.open_virtual_port("in")

    def close(self):
        ports.close_port(self.port)


@pytest.fixture(scope="module")
def rig():
    """(play, page, faults): a run with two synths to choose from, a browser on its page, and all that went wrong."""
    from contextlib import ExitStack

    from playwright.sync_api import sync_playwright

    with ExitStack() as stack:
        synths = []
        try:
            if not jack.answers():
                stack.enter_context(jack.jack_server())
            for name in ("synth one", "synth two"):
                synths.append(Synth(name))
                stack.callback(synths[-1].close)
        except PortError:
            pass
        browser = stack.enter_context(sync_playwright()).chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        stack.callback(browser.close)
        where = ("--api", "jack", "--out", "synth one") if synths else ()
        play = stack.enter_context(
            Play(*where, "--role", "duet", "--seed", "5", "--player", "virtual", "--changes", "| C | Am7 | Dm7 | G7 |",
                 "--no-count-in", jack=bool(synths))
        )  # fmt: skip
        play.wait(lambda: play.ready and play.page, READY_S, "Ready")
        page = browser.new_page(viewport=SIZE, accept_downloads=True)
        page.set_default_timeout(WAIT_MS)
        faults = []
        page.on("console", lambda said: faults.append(said.text) if said.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: faults.append(str(error)))
        aborted = "net::ERR_ABORTED"  # so a download ends, as seen by the page
        page.on("requestfailed", lambda asked: faults.append(asked.url) if asked.failure != aborted else None)
        page.on("response", lambda answer: faults.append(answer.url) if answer.status >= 400 else None)
        page.goto(play.page)
        play.synths = synths
        yield play, page, faults


@pytest.fixture
def page(rig):
    yield rig[1]
    assert rig[2] == []


def js(page, text):
    return page.evaluate(text)


def until(page, text, seconds=30.0):
    """The policy of the page forbids eval, and with it the browser's own waiting."""
    end = time.monotonic() + seconds
    while not page.evaluate(f"Boolean({text})"):
        assert time.monotonic() < end, f"{text}: {page.inner_text('#said')}"
        page.wait_for_timeout(30)


def shot(page, name):
    if os.environ.get("PAGE_SHOTS"):
        page.screenshot(path=Path(os.environ["PAGE_SHOTS"]) / f"page-{name}.png")


STATE = "livecomposer.state"
SAID = "document.getElementById('said').textContent"


def test_notes_move_and_the_intention_is_ahead_of_them(page):
    until(page, f"{STATE}.notes.filter((n) => n.by === 1).length > 12 && {STATE}.notes.some((n) => n.by === 0)")
    until(page, f"{STATE}.plan.length > 2 && {STATE}.likely.odds.length > 2 && {STATE}.chord !== ''")
    assert page.inner_text("#role") == "duet" and page.inner_text("#key") == "C major"
    assert page.inner_text("#chord") in ("C", "Am7", "Dm7", "G7")
    assert "REC" in page.inner_text("#rec-text") and "ms" in page.inner_text("#latency")
    until(page, f"{STATE}.plan.some((p) => p.note >= 0 && livecomposer.now() < {STATE}.beatAt + "
                f"(p.tick - {STATE}.beat.tick) * 60000 / {STATE}.beat.tempo / 12)")  # fmt: skip
    first = page.locator("#roll").screenshot()
    page.wait_for_timeout(300)
    assert page.locator("#roll").screenshot() != first  # it moves
    assert js(page, "livecomposer.frames.fps") > 0


def test_a_key_and_a_click_rate_and_the_notes_light_up(page):
    for number, press in enumerate((lambda: page.keyboard.press("ArrowRight"), lambda: page.click("[data-rate='1']"))):
        press()
        until(page, f"{STATE}.ratings.length === {number + 1} && {STATE}.ratings[{number}].reached.length > 0")
        until(page, f"{STATE}.notes.some((n) => n.lit && performance.now() - n.lit < 2000)")
        assert js(page, f"{STATE}.ratings[{number}].source") == "page"
        page.wait_for_timeout(1200)
    assert "liked" in page.inner_text("#reached") and "liked" in page.inner_text("#said")
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("ArrowLeft")
    until(page, f"{STATE}.ratings.length === 3")
    assert "▼" in page.inner_text("#flash") and page.get_attribute("#flash", "class") == "no show"
    shot(page, "stage")
    page.keyboard.press("Backspace")
    until(page, f"{STATE}.ratings.length === 2")


def test_the_keys_of_the_terminal_work_and_let_go(page):
    before = js(page, f"{STATE}.notes.length")
    page.keyboard.down("a")
    until(page, f"[...{STATE}.sounding.values()].some((n) => n.note === 60 && n.by === 0)")
    page.wait_for_timeout(700)  # a terminal would have let go after 300 ms
    assert js(page, f"[...{STATE}.sounding.values()].some((n) => n.note === 60 && n.by === 0)")
    page.keyboard.up("a")
    until(page, f"![...{STATE}.sounding.values()].some((n) => n.note === 60 && n.by === 0)")
    assert js(page, f"{STATE}.notes.length") > before
    page.keyboard.press(" ")
    until(page, "document.getElementById('held').textContent === 'HELD'")
    page.click("#held")
    until(page, "document.getElementById('held').textContent === 'LEARNING'")
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("Escape")
    until(page, "document.getElementById('said').textContent.startsWith('Panic')")


def test_latency_is_shown_once_it_has_been_measured(page):
    until(page, f"{STATE}.ledger.notesIn && !document.getElementById('latency').textContent.startsWith('–')")
    hold = f"Object.defineProperty({STATE}, 'ledger', {{ configurable: true, "
    page.evaluate(hold + "get: () => ({ notesIn: 0, p50: 0, p99: 0, misses: 0 }), set() {} })")
    until(page, "document.getElementById('latency').textContent === '– ms'")
    page.evaluate(hold + "writable: true, value: null })")


@pytest.mark.parametrize("wide, high", [(320, 640), (390, 844), (480, 800), (844, 390)])
def test_stage_is_whole_in_a_small_window(page, wide, high):
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("F1")
    page.set_viewport_size({"width": wide, "height": high})
    page.wait_for_timeout(400)  # it draws; a fault would be seen
    boxes = page.evaluate(
        "[...document.querySelectorAll('#stage canvas, #stage [data-rate], header button, #said')]"
        ".map((e) => e.getBoundingClientRect()).map((b) => [b.left, b.top, b.right, b.bottom, b.height])"
    )
    footer = page.evaluate("document.getElementById('said').getBoundingClientRect().top")
    for left, top, right, bottom, tall in boxes[:-1]:
        assert 0 <= left < right <= wide and 0 <= top < bottom <= footer + 1 and tall > 20
    page.set_viewport_size(SIZE)


def test_the_role_changes_by_key_and_by_click(page):
    page.keyboard.press("Tab")
    until(page, f"{STATE}.beat.role === 'answer'")
    page.click("#role")
    until(page, f"{STATE}.beat.role === 'solo'")
    page.evaluate("document.activeElement.blur()")
    until(page, "document.getElementById('role').textContent === 'solo'")


def test_why_there_is_no_pair_is_said(page):
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("Tab")
    until(page, f"{STATE}.beat.role === 'harmonize'")
    page.keyboard.press("b")
    until(page, f"{SAID} === 'A pair can be played in solo and answer, not in harmonize.'")
    assert not page.is_visible("#pair")
    for role in ("duet", "answer", "solo"):
        page.keyboard.press("Tab")
        until(page, f"{STATE}.beat.role === '{role}'")


def test_a_pair_is_asked_for_and_answered(page):
    page.keyboard.press("F2")
    page.click("#ab")
    page.evaluate("document.activeElement.blur()")
    until(page, f"{SAID} === 'Pair: two phrases, from the next bar line on.'")
    page.keyboard.press("F1")
    before = js(page, f"{STATE}.ratings.length")
    text = "document.getElementById('pair-text').textContent"
    until(page, f"{text} === 'The first …' && document.getElementById('pair-first').className === 'sounds'")
    page.keyboard.press("1")
    until(page, f"{SAID} === 'Hear both first, then answer.'")
    until(page, f"{text} === 'The second …' && document.getElementById('pair-second').className === 'sounds'")
    until(page, f"{text} === 'Which was better?'")
    shot(page, "pair")
    page.click("#pair-first")
    until(page, f"{STATE}.ratings.length > {before} && document.getElementById('pair').hidden")
    assert js(page, f"{STATE}.ratings.at(-1).answer") == "a" and js(page, SAID) == "Pair: the first it is."
    page.keyboard.press("F2")
    page.click("#undo")
    until(page, f"{STATE}.ratings.length === {before}")


def test_what_it_has_learnt_is_shown_with_its_uncertainty(page):
    page.keyboard.press("F2")
    for key in ("ArrowRight", "ArrowUp", "ArrowDown", "ArrowRight", "ArrowLeft", "ArrowUp"):
        page.evaluate("document.activeElement.blur()")
        page.keyboard.press(key)
        page.wait_for_timeout(1300)
    page.wait_for_selector(".learnt canvas", timeout=60_000)
    label = page.get_attribute(".learnt canvas", "aria-label")
    assert label.startswith("worth ") and " plus or minus " in label
    until(page, "/^[0-9]+ ratings?[.,] .*[.…]$/.test(document.getElementById('learnt-note').textContent)")
    assert "1 pairs" not in page.inner_text("#learnt-note")
    thirds = {"says": "likes", "words": "falling thirds", "feature": "interval.7", "worth": 0.8, "sd": 0.1, "or": []}
    higher = thirds | {"words": "higher notes", "feature": "height", "or": ["dislikes low notes"]}
    for sure, maybe, said in (
        ([thirds], [], "9 ratings. Sure of: likes falling thirds."),
        ([thirds], [higher], "9 ratings. Sure of: likes falling thirds. "
                             "Perhaps: likes higher notes or dislikes low notes."),
        ([], [higher], "9 ratings. Sure of nothing yet: rate on. "
                       "Perhaps: likes higher notes or dislikes low notes."),
    ):  # fmt: skip
        found = {"ratings": 9, "pairs": 0, "statements": sure, "maybe": maybe, "effects": []}
        page.evaluate("found => import('/static/state.js').then((state) => state.take({explain: found}))", found)
        assert page.inner_text("#learnt-note") == said
    page.locator("[data-knob='adventure']").fill("0.2")
    assert page.inner_text("#adventure-out") == "0.20"
    page.wait_for_timeout(600)
    shot(page, "train")


def test_a_take_is_opened_played_named_exported_and_brought_back(page, rig, tmp_path):
    page.keyboard.press("F3")
    page.click("#take-rows button[data-what=open]")
    until(page, "document.getElementById('player-title').textContent.startsWith('Take ')")
    page.locator("#scrub").fill("0.5")
    page.wait_for_timeout(200)
    middle = page.inner_text("#position")
    assert not middle.startswith("0:00")
    page.click("#play")
    until(page, f"document.getElementById('position').textContent !== {json.dumps(middle)}")
    page.click("#play")
    page.fill("#take-name", EVIL)
    page.click("#rename")
    until(page, "document.getElementById('take-rows').textContent.includes('onerror')")
    assert page.title() == "livecomposer · takes" and page.locator("#take-rows img").count() == 0
    page.fill("#take-name", "an evening")
    page.keyboard.press("Enter")
    until(page, "document.getElementById('player-title').textContent.includes('an evening')")
    with page.expect_download() as download:
        page.click("#get-mid")
    path = tmp_path / "take.mid"
    download.value.save_as(path)
    assert [track.name for track in mido.MidiFile(path).tracks] == ["livecomposer", "player", "agent"]
    with page.expect_download(timeout=120_000) as download:
        page.click("#get-wav")
    path = tmp_path / "take.wav"
    download.value.save_as(path)
    with wave.open(str(path)) as sound:
        assert sound.getnchannels() == 2 and sound.getnframes() > 10 * sound.getframerate()
    until(page, "document.getElementById('wav-state').textContent.endsWith('.wav is ready.')")
    assert page.is_disabled("#delete")  # it is being recorded
    page.click("#take-rows button[data-what=star]")
    until(page, "document.getElementById('take-rows').textContent.includes('★')")
    page.wait_for_timeout(300)
    shot(page, "takes")


def test_a_port_is_changed_while_playing(page, rig):
    play = rig[0]
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("F4")
    page.click("#doctor")
    assert page.inner_text("#doctor-state").startswith("Checking")
    page.wait_for_selector("#checks tr", timeout=90_000)
    assert page.inner_text("#doctor-state").startswith("Checked: ")
    if play.synths:
        option = "[...document.querySelectorAll('#port-out option')].find((o) => o.textContent.includes('synth two'))"
        until(page, option)
        two = js(page, f"{option}.value")
        assert "synth one" in page.input_value("#port-out") and play.synths[0].notes and not play.synths[1].notes
        page.select_option("#port-out", two)
        end = time.monotonic() + 30
        while not play.synths[1].notes and time.monotonic() < end:
            page.wait_for_timeout(50)
        assert play.synths[1].notes
        before = len(play.synths[0].notes)
        count = len(play.synths[1].notes)
        while len(play.synths[1].notes) < count + 5 and time.monotonic() < end:
            page.wait_for_timeout(50)
        assert len(play.synths[0].notes) == before
    page.select_option("#set-role", "duet")
    until(page, f"{STATE}.beat.role === 'duet'")
    page.select_option("#set-key", "D dorian")
    until(page, f"{STATE}.beat.key === 'D dorian'")
    page.wait_for_timeout(300)
    shot(page, "setup")


def test_the_agent_is_changed_while_playing_and_brings_its_taste(page):
    page.keyboard.press("F4")
    first = js(page, f"{STATE}.facts.taste")
    for agent, taste in (("q", f"{first}-2"), ("dyna-q", first)):
        playing = page.input_value("#set-agent")
        page.select_option("#set-agent", agent)
        until(page, f"document.getElementById('agent-state').textContent === 'preparing {agent} …'")
        assert page.input_value("#set-agent") in (playing, agent)
        until(page, f"{STATE}.facts.agent === '{agent}' && {STATE}.facts.taste === '{taste}'", 120.0)
        page.evaluate("document.activeElement.blur()")
        until(page, f"document.getElementById('set-agent').value === '{agent}'")
        assert page.inner_text("#taste-name") == taste
        until(page, f"document.getElementById('agent-state').textContent === '{agent} plays now'")
        count = js(page, f"{STATE}.notes.length ? Math.max(...{STATE}.notes.map((n) => n.t)) : 0")
        until(page, f"{STATE}.notes.some((n) => n.t > {count})")


def test_the_tour_counts_ten_presses_and_shows_before_and_after(page):
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("F2")
    page.keyboard.press(" ")
    until(page, f"Boolean({STATE}.beat.flags & 1)")  # HELD: a press reaches nothing
    page.click("#tour-open")
    page.keyboard.press("ArrowRight")
    until(page, "document.getElementById('tour-text').textContent.startsWith('That rated nothing')")
    assert page.inner_text("#tour-dots") == "○" * 10
    page.click("#tour-mend")
    until(page, f"!({STATE}.beat.flags & 1)")
    assert page.inner_text("#tour-text").startswith("Listen to the agent")
    for number in range(10):
        page.keyboard.press("ArrowRight" if number % 3 else "ArrowLeft")
        page.wait_for_timeout(1150)
    until(page, "document.getElementById('tour-text').textContent.startsWith('Ten presses')")
    assert page.inner_text("#tour-dots") == "●" * 10
    until(page, "document.getElementById('tour-learnt').textContent.startsWith('What moved most')")
    page.wait_for_timeout(2500)
    shot(page, "tour")
    page.click("#tour-close")


def test_all_of_it_is_there_as_text(page):
    page.click("[data-view=plain]")
    until(page, "document.getElementById('plain-text').textContent.includes('planned')")
    text = page.inner_text("#plain-text")
    for word in ("role       duet", "key        D dorian", "learning   LEARNING", "recording  take 1", "likes"):
        assert word in text


def test_every_control_is_reached_by_the_keyboard(page):
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("F1")
    page.keyboard.press("F6")
    role = js(page, f"{STATE}.beat.role")
    seen = set()
    name = "(({id, dataset}) => id || dataset.view || dataset.rate || '')(document.activeElement)"
    while at := js(page, name):
        assert at not in seen
        seen.add(at)
        page.keyboard.press("Tab")
    assert seen >= {"stage", "train", "takes", "setup", "plain", "held", "panic", "help-open", "role", "-1", "1"}
    assert js(page, f"{STATE}.beat.role") == role  # Tab has only moved
    page.keyboard.press("F6")
    page.keyboard.press("Escape")
    assert js(page, "document.activeElement === document.body")
    page.keyboard.press("?")
    assert page.is_visible("#help") and js(page, "document.getElementById('help').scrollTop") == 0
    page.keyboard.press("Escape")
    assert not page.is_visible("#help")


def test_every_column_of_the_takes_is_seen_or_folded(page):
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("F3")
    until(page, "document.querySelector('#take-rows tr')")
    for cell, text in ((3, "harmonize"), (5, "12345"), (7, "▼ -0.55")):
        page.evaluate(f"document.querySelector('#take-rows tr').cells[{cell}].textContent = '{text}'")
    heads = "[...document.querySelectorAll('#takes th')].filter((th) => th.offsetWidth).map((th) => th.textContent)"
    beyond = "(({ scrollWidth, clientWidth }) => scrollWidth - clientWidth)(document.querySelector('.scroll'))"
    for wide, shown in ((1280, 8), (1024, 6), (390, 4)):
        page.set_viewport_size({"width": wide, "height": 800})
        page.wait_for_timeout(200)
        assert js(page, beyond) <= 0
        assert len(js(page, heads)) == shown and js(page, heads)[-1] == "liking"
        shot(page, f"takes-{wide}")
    page.set_viewport_size(SIZE)


def test_no_view_has_a_serious_accessibility_fault(page):
    axe = files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8")
    page.evaluate("document.activeElement.blur()")
    page.evaluate(axe)
    found = {}
    for key in (*VIEWS, "plain"):
        if key == "plain":
            page.click("[data-view=plain]")
        else:
            page.keyboard.press(key)
        page.wait_for_timeout(300)
        violations = page.evaluate("axe.run().then((result) => result.violations)")
        for fault in violations:
            if fault["impact"] in ("serious", "critical"):
                found[f"{key} {fault['id']}"] = [node["target"] for node in fault["nodes"]]
        page.evaluate("document.activeElement.blur()")
    assert found == {}


def test_less_motion_is_less_motion(page):
    page.emulate_media(reduced_motion="reduce")
    page.keyboard.press("F1")
    assert js(page, "matchMedia('(prefers-reduced-motion: reduce)').matches")
    page.keyboard.press("ArrowRight")
    until(page, "document.getElementById('flash').classList.contains('show')")
    assert js(page, "getComputedStyle(document.getElementById('flash')).animationName") == "none"
    page.emulate_media(reduced_motion="no-preference")


def test_a_controller_is_taught_while_playing_and_obeyed_at_once(page, rig):
    if not rig[0].synths:
        pytest.skip("jackd is not installed")
    import rtmidi

    keys = rtmidi.MidiOut(ports.find_system("jack").api, name="strange keys")
    keys.open_virtual_port("out")
    try:
        page.evaluate("document.activeElement.blur()")
        page.keyboard.press("F4")
        assert page.is_disabled("[data-learn=begin]")  # there is nothing to teach
        option = "[...document.querySelectorAll('#port-in option')].find((o) => o.textContent.includes('strange keys'))"
        until(page, option)
        page.select_option("#port-in", js(page, f"{option}.value"))
        until(page, f"{STATE}.facts.midi_in && {STATE}.facts.midi_in.includes('strange keys')")
        page.click("[data-learn=begin]")
        ask = "document.getElementById('lesson-ask').textContent"
        until(page, f"{ask} === 'Play your lowest key.'")
        page.wait_for_timeout(500)  # JACK connects
        pressed = len(js(page, f"{STATE}.ratings"))
        for prompt, message in (
            ("Play your lowest key.", [0x90, 36, 80]),
            ("Play your highest key.", [0x90, 96, 80]),
            ("Press what you want for yes.", [0xB0, 67, 127]),
            ("Press what you want for no.", [0xB0, 20, 127]),
            ("Press what you want for undo.", [0x99, 40, 80]),
        ):
            until(page, f"{ask} === {json.dumps(prompt)}")
            page.wait_for_timeout(300)  # a second press within a quarter of a second counts as the same one
            keys.send_message(message)
        until(page, f"{ask} === 'Press what you want for panic.'")
        assert page.inner_text("#lesson-said") == "undo: E2 (note 40) on channel 10"
        shot(page, "lesson")
        page.click("[data-learn=skip]")
        until(page, "document.getElementById('lesson').hidden")
        until(page, f"{SAID}.startsWith('Wrote ')")
        assert len(js(page, f"{STATE}.ratings")) == pressed  # nothing was rated by it
        until(page, "document.getElementById('profile').textContent.includes('strange keys')")
        taught = "[...document.querySelectorAll('#controls tr')].map((row) => row.textContent)"
        until(page, f"{taught}.includes('control (CC 20)1dislike')")
        assert js(page, taught)[:3] == [
            "soft pedal (CC 67)1like", "control (CC 20)1dislike", "key or pad E2 (40)10takes the last rating back",
        ]  # fmt: skip
        page.wait_for_timeout(500)
        keys.send_message([0xB0, 20, 127])
        until(page, f"{STATE}.ratings.length === {pressed + 1} && {STATE}.ratings.at(-1).source === 'midi'")
        keys.send_message([0x99, 40, 80])
        until(page, f"{STATE}.ratings.length === {pressed}")
    finally:
        ports.close_port(keys)


def test_it_comes_back_by_itself(page, rig):
    import signal

    pid = js(page, f"{STATE}.facts.pid")
    faults = list(rig[2])
    os.kill(pid, signal.SIGKILL)
    until(page, "!document.getElementById('away').hidden")
    assert "the music goes on" in page.inner_text("#away")
    until(page, f"{STATE}.connected && {STATE}.facts.pid !== {pid} && document.getElementById('away').hidden")
    until(page, f"{STATE}.beat && {STATE}.notes.length > 3 && {STATE}.ratings.length > 5")
    rig[2][:] = faults  # that the socket was refused meanwhile is what was meant


def test_the_end_is_seen_and_nothing_looks_live_behind_it(page, rig):
    faults = list(rig[2])
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("F2")
    page.click("#tour-open")
    rig[0].end()
    until(page, "!document.getElementById('away').hidden")
    assert page.inner_text("#away").startswith("This performance has ended")
    assert not page.is_visible("#tour") and page.is_disabled("#held")
    until(page, "document.getElementById('held').textContent === 'not learning'")
    assert page.inner_text("#latency") == "– ms" and page.inner_text("#rec-text") == "ended"
    rig[2][:] = faults  # that nobody answers any more is what was meant
