// The one WebSocket, and what may be sent on it. It comes back by itself.

import { forgetClock, state, take, tellAll } from "./state.js";

const key = new URLSearchParams(location.search).get("key") || "";
let socket = null;
let wait = 250;

export function address(path) {
  return `${path}?key=${encodeURIComponent(key)}`;
}

export function connect() {
  socket = new WebSocket(`ws://${location.host}${address("/ws")}`);
  socket.onopen = () => { wait = 250; state.connected = true; forgetClock(); tellAll("connected", true); };
  socket.onmessage = (message) => take(JSON.parse(message.data));
  socket.onclose = () => {
    state.connected = false;
    tellAll("connected", false);
    setTimeout(connect, wait);
    wait = Math.min(wait * 1.6, 2000);
  };
}

function send(message) {
  if (socket && socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify(message));
}

export function rate(value) {
  send({ do: "rate", value });
  tellAll("pressed", value);
}

export const command = (name, value) => send(value === undefined ? { do: "command", name } : { do: "command", name, value });
export const midi = (data) => send({ do: "midi", data });
export const ask = (what, more = {}) => send({ do: what, ...more });
