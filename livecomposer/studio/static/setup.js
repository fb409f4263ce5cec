// F4: what is plugged in, what controls do, settings that can change while playing, and the checks.

import { ask, command, midi } from "./link.js";
import { set } from "./stage.js";
import { counted, listen, noteName, state } from "./state.js";

const $ = (id) => document.getElementById(id);
const TONICS = ["C", "Db", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B"];
const SCALES = ["major", "minor", "dorian", "mixolydian", "major pentatonic", "blues"];
const SHOWN = ["role", "key", "tempo", "metre", "changes", "part", "seed", "player_channel", "agent_channel", "click_channel", "low", "high", "swing", "humanise", "delay", "budget_ms", "thru"];

// MIDI's words as a musician's
const MESSAGES = { note_on: "key or pad", polytouch: "pressure of key", control_change: "control", program_change: "program", aftertouch: "pressure", pitchwheel: "pitch wheel" };
const PEDALS = { 64: "sustain pedal", 66: "middle pedal", 67: "soft pedal" };
const DOES = {
  rate: "rates, from dislike to like", rate_up: "like", rate_down: "dislike", undo: "takes the last rating back",
  forget: "takes the last 30 s back", panic: "panic: all notes off", role: "next role", held: "learning or held", mute: "mutes the agent",
  tap: "taps the tempo", click: "click on, off", end: "end, go on", key_next: "next key", taste: "next taste",
  about_rhythm: "rate rhythm only", about_notes: "rate notes only", about_chords: "rate chords only", ab: "A/B pair",
  ab_a: "the first of a pair", ab_b: "the second of a pair", ab_none: "neither of a pair", level: "level of the agent",
  adventure: "adventure", outside: "outside", tempo: "tempo",
};
const NAMES = {
  changes: "chords", player_channel: "your channel", agent_channel: "agent's channel", click_channel: "channel of the click",
  low: "lowest note", high: "highest note", budget_ms: "time to decide", thru: "your keys sound",
};
const NOW_MS = 8000; // so long it is said that an agent plays now
const ASKED_MS = 3000; // so long until it is known whether an agent is being prepared
const agents = { plays: "", since: -1e9, wanted: "", asked: -1e9 };

export function start(say) {
  $("set-key").append(...["auto", ...TONICS.flatMap((tonic) => SCALES.map((scale) => `${tonic} ${scale}`))].map(option));
  $("set-key").addEventListener("change", (event) => command("key", event.target.value));
  $("set-role").addEventListener("change", (event) => command("role", event.target.value));
  $("set-agent").addEventListener("change", (event) => {
    command("agent", event.target.value);
    event.target.value = state.facts.agent; // until the other one plays
  });
  listen("did", ([, name, value]) => { if (name === "agent") agentAsked(value, say); });
  listen("facts", () => agentPlays(say));
  for (const side of ["in", "out"]) {
    $(`port-${side}`).addEventListener("change", (event) => ask("port", { side, name: event.target.value }));
  }
  for (const button of document.querySelectorAll("[data-learn]")) {
    button.addEventListener("click", () => ask("learn", { step: button.dataset.learn }));
  }
  listen("facts", lesson);
  for (const slider of document.querySelectorAll("[data-knob]")) {
    slider.addEventListener("input", () => {
      slider.dataset.touched = "yes";
      command(slider.dataset.knob, Number(slider.value));
      knobs();
    });
  }
  $("doctor").addEventListener("click", () => { ask("doctor"); $("doctor").disabled = true; $("doctor-state").textContent = "Checking: some seconds …"; });
  listen("doctor", (found) => { $("doctor").disabled = false; checks(found); });
  listen("facts", ports);
  listen("take", controls);
  listen("controls", controls);
  listen("hello", controls);
  $("web-midi").addEventListener("click", () => webMidi(say));
}

export function shown() {
  ports();
  lesson();
  controls();
  knobs();
}

function option(text) {
  const made = document.createElement("option");
  made.textContent = text;
  return made;
}

function ports() {
  const facts = state.facts;
  for (const side of ["in", "out"]) {
    const select = $(`port-${side}`);
    const names = facts[`${side}puts`] || [];
    const chosen = facts[`midi_${side}`] || "";
    const wanted = JSON.stringify([names, chosen]);
    if (select.dataset.shows === wanted) continue;
    select.dataset.shows = wanted;
    const none = option(side === "in" ? "none: the computer keys" : "none: the built-in sound");
    none.value = "";
    select.replaceChildren(none, ...names.map(option));
    if (chosen && !names.includes(chosen)) select.append(option(chosen));
    select.value = chosen;
    select.disabled = !names.length;
  }
  const agent = $("set-agent");
  if (agent.options.length !== (facts.agents || []).length) agent.replaceChildren(...facts.agents.map(option));
  if (agent.value !== facts.agent) agent.value = facts.agent || "";
  $("taste-name").textContent = facts.taste || "none";
  $("sound").textContent = facts.sound || "";
  $("profile").textContent = facts.profile || "none";
}

// What the controller is being asked, and what it answered. Focus follows the buttons, which change places.
function lesson() {
  const box = $("lesson"), teach = $("teach"), now = state.facts.lesson;
  const moved = box.hidden === Boolean(now), held = document.activeElement;
  const mine = held === document.body || box.contains(held) || teach.contains(held);
  box.hidden = !now;
  teach.hidden = Boolean(now);
  for (const button of teach.children) {
    button.disabled = !state.facts.midi_in;
    button.title = button.disabled ? "choose a MIDI in first" : "";
  }
  if (now) {
    set("lesson-ask", now.prompt ? `${now.prompt[0].toUpperCase()}${now.prompt.slice(1)}.` : "");
    set("lesson-said", now.said);
  }
  if (moved && mine && !$("setup").hidden) (now ? box : teach).querySelector("button").focus();
}

function agentAsked(value, say) {
  const names = state.facts.agents || [], { agent } = state.facts;
  const wanted = value ?? names[(names.indexOf(state.facts.preparing || agent) + 1) % names.length];
  if (!wanted || wanted === agent) return;
  Object.assign(agents, { wanted, asked: performance.now() });
  say(`Preparing agent ${wanted} …`);
}

function agentPlays(say) {
  const { agent } = state.facts;
  if (!agent || agent === agents.plays) return;
  if (agents.plays) {
    agents.since = performance.now();
    say(`Agent ${agent} plays now.`);
  }
  Object.assign(agents, { plays: agent, wanted: "" });
}

function agentWords() {
  const t = performance.now();
  const coming = state.facts.preparing || (t - agents.asked < ASKED_MS ? agents.wanted : "");
  return coming ? `preparing ${coming} …` : t - agents.since < NOW_MS ? `${agents.plays} plays now` : "";
}

// What a control is: its name, and the number by which MIDI knows it.
function controlName(message, number) {
  const name = MESSAGES[message] || message;
  if (message === "control_change") return `${PEDALS[number] || name} (CC ${number})`;
  if (message === "note_on" || message === "polytouch") return `${name} ${noteName(number)} (${number})`;
  return message === "program_change" ? `${name} ${number}` : name;
}

function controls() {
  const body = $("controls");
  body.replaceChildren();
  for (const [message, channel, number, role] of state.controls) {
    const row = body.insertRow();
    for (const text of [controlName(message, number), channel < 0 ? "any" : String(channel + 1), DOES[role] || role]) row.insertCell().textContent = text;
  }
  const list = $("settings");
  list.replaceChildren();
  for (const name of SHOWN) {
    const value = state.settings[name];
    if (value === undefined || value === "") continue;
    const term = document.createElement("dt"), said = document.createElement("dd");
    term.textContent = NAMES[name] || name;
    said.textContent = name === "low" || name === "high" ? `${noteName(value)} (${value})` : name === "budget_ms" ? `${value} ms` : String(value);
    list.append(term, said);
  }
}

function knobs() {
  const first = { tempo: state.beat ? state.beat.tempo : state.settings.tempo, outside: state.settings.outside, level: 100 / 127, adventure: state.settings.adventure };
  for (const slider of document.querySelectorAll("[data-knob]")) {
    const knob = slider.dataset.knob;
    if ((slider.dataset.touched === undefined || (knob === "tempo" && document.activeElement !== slider)) && first[knob] !== undefined) slider.value = first[knob];
    const shown = knob === "tempo" ? String(Math.round(slider.value)) : Number(slider.value).toFixed(2);
    $(`${knob}-out`).textContent = shown;
  }
}

function checks(found) {
  const body = $("checks");
  body.replaceChildren();
  if (!Array.isArray(found)) { $("doctor-state").textContent = found.problem || "It could not be checked."; return; }
  const many = (how) => found.filter((row) => row.state === how).length;
  const bad = many("fail"), odd = many("warn");
  const what = [bad ? `${bad} failed` : "", odd ? counted(odd, "warning") : ""].filter(Boolean).join(", ");
  $("doctor-state").textContent = what ? `Checked: ${what}.` : "Checked: all is well.";
  for (const { check, state: how, found: text, fix } of found) {
    const row = body.insertRow();
    const name = row.insertCell();
    name.textContent = check;
    name.className = ["ok", "warn", "fail"].includes(how) ? how : "";
    row.insertCell().textContent = how === "ok" || !fix ? text : `${text}; ${fix}`;
  }
}

export function words() {
  const t = performance.now();
  $("lamp-in").classList.toggle("on", t - state.inAt < 150);
  $("lamp-out").classList.toggle("on", t - state.outAt < 150);
  if (state.beat) {
    const { role, key } = state.beat;
    if (document.activeElement !== $("set-role")) $("set-role").value = role;
    const select = $("set-key");
    if (document.activeElement !== select) {
      if (![...select.options].some((one) => one.value === key)) select.append(option(key));
      select.value = key;
    }
  }
  set("agent-state", agentWords());
  knobs();
}

async function webMidi(say) {
  if (!navigator.requestMIDIAccess) { $("web-midi-state").textContent = "This browser has no Web MIDI."; return; }
  try {
    const access = await navigator.requestMIDIAccess();
    const listenTo = () => {
      const inputs = [...access.inputs.values()];
      for (const input of inputs) input.onmidimessage = ({ data }) => { if (data[0] < 0xf0) midi([...data]); };
      $("web-midi-state").textContent = inputs.length ? inputs.map((input) => input.name).join(", ") : "No MIDI input here.";
    };
    access.onstatechange = listenTo;
    listenTo();
  } catch {
    $("web-midi-state").textContent = "This browser does not allow it.";
    say("Web MIDI was not allowed.");
  }
}
