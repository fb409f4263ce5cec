// Small canvas helpers and the piano roll that several views share.

import { AGENT, noteName } from "./state.js";

export const COLOURS = { player: "#56b4e9", agent: "#f0a500", yes: "#4fd1a5", no: "#ff8a5c", quiet: "#a9b2c3", line: "#232a38", ink: "#f2f4f8" };
export const calm = matchMedia("(prefers-reduced-motion: reduce)");

// A canvas as sharp as the screen: returns its context and its size in CSS pixels, cleared.
export function clear(canvas) {
  const scale = devicePixelRatio || 1;
  const width = canvas.clientWidth, height = canvas.clientHeight;
  if (canvas.width !== Math.round(width * scale) || canvas.height !== Math.round(height * scale)) {
    canvas.width = Math.round(width * scale);
    canvas.height = Math.round(height * scale);
  }
  const g = canvas.getContext("2d");
  g.setTransform(scale, 0, 0, scale, 0, 0);
  g.clearRect(0, 0, width, height);
  return [g, width, height];
}

export function range(notes, low = 48, high = 84) {
  for (const { note } of notes) { low = Math.min(low, note); high = Math.max(high, note); }
  return [low - 2, high + 2];
}

const DASHES = [5, 4]; // pixels of one and of its gap

// Notes as bars: the player's with square corners, the agent's round, so that colour is not all that tells them apart.
export function bar(g, x, y, width, height, by, colour, style = "fill") {
  const tall = Math.max(height, 1.5); // rows of a low drawing are thinner than the gap between them
  g.beginPath();
  g.roundRect(x, y, Math.max(width, 3), tall, by === AGENT ? Math.min(tall / 2, 7) : 1);
  if (style === "fill") { g.fillStyle = colour; g.fill(); return; }
  g.strokeStyle = colour;
  g.lineWidth = 2;
  if (width >= 20) g.setLineDash(DASHES); // around less there is no room for dashes
  g.stroke();
  g.setLineDash([]);
}

// Lines of the octaves, named at the left.
export function grid(g, width, height, low, high) {
  const row = height / (high - low + 1);
  g.font = "600 12px system-ui, sans-serif";
  g.textBaseline = "middle";
  for (let note = low; note <= high; note++) {
    const y = height - (note - low + 0.5) * row;
    if ([1, 3, 6, 8, 10].includes(note % 12)) { g.fillStyle = "#ffffff06"; g.fillRect(0, y - row / 2, width, row); }
    if (note % 12 === 0) {
      g.fillStyle = COLOURS.line;
      g.fillRect(0, y + row / 2, width, 1);
      g.fillStyle = COLOURS.quiet;
      g.fillText(noteName(note), 6, y);
    }
  }
  return row;
}

export function triangle(g, x, y, size, up, colour) {
  g.fillStyle = colour;
  g.beginPath();
  const s = up ? -1 : 1;
  g.moveTo(x, y + s * size);
  g.lineTo(x - size * 0.9, y - s * size * 0.6);
  g.lineTo(x + size * 0.9, y - s * size * 0.6);
  g.fill();
}
