// The computer keys: the table of the terminal, with real key-ups. Tab is the next role while nothing has the focus;
// F6 or a click goes to the controls, where Tab moves on, and Esc comes back.

import { ask, command, midi, rate } from "./link.js";
import { state } from "./state.js";

const PIANO = "awsedftgyhujk";
const RATES = { ArrowUp: 1, ArrowRight: 0.5, ArrowLeft: -0.5, ArrowDown: -1 };
const COMMANDS = {
  Backspace: "undo", Delete: "forget", i: "about_rhythm", o: "about_notes", p: "about_chords", " ": "held", b: "ab", 1: "ab_a",
  2: "ab_b", 0: "ab_none", v: "taste", r: "restore", l: "agent", m: "click", ".": "tap", "/": "mute", n: "end",
};
const VIEWS = { F1: "stage", F2: "train", F3: "takes", F4: "setup" };
export const HELP = [
  ["a w s e d f t g y h u j k", "piano (z x: octave down, up)"], ["↑ →", "strong like, like"], ["↓ ←", "strong dislike, dislike"],
  ["b", "a pair: two phrases from one context; again: leave it"], ["1 2 0", "which of the pair: the first, the second, neither"],
  ["Backspace", "take the last rating or answer back"], ["Delete", "take back all ratings of the last 30 s"],
  ["i o p", "rate rhythm, notes, chords only; again: all"], ["v", "your next taste"], ["l", "the next agent: another way of learning"], ["r", "back to the taste as it was; again: undo that"],
  ["Space", "LEARNING / HELD"], ["Tab", "next role (while no control has the focus)"], [".", "tap the tempo"], ["m", "click on, off"],
  ["/", "mute the agent"], ["n", "end: cadence and stop; again: go on"], ["Esc", "panic: all notes off; leaves the controls"],
  ["c", "save the last minutes as a MIDI file"], ["F1 F2 F3 F4", "Stage, Train, Takes, Setup"], ["F6", "to the controls: there Tab moves on"], ["?", "this help"],
];
const down = new Map();
let octave = 60;

function channel() {
  return (state.settings.player_channel || 1) - 1;
}

export function start(show, help) {
  addEventListener("keydown", (event) => press(event, show, help));
  addEventListener("keyup", (event) => release(event.code));
  addEventListener("blur", () => { for (const code of [...down.keys()]) release(code); });
}

function release(code) {
  const note = down.get(code);
  if (note === undefined) return;
  down.delete(code);
  midi([0x80 | channel(), note, 0]);
}

function press(event, show, help) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const target = event.target;
  const typing = target.matches("input:not([type=range]), textarea");
  const moving = target.matches("input[type=range], select, [tabindex]") || Boolean(target.closest("dialog"));
  const focused = target !== document.body;
  if (VIEWS[event.key]) { event.preventDefault(); show(VIEWS[event.key]); return; }
  if (event.key === "F6") { event.preventDefault(); document.querySelector("nav button").focus(); return; }
  if (typing) return;
  if (event.key === " " && target.closest("#help")) return; // there it scrolls
  if (event.key === "Escape") { command("panic"); if (focused && !target.closest("dialog")) target.blur(); return; }
  if (event.key === "Tab") { if (!focused && !event.shiftKey) { event.preventDefault(); command("role"); } return; }
  if ((event.key === " " || event.key === "Enter") && focused && target.matches("button, a, input, select")) return;
  if (event.key in RATES && (!moving || target.matches("dialog, dialog button"))) { event.preventDefault(); if (!event.repeat) rate(RATES[event.key]); return; }
  if (target.matches("select")) return;
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  if (key === "?") { help(); return; }
  if (key === "c") { if (!event.repeat) ask("save"); return; }
  if (key in COMMANDS) { event.preventDefault(); if (!event.repeat) command(COMMANDS[key]); return; }
  if (key === "z" || key === "x") { octave = Math.min(Math.max(octave + (key === "x" ? 12 : -12), 24), 96); return; }
  const semitone = PIANO.indexOf(key);
  if (key.length === 1 && semitone >= 0 && !event.repeat && !down.has(event.code)) {
    down.set(event.code, octave + semitone);
    midi([0x90 | channel(), octave + semitone, 90]);
  }
}
