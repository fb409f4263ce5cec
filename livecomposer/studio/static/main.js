// The page: connects, shows one view at a time, draws with the screen, and keeps the words beside the drawings.

import { command, connect } from "./link.js";
import { calm } from "./draw.js";
import { HELP, start as startKeys } from "./keys.js";
import { clock, flag, HELD, listen, live, noteName, NOTHING_REACHED, now, PHASES, state } from "./state.js";
import * as setup from "./setup.js";
import * as stage from "./stage.js";
import * as takes from "./takes.js";
import * as train from "./train.js";

const $ = (id) => document.getElementById(id);
const VIEWS = { stage, train, takes, setup, plain: { words: plain } };
const SLOW_MS = 20;
let view = "stage", drawn = 0, spoken = 0;
const frames = { n: 0, since: performance.now(), fps: 0 };

function say(text) {
  $("said").textContent = text;
}

function show(name) {
  if (name !== view && view === "takes") takes.stop();
  view = name;
  for (const section of document.querySelectorAll("main > section")) section.hidden = section.id !== name;
  for (const button of document.querySelectorAll("nav button")) {
    if (button.dataset.view === name) button.setAttribute("aria-current", "page");
    else button.removeAttribute("aria-current");
  }
  if (VIEWS[name].shown) VIEWS[name].shown();
  document.title = `livecomposer · ${name}`;
}

function help() {
  if (!$("help").open) $("help").showModal();
  $("help-title").focus();
}

function lights() {
  const held = live() && flag(HELD);
  if ($("held").getAttribute("aria-pressed") !== String(held)) {
    $("held").setAttribute("aria-pressed", String(held));
    if (spoken && live()) say(held ? "HELD: it plays on without learning." : "LEARNING.");
    spoken = 1;
  }
  $("held").disabled = !live();
  stage.set("held", held ? "HELD" : live() ? "LEARNING" : "not learning");
  const trouble = state.facts.trouble;
  $("rec").classList.toggle("off", Boolean(trouble) || !state.facts.recording || state.ended);
  stage.set("rec-text", trouble ? "NOT RECORDED" : state.ended ? "ended" : `REC ${clock((now() - state.began) / 1000)}`);
  $("rec").title = trouble || "";
  const ledger = state.ledger;
  const measured = live() && ledger && ledger.notesIn > 0; // before the first key there is nothing to measure
  $("latency").classList.toggle("none", !measured);
  if (!measured) { stage.set("latency-text", "– ms"); stage.set("latency-more", ""); } else {
    const sound = state.facts.sound_ms ? ` · key→sound ${Math.round(ledger.p50 + state.facts.sound_ms)} ms` : "";
    const missed = ledger.misses ? ` · ${ledger.misses} late` : "";
    stage.set("latency-text", `${ledger.p50.toFixed(2)} / ${ledger.p99.toFixed(2)} ms`);
    stage.set("latency-more", sound + missed);
    $("latency").classList.toggle("slow", ledger.p99 + (state.facts.sound_ms || 0) > SLOW_MS);
  }
}

// Everything as text, for screen readers and for those who like it so.
function plain() {
  if (performance.now() - drawn < 900) return;
  drawn = performance.now();
  const beat = state.beat, ledger = state.ledger;
  const rows = [];
  if (beat) {
    rows.push(`role       ${beat.role}, ${PHASES[beat.phase]}`, `key        ${beat.key}`, `chord      ${state.chord || "none"}`);
    rows.push(`tempo      ${Math.round(beat.tempo)}, beat ${beat.beat} of ${beat.beats}`, `learning   ${flag(HELD) ? "HELD" : "LEARNING"}`);
  }
  rows.push(`recording  ${state.facts.trouble || `take ${state.facts.recording ?? "–"}, ${clock((now() - state.began) / 1000)}`}`);
  if (!ledger || !ledger.notesIn) rows.push("latency    not measured yet: no key has been played");
  else rows.push(`latency    ${ledger.p50.toFixed(2)} ms in the median, ${ledger.p99.toFixed(2)} ms at the 99th percentile, ${ledger.misses} late`);
  const last = (by) => state.notes.filter((row) => row.by === by).slice(-8).map((row) => noteName(row.note)).join(" ") || "nothing";
  rows.push(`you        ${last(0)}`, `agent      ${last(1)}`);
  rows.push(`planned    ${state.plan.slice(0, 8).map((row) => (row.note < 0 ? "rest" : noteName(row.note))).join(" ") || "nothing"}`);
  const odds = (state.likely.odds || []).slice(0, 4).map(([note, p]) => `${noteName(note)} ${Math.round(p * 100)} %`);
  rows.push(`next note  ${odds.join(", ") || "open"}`);
  const rated = state.ratings.filter((row) => row.phrase !== NOTHING_REACHED);
  const likes = rated.filter((row) => row.value > 0).length, dislikes = rated.filter((row) => row.value < 0).length;
  rows.push(`ratings    ${likes} likes, ${dislikes} dislikes; the last reached: ${$("reached").textContent}`);
  $("plain-text").textContent = rows.join("\n");
}

let wordsAt = 0, lastFrame = 0;

function draw(t) {
  requestAnimationFrame(draw);
  frames.n += 1;
  if (t - frames.since > 1000) {
    frames.fps = frames.n * 1000 / (t - frames.since);
    frames.n = 0;
    frames.since = t;
  }
  if (t - wordsAt > 50) {
    wordsAt = t;
    lights();
    stage.words();
    if (view !== "stage" && VIEWS[view].words) VIEWS[view].words();
  }
  if (calm.matches && t - lastFrame < 250) return; // pictures that step instead of gliding
  lastFrame = t;
  if (VIEWS[view].frame) VIEWS[view].frame();
}

for (const button of document.querySelectorAll("nav button")) button.addEventListener("click", () => show(button.dataset.view));
for (const button of document.querySelectorAll("[data-command]")) button.addEventListener("click", () => command(button.dataset.command));
$("held").addEventListener("click", () => command("held"));
$("panic").addEventListener("click", () => command("panic"));
$("help-open").addEventListener("click", help);
for (const [keys, text] of HELP) {
  const row = $("help-rows").insertRow();
  const kbd = document.createElement("kbd");
  kbd.textContent = keys;
  row.insertCell().append(kbd);
  row.insertCell().textContent = text;
}
// What is said above the views must not lie behind a dialog.
function closeAll() {
  for (const dialog of document.querySelectorAll("dialog[open]")) dialog.close();
}

listen("end", closeAll);
listen("connected", (yes) => {
  $("away").hidden = yes;
  const why = state.ended ? "This performance has ended; it is among the takes." : "The page has lost livecomposer; the music goes on. Trying again …";
  $("away").textContent = yes ? "" : why;
  if (yes) { if (VIEWS[view].shown) VIEWS[view].shown(); } else closeAll();
});
listen("error", (text) => say(text));
listen("told", (text) => say(text));
let role = "";
listen("beat", () => { if (role && role !== state.beat.role) say(`Role: ${state.beat.role}.`); role = state.beat.role; });
listen("loss", () => say(`${state.lost} records were lost.`));
stage.start(say);
train.start(say);
takes.start(say);
setup.start(say);
startKeys(show, help);
show("stage");
connect();
requestAnimationFrame(draw);
// For measurements from outside: frames a second, and the state that the drawings show.
globalThis.livecomposer = { state, frames, now };
