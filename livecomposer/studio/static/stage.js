// F1: what is sounding, what is coming, and the four ratings; readable from two metres.

import { command, rate } from "./link.js";
import { bar, calm, clear, COLOURS, grid, triangle } from "./draw.js";
import { AGENT, CLICK, EXTERNAL, flag, listen, live, MUTED, noteName, NOTHING_REACHED, now, PHASES, state, timeOf } from "./state.js";

const PAST_MS = 8000, AHEAD_MS = 2600;
const PAIR = { coming: "A pair is coming: two phrases.", first: "The first …", second: "The second …", which: "Which was better?" };
const ANSWER_MS = 60000; // so long after the question an answer counts
const $ = (id) => document.getElementById(id);
let low = 52, high = 80;
let flashed = { number: -1, at: -1e9 };

export function start(say) {
  for (const button of document.querySelectorAll("[data-rate]")) {
    button.addEventListener("click", () => rate(Number(button.dataset.rate)));
  }
  $("role").addEventListener("click", () => command("role"));
  listen("rated", ([, number, value, , phrase]) => {
    if (phrase === NOTHING_REACHED) { say("Nothing rated: it has not played just now."); return; }
    flash(value);
    flashed = { number, at: performance.now() };
    setTimeout(() => reached(say), 60);
  });
  listen("said", ([, text]) => say(text));
  listen("did", ([, name]) => {
    if (name === "undo") say("Took the last rating or answer back.");
    if (name === "forget") say("Took the ratings of the last 30 s back.");
    if (name === "panic") say("Panic: all notes off.");
  });
}

function flash(value) {
  const sign = $("flash");
  sign.textContent = (value > 0 ? "▲" : value < 0 ? "▼" : "◆").repeat(Math.abs(value) > 0.75 ? 2 : 1);
  sign.className = value < 0 ? "no" : "yes";
  void sign.offsetWidth;
  sign.classList.add("show");
  if (calm.matches) setTimeout(() => sign.classList.remove("show"), 1000);
}

function reached(say) {
  const rating = state.ratings.find((row) => row.number === flashed.number);
  if (!rating) return;
  const most = Math.max(0, ...rating.reached.map((row) => row.weight));
  const notes = [];
  for (const { event, weight } of rating.reached) {
    const top = (state.events.get(event) || [])[0];
    if (top && weight >= most / 3 && !notes.includes(top)) notes.push(top);
  }
  notes.sort((a, b) => a.t - b.t);
  const word = rating.value > 0 ? "▲ liked" : rating.value < 0 ? "▼ disliked" : "◆ so-so";
  const what = rating.phrase >= 0 ? `the phrase (${notes.length} notes)` : notes.map((row) => noteName(row.note)).join(" ") || "the silence";
  $("reached").textContent = `${word}: ${what}`;
  say(`${word.slice(2)}: ${what}`);
}

// Where the pair stands, with its buttons, as long as an answer counts.
function pair() {
  const { at, t } = state.pair;
  const open = at in PAIR && live() && !(at === "which" && now() - t > ANSWER_MS);
  $("pair").hidden = !open;
  if (!open) return;
  set("pair-text", PAIR[at]);
  $("pair-first").classList.toggle("sounds", at === "first");
  $("pair-second").classList.toggle("sounds", at === "second");
}

// The words of the view; called a few times a second.
export function words() {
  const beat = state.beat;
  pair();
  if (!beat) return;
  const marks = [flag(MUTED) ? "MUTE" : "", flag(CLICK) ? "click" : "", flag(EXTERNAL) ? "ext" : ""].filter(Boolean);
  set("role", beat.role);
  const phase = $("phase");
  set("phase", [PHASES[beat.phase], ...marks].join(" · "));
  phase.className = `sub ${beat.phase === 2 ? "plays" : beat.phase === 1 || beat.phase === 3 ? "yours" : ""}`;
  set("key", beat.key.replace("#", "♯").replace(/^([A-G])b/, "$1♭"));
  set("taste", state.facts.taste ? `taste: ${state.facts.taste}` : "");
  set("chord", state.chord || "–");
  set("chart", state.settings.changes || "");
  set("tempo", String(Math.round(beat.tempo)));
}

export function set(id, text) {
  const element = $(id);
  if (element.textContent !== text) element.textContent = text;
}

function beatLights() {
  const beat = state.beat, row = $("beats");
  if (!beat) return;
  if (row.children.length !== beat.beats) {
    row.replaceChildren(...Array.from({ length: beat.beats }, (_, i) => {
      const light = document.createElement("i");
      light.className = i ? "" : "one";
      return light;
    }));
  }
  const lit = now() >= state.beatAt ? beat.beat : (beat.beat + beat.beats - 2) % beat.beats + 1;
  [...row.children].forEach((light, i) => light.classList.toggle("on", i + 1 === lit));
}

export function frame() {
  beatLights();
  const t = now();
  const shown = state.notes.filter((row) => (row.end ?? t) > t - PAST_MS);
  for (const { note } of [...shown, ...state.plan.filter((row) => row.note >= 0)]) {
    low = Math.min(low, note - 2);
    high = Math.max(high, note + 2);
  }
  roll(t, shown);
  piano(t);
}

