// What the page knows: the server's events, folded into one object. `listen(name, f)` calls f(event) after each.

export const SOURCES = ["keys", "midi", "page", "virtual", "api"];
export const PHASES = ["listening", "your call", "playing", "yielded", "stopped"];
export const HELD = 1, MUTED = 2, CLICK = 4, EXTERNAL = 8;
export const NOTHING_REACHED = -2; // the phrase of a press that no note was there for: it is no rating
export const PLAYER = 0, AGENT = 1;
const KEEP_MS = 120000;
const NAMES = ["C", "C♯", "D", "E♭", "E", "F", "F♯", "G", "A♭", "A", "B♭", "B"];

export const state = {
  connected: false, take: null, settings: {}, controls: [], beat: null, beatAt: 0, chord: "", plan: [], likely: [],
  notes: [], sounding: new Map(), events: new Map(), ratings: [], stands: 0, ledger: null, about: [], facts: {},
  takes: [], pair: { at: "", t: 0 }, began: 0, lost: 0, inAt: -1e9, outAt: -1e9, curve: [], ended: false, credits: [],
};
const listeners = new Map();
let offset = null;

export function listen(name, f) {
  listeners.set(name, [...(listeners.get(name) || []), f]);
}

export function tellAll(name, event) {
  for (const f of listeners.get(name) || []) f(event);
}

export function noteName(note) {
  return NAMES[note % 12] + (Math.floor(note / 12) - 1);
}

export function clock(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}

// The server's time now, in its ms.
export function now() {
  return offset === null ? 0 : performance.now() - offset;
}

// A frame says when it was sent: the smallest lag seen is the clocks' difference (it may drift: 1 ms a minute is let in).
export function sync(sent) {
  const lag = performance.now() - sent;
  offset = offset === null || lag < offset ? lag : offset + Math.min(lag - offset, 0.0002);
}

export function forgetClock() {
  offset = null;
}

// When a tick sounds, in ms.
export function timeOf(tick) {
  const beat = state.beat;
  return beat ? state.beatAt + (tick - beat.tick) * 60000 / beat.tempo / 12 : 0;
}

// Whether what is shown is what goes on just now.
export function live() {
  return state.connected && !state.ended;
}

export function counted(n, word) {
  return `${n} ${word}${n === 1 ? "" : "s"}`;
}

export function flag(bit) {
  return Boolean(state.beat && state.beat.flags & bit);
}

const TAKE = {
  take(t, many, settings, controls) {
    Object.assign(state, { take: many, settings, controls, began: t, plan: [], likely: [], chord: "", ratings: [],
      stands: 0, about: [], lost: 0, ended: false, curve: [], credits: [], pair: { at: "", t: 0 } });
    state.sounding.clear();
    state.events.clear();
  },
  on(t, channel, note, velocity, by, event) {
    const key = channel * 128 + note;
    close(key, t);
    if (by > AGENT) return;
    const row = { t, end: null, note, velocity, by, event, channel, credit: 0, count: 0 };
    state.sounding.set(key, row);
    state.notes.push(row);
    if (event >= 0) {
      const rows = state.events.get(event) || [];
      rows.push(row);
      state.events.set(event, rows);
    }
    while (state.notes.length && state.notes[0].t < t - KEEP_MS) state.events.delete(state.notes.shift().event);
    state[by === AGENT ? "outAt" : "inAt"] = performance.now();
  },
  off(t, channel, note) { close(channel * 128 + note, t); },
  in() { state.inAt = performance.now(); },
  beat(t, tick, tempo, tonic, key, phase, role, flags, beat, beats, unit) {
    state.beat = { tick, tempo, tonic, key, phase, role, flags, beat, beats, unit };
    state.beatAt = t;
  },
  chord(t, label) { state.chord = label; },
  plan(t, rows) { state.plan = rows.map(([tick, ticks, note, added]) => ({ tick, ticks, note, added })); },
  likely(t, tick, odds) { state.likely = { tick, odds }; },
  rated(t, number, value, source, phrase) {
    const old = state.ratings.findIndex((row) => row.number === number);
    const row = { t, number, value, source, phrase, reached: [] };
    if (old >= 0) { takeBack(state.ratings[old]); state.ratings[old] = row; } else state.ratings.push(row);
    curve(t);
  },
  answer(t, number, answer) {
    state.ratings.push({ t, number, value: 0, answer, source: "pair", phrase: 0, reached: [] });
  },
  credit(t, number, event, head, weight) {
    const rating = state.ratings.findLast((row) => row.number === number);
    const rows = state.events.get(event);
    if (!rating || !rows) return;
    rating.reached.push({ event, weight });
    for (const row of rows) { row.credit += rating.value * weight; row.count += 1; row.lit = performance.now(); }
  },
  stands(t, many) {
    while (state.ratings.length > many) takeBack(state.ratings.pop());
    state.stands = many;
    curve(t);
  },
  ledger(t, notesIn, notesOut, p50, p99, max, misses) { state.ledger = { notesIn, notesOut, p50, p99, max, misses }; },
  about(t, names) { state.about = names; },
  controls(t, rows) { state.controls = rows; },
  pair(t, at) { state.pair = { at, t }; },
  said() {},
  taste() {},
  did() {},
  loss(t, count) { state.lost += count; },
  end(t) { state.ended = true; for (const key of [...state.sounding.keys()]) close(key, t); },
};

function close(key, t) {
  const row = state.sounding.get(key);
  if (!row) return;
  row.end = Math.max(t, row.t + 1);
  state.sounding.delete(key);
}

function takeBack(rating) {
  for (const { event, weight } of rating.reached) {
    for (const row of state.events.get(event) || []) { row.credit -= rating.value * weight; row.count -= 1; }
  }
}

// Mean of all ratings and of the last eight, after each; and the reward they brought (value times credited weight).
function curve(t) {
  const rated = state.ratings.filter((row) => !row.answer && row.phrase !== NOTHING_REACHED);
  if (!rated.length) { state.curve = []; return; }
  const mean = (rows) => rows.reduce((sum, row) => sum + row.value, 0) / rows.length;
  state.curve = rated.map((row, i) => ({
    t: (row.t - state.began) / 1000, mean: mean(rated.slice(0, i + 1)), last: mean(rated.slice(Math.max(0, i - 7), i + 1)),
    row,
  }));
}

export function take(frame) {
  if (frame.now !== undefined) sync(frame.now);
  if (frame.facts) state.facts = frame.facts;
  if (frame.hello) { state.notes = []; state.sounding.clear(); state.events.clear(); state.ratings = []; }
  for (const [name, t, ...values] of frame.e || []) {
    if (!Object.hasOwn(TAKE, name)) continue;
    TAKE[name](t, ...values);
    if (!frame.hello) tellAll(name, [t, ...values]);
  }
  if (frame.hello) tellAll("hello", frame);
  for (const name of ["facts", "takes", "doctor", "explain", "wav", "error", "told", "pong"]) {
    if (frame[name] === undefined) continue;
    if (name === "takes") state.takes = frame.takes;
    tellAll(name, frame[name]);
  }
}
