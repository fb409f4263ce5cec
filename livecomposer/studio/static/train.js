// F2: what ratings reached, when they came, what was learnt, and a first tour.

import uPlot from "./vendor/uPlot.esm.js";
import { ask, command, rate } from "./link.js";
import { bar, clear, COLOURS, grid, range, triangle } from "./draw.js";
import { AGENT, counted, flag, HELD, listen, NOTHING_REACHED, now, SOURCES, state } from "./state.js";

const PAST_MS = 40000, TOUR = 10, SIDE_MS = 9000;
const FEW = 8; // ratings; fewer say nothing for sure
const ANSWERED_MS = 900; // a rating that has reached something has said so by then
const HEADS = ["rhythm", "notes", "chords"];
const $ = (id) => document.getElementById(id);
let chart = null;
let explain = null, asked = 0, due = 0;
const tour = { on: false, left: 0, first: 0, before: [], after: 0, from: null, rated: false, reachedAt: 0, hinted: false };

export function start() {
  for (const button of document.querySelectorAll("[data-about]")) {
    button.addEventListener("click", () => command(button.dataset.about));
  }
  listen("explain", (found) => { explain = found; learnt(); if (tour.on) tourLearnt(); });
  for (const name of ["rated", "stands", "answer", "hello", "take"]) listen(name, () => { due = performance.now() + 2500; plot(); });
  listen("rated", ([, , , source, phrase]) => {
    tour.rated = source !== "api";
    if (phrase === NOTHING_REACHED) missed();
  });
  listen("credit", reached);
  for (const name of ["credit", "stands", "answer", "facts"]) listen(name, () => { if (!explain || explain.problem) learnt(); });
  listen("pressed", pressed);
  listen("about", mark);
  $("tour-open").addEventListener("click", openTour);
  $("tour-like").addEventListener("click", () => rate(0.5));
  $("tour-dislike").addEventListener("click", () => rate(-0.5));
  $("tour-mend").addEventListener("click", () => { if (flag(HELD)) command("held", 0); else command("role", "solo"); listenOn(); });
  $("tour-close").addEventListener("click", () => $("tour").close());
  $("tour").addEventListener("close", () => { tour.on = false; });
}

export function shown() {
  plot();
  learnt();
  mark();
  if (!asked) look();
}

function look() {
  asked = performance.now();
  due = 0;
  ask("explain");
}

function mark() {
  for (const button of document.querySelectorAll("[data-about]")) {
    button.setAttribute("aria-pressed", String(state.about.includes(button.dataset.about)));
  }
}

export function words() {
  const slider = document.querySelector('[data-knob="adventure"]');
  if (slider.dataset.touched === undefined && state.settings.adventure !== undefined) slider.value = state.settings.adventure;
  $("adventure-out").textContent = Number(slider.value).toFixed(2);
  if (due && performance.now() > due && performance.now() - asked > 5000) look();
}

export function frame() {
  credit();
  timeline();
  if ($("tour").open) tourRolls();
}

// The agent's notes as their credit has it: colour, and a triangle up or down; what nobody rated is grey.
function credit() {
  const t = now();
  const [g, width, height] = clear($("credit"));
  const rows = state.notes.filter((row) => (row.end ?? t) > t - PAST_MS);
  const [low, high] = range(rows);
  const row = grid(g, width, height, low, high);
  const x = (at) => width * (at - t + PAST_MS) / PAST_MS;
  for (const note of rows) {
    const from = x(note.t), long = x(note.end ?? t) - from, y = height - (note.note - low + 1) * row + 1;
    const sure = Math.abs(note.credit) > 0.02;
    const good = note.credit > 0;
    const colour = note.by !== AGENT ? "#56b4e955" : sure ? (good ? COLOURS.yes : COLOURS.no) : "#7a8499";
    g.globalAlpha = note.by === AGENT && sure ? Math.min(0.45 + Math.abs(note.credit), 1) : 1;
    bar(g, from, y, long, Math.max(row - 2, 3), note.by, colour);
    g.globalAlpha = 1;
    if (note.by === AGENT && sure && (state.events.get(note.event) || [])[0] === note) triangle(g, from + 4, good ? y - 6 : y + row + 5, 5, good, colour);
  }
  if (!rows.some((note) => note.count > 0)) hint(g, width, "▲ liked   ▼ disliked   grey: nobody said");
}

function hint(g, width, text) {
  g.font = "600 13px system-ui, sans-serif";
  g.fillStyle = COLOURS.quiet;
  g.textAlign = "right";
  g.fillText(text, width - 10, 12);
  g.textAlign = "left";
}

