// F3: what has been recorded: list, look, listen (a plain tone in the browser), name, delete and its undo, files.

import { address, ask } from "./link.js";
import { bar, clear, COLOURS, grid, range, triangle } from "./draw.js";
import { AGENT, clock, listen, state } from "./state.js";

const $ = (id) => document.getElementById(id);
let chosen = null;
let position = 0, playingFrom = null, audio = null, voices = [], next = 0, bus = null;

export function start(say) {
  listen("takes", list);
  listen("facts", () => { if (!$("takes").hidden) list(); });
  listen("wav", wav);
  listen("hello", () => sound("", false)); // of one that was being made nothing more will be heard
  $("get-wav").addEventListener("click", () => ask("wav", { take: chosen.id }));
  $("undelete").addEventListener("click", () => ask("undelete"));
  $("play").addEventListener("click", () => (playingFrom === null ? play() : stop()));
  $("scrub").addEventListener("input", () => { stop(); position = Number($("scrub").value) * (chosen ? chosen.seconds : 0); });
  $("take-rows").addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    const id = Number(button.closest("tr").dataset.take);
    const row = state.takes.find((take) => take.id === id);
    if (button.dataset.what === "open") open(id, say);
    else ask("star", { take: id, on: !row.star });
  });
  $("rename").addEventListener("click", rename);
  $("take-name").addEventListener("keydown", (event) => { if (event.key === "Enter") rename(); });
  $("delete").addEventListener("click", () => {
    ask("delete", { take: chosen.id });
    say(`Deleted take ${chosen.id}; for 30 days it can be brought back.`);
    close();
  });
}

// Sound takes a while to make: how far it is, and then the file.
function wav({ take, done, ready, problem }) {
  sound(problem || (ready ? `take-${take}.wav is ready.` : `take-${take}.wav: ${done}`), done !== undefined);
  if (!ready) return;
  const link = document.createElement("a");
  link.download = "";
  link.href = address(`/takes/${take}.wav`);
  link.click();
}

function sound(text, making) {
  $("wav-state").textContent = text;
  $("get-wav").disabled = making;
}

function rename() {
  ask("rename", { take: chosen.id, name: $("take-name").value });
}

function close() {
  stop();
  chosen = null;
  $("player-title").textContent = "Choose a take";
  for (const id of ["take-do", "get-mid", "get-csv", "get-wav"]) $(id).hidden = true;
  $("take-losses").textContent = "";
}

export const shown = () => ask("takes");

function cell(row, text, className = "") {
  const td = row.insertCell();
  td.textContent = text;
  td.className = className;
  return td;
}

function button(td, what, text, label = "") {
  const made = document.createElement("button");
  made.type = "button";
  made.dataset.what = what;
  made.textContent = text;
  if (label) made.setAttribute("aria-label", label);
  td.append(made);
}

function list() {
  const body = $("take-rows");
  const focus = document.activeElement && document.activeElement.closest("#take-rows tr") ? [document.activeElement.closest("tr").dataset.take, document.activeElement.dataset.what] : null;
  body.replaceChildren();
  for (const take of state.takes) {
    const row = body.insertRow();
    row.dataset.take = take.id;
    row.classList.toggle("chosen", Boolean(chosen && chosen.id === take.id));
    button(cell(row, ""), "star", take.star ? "★" : "☆", take.star ? `Take ${take.id} is starred` : `Star take ${take.id}`);
    const now = state.facts.recording === take.id;
    button(cell(row, ""), "open", `${take.id} · ${take.title}${now ? "  ● now" : take.ended ? "" : "  (cut off)"}`);
    cell(row, clock(take.seconds), "n");
    cell(row, take.role);
    cell(row, take.player, "n");
    cell(row, take.agent, "n");
    cell(row, take.ratings, "n");
    cell(row, take.liking === null ? "–" : (take.liking > 0 ? "▲ +" : take.liking < 0 ? "▼ " : "") + take.liking.toFixed(2), "n");
  }
  if (chosen) {
    const row = state.takes.find((take) => take.id === chosen.id);
    if (row) $("player-title").textContent = `Take ${row.id}: ${row.title}`;
    $("delete").disabled = state.facts.recording === chosen.id;
  }
  if (focus) { const row = body.querySelector(`tr[data-take="${CSS.escape(focus[0])}"] button[data-what="${CSS.escape(focus[1])}"]`); if (row) row.focus(); }
}

