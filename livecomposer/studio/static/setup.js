// F4: what is plugged in, what controls do, settings that can change while playing, and the checks.

import { ask, command, midi } from "./link.js";
import { listen, state } from "./state.js";

const $ = (id) => document.getElementById(id);
const TONICS = ["C", "Db", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B"];
const SCALES = ["major", "minor", "dorian", "mixolydian", "major pentatonic", "blues"];
const SHOWN = ["role", "key", "tempo", "metre", "changes", "part", "seed", "player_channel", "agent_channel", "click_channel", "low", "high", "swing", "humanise", "delay", "budget_ms", "thru"];

export function start(say) {
  $("set-key").append(...["auto", ...TONICS.flatMap((tonic) => SCALES.map((scale) => `${tonic} ${scale}`))].map(option));
  $("set-key").addEventListener("change", (event) => command("key", event.target.value));
  $("set-role").addEventListener("change", (event) => command("role", event.target.value));
  $("set-agent").addEventListener("change", (event) => command("agent", event.target.value));
  for (const side of ["in", "out"]) {
    $(`port-${side}`).addEventListener("change", (event) => ask("port", { side, name: event.target.value }));
  }
  for (const slider of document.querySelectorAll("[data-knob]")) {
    slider.addEventListener("input", () => {
      slider.dataset.touched = "yes";
      command(slider.dataset.knob, Number(slider.value));
      knobs();
    });
  }
  $("doctor").addEventListener("click", () => { ask("doctor"); $("doctor").disabled = true; say("Checking this machine …"); });
  listen("doctor", (found) => { $("doctor").disabled = false; checks(found); say("Checked."); });
  listen("facts", ports);
  listen("take", controls);
  listen("controls", controls);
  listen("hello", controls);
  $("web-midi").addEventListener("click", () => webMidi(say));
}

export function shown() {
  ports();
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
  if (document.activeElement !== agent) agent.value = facts.agent || "";
  $("taste-name").textContent = facts.taste || "none";
  $("sound").textContent = facts.sound || "";
  $("profile").textContent = facts.profile || "none";
}

function controls() {
  const body = $("controls");
  body.replaceChildren();
  for (const [message, channel, number, role] of state.controls) {
    const row = body.insertRow();
    for (const text of [message, channel < 0 ? "any" : String(channel + 1), String(number), role]) row.insertCell().textContent = text;
  }
  const list = $("settings");
  list.replaceChildren();
  for (const name of SHOWN) {
    const value = state.settings[name];
    if (value === undefined || value === "") continue;
    const term = document.createElement("dt"), said = document.createElement("dd");
    term.textContent = name.replace("_", " ");
    said.textContent = String(value);
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
  if (!Array.isArray(found)) { body.insertRow().insertCell().textContent = found.problem || "It could not be checked."; return; }
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