// A row for each source: when, which way, how strongly (the size).
function timeline() {
  const [g, width, height] = clear($("timeline"));
  const end = Math.max(now() - state.began, 30000);
  const rows = [...SOURCES.slice(0, 4), "pair"].filter((name) => ["keys", "midi", "page"].includes(name) || state.ratings.some((r) => r.source === name));
  const tall = height / rows.length;
  g.font = "600 12px system-ui, sans-serif";
  g.textBaseline = "middle";
  rows.forEach((name, i) => {
    g.fillStyle = COLOURS.line;
    g.fillRect(54, (i + 0.5) * tall, width - 60, 1);
    g.fillStyle = COLOURS.quiet;
    g.fillText(name, 6, (i + 0.5) * tall);
    for (const rating of state.ratings) {
      if (rating.source !== name || rating.phrase === NOTHING_REACHED) continue;
      const x = 60 + (width - 74) * (rating.t - state.began) / end;
      if (rating.answer) { g.fillStyle = COLOURS.ink; g.fillText({ a: "1", b: "2", neither: "0" }[rating.answer], x - 4, (i + 0.5) * tall); continue; }
      triangle(g, x, (i + 0.5) * tall, 4 + 5 * Math.abs(rating.value), rating.value >= 0, rating.value >= 0 ? COLOURS.yes : COLOURS.no);
    }
  });
}

function plot() {
  const box = $("curve");
  if (!box.clientWidth) return;
  const rows = state.curve;
  let won = 0;
  const data = [rows.map((r) => r.t), rows.map((r) => r.last), rows.map((r) => r.mean), rows.map((r) => (won += r.row.value))];
  if (chart && chart.width === box.clientWidth) { chart.setData(data); return; }
  if (chart) chart.destroy();
  const axis = { stroke: COLOURS.quiet, grid: { stroke: "#232a38" }, ticks: { stroke: "#232a38" } };
  chart = new uPlot({
    width: box.clientWidth, height: box.clientHeight, scales: { x: { time: false }, y: { range: [-1.05, 1.05] }, sum: {} },
    axes: [{ ...axis, values: (_, at) => at.map((s) => `${s} s`) }, axis, { ...axis, scale: "sum", side: 1, grid: { show: false } }],
    legend: { show: false },
    series: [{ label: "time" }, { label: "liking, last 8", stroke: COLOURS.yes, width: 3 },
      { label: "liking, all", stroke: COLOURS.player, width: 2, dash: [6, 4] },
      { label: "reward in all (right)", stroke: COLOURS.agent, width: 2, scale: "sum", dash: [2, 4] }],
  }, data, box);
}

function learnt() {
  const note = $("learnt-note");
  if (!explain || explain.problem) {
    note.textContent = unexplained();
    $("learnt").replaceChildren();
    return;
  }
  const told = (statements) => statements.map((s) => `${s.says} ${[s.words, ...s.or].join(" or ")}`).join("; ");
  const known = explain.ratings + explain.pairs, n = Math.max(known, given());
  const unsure = n < FEW ? tooFew(n) : known < FEW ? "The last ones are being looked at …" : "Sure of nothing yet: rate on.";
  const pairs = explain.pairs ? `, ${counted(explain.pairs, "pair")}` : "";
  const sure = explain.statements.length ? `Sure of: ${told(explain.statements)}.` : unsure;
  const maybe = explain.maybe.length ? ` Perhaps: ${told(explain.maybe)}.` : "";
  note.textContent = `${counted(explain.ratings, "rating")}${pairs}. ${sure}${maybe}`;
  const stated = new Set(explain.statements.map((s) => s.feature));
  const rows = [...explain.effects].sort((a, b) => Math.abs(b.worth) / b.sd - Math.abs(a.worth) / a.sd);
  const list = $("learnt");
  list.replaceChildren();
  for (const [head, of] of HEADS.map((name, i) => [name, rows.filter((row) => headOf(row.feature) === i).slice(0, 6)])) {
    const title = document.createElement("h2");
    title.textContent = head;
    list.append(title, ...of.map((row) => effect(row, stated.has(row.feature))));
  }
}

function tooFew(n) {
  return `Too few to be sure of anything: about ${FEW - n} more.`;
}

// Ratings and answers of this take from which something has been learnt.
function given() {
  return state.ratings.filter((row) => row.answer || row.reached.length).length;
}

// What to say while there is nothing to explain.
function unexplained() {
  const { agent } = state.facts;
  if (agent && agent !== "dyna-q") return `Agent ${agent} keeps no reasons for what it plays; dyna-q does.`;
  const n = given();
  if (!n) return "Nothing yet: rate what it plays.";
  return `${counted(n, "rating")} so far. ${n < FEW ? tooFew(n) : "It is being looked at …"}`;
}

const RHYTHM = ["length", "place", "before", "long", "rests", "off"];
const HARMONY = ["voicing", "voices", "harshness", "bass", "triads", "sevenths", "full", "harsh"];

function headOf(feature) {
  const table = feature.split(".")[0];
  return RHYTHM.includes(table) ? 0 : HARMONY.includes(table) ? 2 : 1;
}