function roll(t, shown) {
  const [g, width, height] = clear($("roll"));
  const row = grid(g, width, height, low, high);
  const x = (at) => width * (at - t + PAST_MS) / (PAST_MS + AHEAD_MS);
  const y = (note) => height - (note - low + 1) * row + 1;
  beats(g, t, x, height);
  const line = x(t);
  g.fillStyle = "#ffffff0b";
  g.fillRect(line, 0, width - line, height);
  for (const note of shown) {
    const from = x(note.t), to = x(note.end ?? t);
    const colour = note.by === AGENT ? COLOURS.agent : COLOURS.player;
    const lit = note.lit !== undefined && performance.now() - note.lit < 2500;
    if (lit) {
      const good = note.credit >= 0;
      g.shadowColor = good ? COLOURS.yes : COLOURS.no;
      g.shadowBlur = 18;
      bar(g, from, y(note.note) - 2, to - from, row + 2, note.by, good ? COLOURS.yes : COLOURS.no);
      g.shadowBlur = 0;
      triangle(g, from + 6, y(note.note) - 9, 7, good, good ? COLOURS.yes : COLOURS.no);
    } else bar(g, from, y(note.note), to - from, row - 2, note.by, colour);
  }
  for (const event of state.plan) {
    const from = x(timeOf(event.tick));
    if (event.note < 0 || from < line - 2) continue;
    const long = width * event.ticks * 60000 / state.beat.tempo / 12 / (PAST_MS + AHEAD_MS) * 0.92;
    for (const note of [event.note, ...event.added]) {
      bar(g, from, y(note) + 1, long, row - 4, AGENT, "#f0a50033");
      bar(g, from, y(note) + 1, long, row - 4, AGENT, COLOURS.agent, "line");
    }
  }
  g.fillStyle = COLOURS.ink;
  g.fillRect(line - 1, 0, 2, height);
  g.font = "600 13px system-ui, sans-serif";
  g.fillStyle = COLOURS.player;
  g.fillText("■ you", width - 210, 14);
  g.fillStyle = COLOURS.agent;
  g.fillText("● agent", width - 155, 14);
  g.fillText("◌ planned", width - 85, 14);
}

function beats(g, t, x, height) {
  const beat = state.beat;
  if (!beat) return;
  const from = beat.tick - Math.ceil(PAST_MS * beat.tempo / 60000 * 12 / beat.unit) * beat.unit;
  for (let tick = from; timeOf(tick) < t + AHEAD_MS; tick += beat.unit) {
    g.fillStyle = tick % (beat.unit * beat.beats) === 0 ? "#ffffff2e" : "#ffffff12";
    g.fillRect(x(timeOf(tick)), 0, 1, height);
  }
}

const BLACK = [1, 3, 6, 8, 10];

function piano(t) {
  const [g, width, height] = clear($("piano"));
  const first = low - (low % 12), last = high + 11 - (high % 12);
  const whites = [];
  for (let note = first; note <= last; note++) if (!BLACK.includes(note % 12)) whites.push(note);
  const step = width / whites.length;
  const left = new Map(whites.map((note, i) => [note, i * step]));
  const down = new Map();
  for (const row of state.sounding.values()) down.set(row.note, row.by);
  const coming = state.likely.odds && timeOf(state.likely.tick) > t - 200 ? new Map(state.likely.odds) : new Map();
  const shares = [];
  const key = (note, x, w, h, black) => {
    const by = down.get(note);
    g.fillStyle = by === AGENT ? COLOURS.agent : by !== undefined ? COLOURS.player : black ? "#1a1f2b" : "#d9dee8";
    g.beginPath();
    g.roundRect(x + 0.75, 0, w - 1.5, h, [0, 0, 5, 5]);
    g.fill();
    const p = coming.get(note) || 0;
    if (p >= 0.01) {
      const tall = (h - 22) * Math.sqrt(p);
      g.fillStyle = black ? "#f0a500dd" : "#a86f00dd";
      g.fillRect(x + w * 0.22, h - 4 - tall, w * 0.56, tall);
      if (p >= 0.08) shares.push([`${Math.round(p * 100)}%`, x + w / 2, h - 14 - tall]);
    }
  };
  for (const note of whites) key(note, left.get(note), step, height, false);
  g.font = "600 11px system-ui, sans-serif";
  for (const note of whites) if (note % 12 === 0) { g.fillStyle = "#3a4356"; g.fillText(noteName(note), left.get(note) + 5, height - 9); }
  for (let note = first; note <= last; note++) {
    if (BLACK.includes(note % 12)) key(note, left.get(note - 1) + step * 0.66, step * 0.68, height * 0.62, true);
  }
  g.font = "700 14px system-ui, sans-serif";
  g.textAlign = "center";
  g.textBaseline = "middle";
  for (const [text, middle, top] of shares) {
    const wide = g.measureText(text).width + 8;
    const x = Math.min(Math.max(middle, wide / 2), width - wide / 2), y = Math.max(top, 10); // all of it within the keys
    g.fillStyle = "#0b0d12d0";
    g.beginPath();
    g.roundRect(x - wide / 2, y - 9, wide, 18, 4);
    g.fill();
    g.fillStyle = COLOURS.agent;
    g.fillText(text, x, y + 1);
  }
  g.textAlign = "left";
  g.textBaseline = "alphabetic";
}