async function open(id, say) {
  stop();
  const answer = await fetch(address(`/takes/${id}.json`));
  if (!answer.ok) { say(await answer.text()); return; }
  chosen = await answer.json();
  position = 0;
  $("player-title").textContent = `Take ${chosen.id}: ${chosen.title}`;
  for (const kind of ["mid", "csv"]) { $(`get-${kind}`).href = address(`/takes/${id}.${kind}`); $(`get-${kind}`).hidden = false; }
  $("take-do").hidden = $("get-wav").hidden = false;
  $("take-name").value = (state.takes.find((take) => take.id === id) || {}).name || "";
  $("take-losses").textContent = chosen.losses.map((loss) => `${loss.count} records are missing: ${loss.why}.`).join(" ");
  list();
}

export function frame() {
  if (playingFrom !== null) {
    position = audio.currentTime - playingFrom;
    schedule();
    if (position >= chosen.seconds) stop();
  }
  const seconds = chosen ? chosen.seconds : 0;
  if (document.activeElement !== $("scrub") || playingFrom !== null) $("scrub").value = seconds ? position / seconds : 0;
  $("position").textContent = `${clock(position)} of ${clock(seconds)}`;
  const [g, width, height] = clear($("take-roll"));
  if (!chosen) return;
  const span = Math.min(Math.max(seconds, 1), 30);
  const from = Math.max(0, Math.min(position - span / 3, seconds - span));
  const [low, high] = range(chosen.notes.map((row) => ({ note: row[2] })), 55, 79);
  const row = grid(g, width, height, low, high);
  const x = (t) => width * (t - from) / span;
  for (const [t, long, note, , part] of chosen.notes) {
    if (t + long < from || t > from + span) continue;
    bar(g, x(t), height - (note - low + 1) * row + 1, x(t + long) - x(t), Math.max(row - 2, 3), part, part === AGENT ? COLOURS.agent : COLOURS.player);
  }
  for (const [t, value] of chosen.ratings) {
    if (typeof value === "number") triangle(g, x(t), height - 12, 7, value >= 0, value >= 0 ? COLOURS.yes : COLOURS.no);
  }
  g.fillStyle = COLOURS.ink;
  g.fillRect(x(position) - 1, 0, 2, height);
}

function play() {
  if (!chosen) return;
  if (position >= chosen.seconds - 0.05) position = 0;
  audio = audio || new AudioContext();
  audio.resume();
  bus = audio.createGain();
  bus.gain.value = 0.25;
  bus.connect(audio.destination);
  playingFrom = audio.currentTime - position + 0.05;
  next = chosen.notes.findIndex((row) => row[0] >= position);
  if (next < 0) next = chosen.notes.length;
  $("play").textContent = "Stop";
}

// Notes of the next 0.3 s get an oscillator each: a triangle for the player, a softer sine pair for the agent.
function schedule() {
  while (next < chosen.notes.length && chosen.notes[next][0] < position + 0.3) {
    const [t, long, note, velocity, part] = chosen.notes[next++];
    const at = Math.max(playingFrom + t, audio.currentTime), end = at + Math.max(long, 0.05);
    const tone = audio.createOscillator(), gain = audio.createGain();
    tone.type = part === AGENT ? "sine" : "triangle";
    tone.frequency.value = 440 * 2 ** ((note - 69) / 12);
    gain.gain.setValueAtTime(0, at);
    gain.gain.linearRampToValueAtTime(velocity / 160, at + 0.008);
    gain.gain.setTargetAtTime(0, end, 0.06);
    tone.connect(gain).connect(bus);
    tone.start(at);
    tone.stop(end + 0.4);
    voices.push(tone);
  }
}

export function stop() {
  if (playingFrom === null) return;
  playingFrom = null;
  bus.disconnect();
  for (const voice of voices) voice.stop();
  voices = [];
  $("play").textContent = "Play";
}