// A bar from nothing to the worth, and whiskers of one standard deviation.
function effect(row, sure) {
  const line = document.createElement("div");
  line.className = "learnt";
  const name = document.createElement("span");
  name.className = "name";
  name.textContent = (row.worth >= 0 ? "▲ " : "▼ ") + row.words + (sure ? "" : " ?");
  name.title = `${row.worth.toFixed(2)} ± ${row.sd.toFixed(2)}, ${row.ratings} ratings`;
  const canvas = document.createElement("canvas");
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", `worth ${row.worth.toFixed(2)} plus or minus ${row.sd.toFixed(2)}`);
  line.append(name, canvas);
  requestAnimationFrame(() => {
    const [g, width, height] = clear(canvas);
    const x = (v) => width / 2 + Math.max(-1, Math.min(1, v / 1.5)) * width / 2;
    g.fillStyle = row.worth >= 0 ? COLOURS.yes : COLOURS.no;
    g.globalAlpha = sure ? 1 : 0.55;
    g.fillRect(Math.min(x(0), x(row.worth)), 4, Math.abs(x(row.worth) - x(0)), height - 8);
    g.globalAlpha = 1;
    g.fillStyle = COLOURS.ink;
    g.fillRect(x(row.worth - row.sd), height / 2 - 1, x(row.worth + row.sd) - x(row.worth - row.sd), 2);
    g.fillStyle = COLOURS.quiet;
    g.fillRect(width / 2, 0, 1, height);
  });
  return line;
}

// ---- the tour

function openTour() {
  Object.assign(tour, { on: true, left: TOUR, first: now(), after: 0, from: explain, before: lastNotes(now()), rated: false });
  listenOn();
  $("tour-learnt").textContent = "";
  dots();
  $("tour").showModal();
  if (!asked) look();
}

function listenOn() {
  tour.hinted = false;
  $("tour-mend").hidden = true;
  $("tour-text").textContent = "Listen to the agent (the round, yellow notes). Whenever you like what it plays, press →; when you do not, ←. Ten times, and you see what has changed.";
}

// A press that reaches nothing is not counted: what to do about it is said instead.
function pressed() {
  const at = performance.now();
  setTimeout(() => { if (tour.reachedAt < at - ANSWERED_MS) missed(); }, ANSWERED_MS);
}

function missed() {
  if (!tour.on || !tour.left) return;
  tour.hinted = true;
  const held = flag(HELD), solo = state.beat && state.beat.role === "solo";
  $("tour-mend").hidden = Boolean(solo) && !held;
  $("tour-mend").textContent = held ? "Let it learn" : "Let it play solo";
  const why = held ? "it is HELD, and does not learn. Let it learn, then rate on."
    : `the agent has not played just now. ${solo ? "Wait until it plays." : "Play something for it to join in, or choose solo, where it plays by itself."}`;
  $("tour-text").textContent = `That rated nothing: ${why}`;
}

// The credit of a rating comes at once, a row for each thing that it reached: the first of them counts.
function reached() {
  if (!tour.on || !tour.left || !tour.rated) return;
  tour.rated = false;
  tour.reachedAt = performance.now();
  if (tour.hinted) listenOn();
  tour.left -= 1;
  dots();
  if (tour.left > 0) return;
  tour.after = now();
  $("tour-text").textContent = "Ten presses. Listen on: this is what it plays now, and what it has made of your answers.";
  setTimeout(look, 2000);
}

function dots() {
  $("tour-dots").textContent = "●".repeat(TOUR - tour.left) + "○".repeat(tour.left);
}

function tourLearnt() {
  if (tour.left > 0 || !explain || explain.problem) return;
  const was = new Map((tour.from && tour.from.effects || []).map((row) => [row.feature, row.worth]));
  const moved = explain.effects.map((row) => [row, row.worth - (was.get(row.feature) || 0)]).sort((a, b) => Math.abs(b[1]) - Math.abs(a[1]));
  $("tour-learnt").textContent = `What moved most: ${moved.slice(0, 3).map(([row, by]) => `${row.words} ${by > 0 ? "▲" : "▼"}`).join(", ")}.`;
}

function lastNotes(until) {
  return state.notes.filter((row) => row.by === AGENT && row.t > until - SIDE_MS).map((row) => ({ ...row, end: row.end ?? until }));
}

function tourRolls() {
  side($("tour-before"), tour.before, tour.first);
  const until = tour.after ? Math.min(now(), tour.after + SIDE_MS) : 0;
  side($("tour-after"), tour.after ? state.notes.filter((row) => row.by === AGENT && row.t > tour.after && row.t < until) : [], until);
}

function side(canvas, notes, until) {
  const [g, width, height] = clear(canvas);
  const [low, high] = range([...tour.before, ...notes], 55, 79);
  const row = grid(g, width, height, low, high);
  for (const note of notes) {
    const x = width * (note.t - until + SIDE_MS) / SIDE_MS;
    bar(g, x, height - (note.note - low + 1) * row, width * ((note.end ?? until) - note.t) / SIDE_MS, Math.max(row - 1, 3), AGENT, COLOURS.agent);
  }
}
