// SPDX-License-Identifier: GPL-3.0-or-later
// The page: takes what the server sends, draws it at the pace of the screen, and answers to its viewer.

import { theme } from "./palette.js";
import { Panels, write } from "./panels.js";
import { Raster } from "./raster.js";
import { Store } from "./store.js";

const FIRST_RETRY_MS = 500, LAST_RETRY_MS = 5000;
const at = (id) => document.getElementById(id);
const store = new Store(), panels = new Panels(store), raster = new Raster(store, select);
const view = { socket: null, isPaused: false, isDirty: false, retry: FIRST_RETRY_MS, device: null, drawings: 0 };

function connect() {
  const socket = new WebSocket(Object.assign(new URL("live", location.href), { protocol: location.protocol.replace("http", "ws") }));
  view.socket = socket;
  socket.onopen = () => {
    view.retry = FIRST_RETRY_MS;
    ask();
  };
  socket.onmessage = ({ data }) => view.isPaused || take(JSON.parse(data));
  socket.onclose = () => {
    if (view.socket !== socket) return;
    if (!view.isPaused) showSource("not connected: the monitor has ended, or the network is gone", true);
    setTimeout(() => view.isPaused || connect(), view.retry);
    view.retry = Math.min(2 * view.retry, LAST_RETRY_MS);
  };
}

function take(update) {
  if (update.title !== undefined) showTitle(update.title);
  if (update.source) showSource(...update.source);
  if (update.selected) {
    if (update.selected.device === view.device) panels.showDevice(update.selected);
    return;
  }
  const isNew = store.apply(update);
  const hasNames = Object.keys(update.names ?? {}).length > 0; // whose labels may need more room
  if (isNew || hasNames) raster.isBuilt = false;
  else if (update.columns && raster.isBuilt) raster.markChanged(update.columns.age);
  if (update.slotPeriod !== undefined) raster.slotPeriod = update.slotPeriod > 0 ? update.slotPeriod : null;
  if (store.newest !== null) document.body.classList.remove("waiting");
  panels.show(update);
  view.isDirty = true;
}

function draw() {
  if (view.isDirty) {
    view.isDirty = false;
    view.drawings += 1;
    raster.draw();
    write(at("span"), store.devices > 1 ? `${store.devices.toLocaleString("en")} devices; bars: found in each slot` : "1 device");
  }
  requestAnimationFrame(draw);
}

function ask() {
  if (view.socket?.readyState === WebSocket.OPEN) view.socket.send(JSON.stringify({ device: view.device }));
}

/** Look at a device, or with null at all. */
function select(device) {
  view.device = device;
  at("all").hidden = device === null;
  panels.showDevice(null);
  raster.select(device);
  ask();
}

function showSource(text, bad) {
  write(at("source"), view.isPaused ? "paused" : text);
  at("source").classList.toggle("bad", bad && !view.isPaused);
  at("source").classList.toggle("paused", view.isPaused);
}

function showTitle(title) {
  write(at("title"), title);
  document.title = title ? `${title} · gr-jadce` : "gr-jadce";
}

/** Hold the picture; going on begins with all that there is by then. */
function pause() {
  view.isPaused = !view.isPaused;
  at("pause").setAttribute("aria-pressed", view.isPaused);
  write(at("pause"), view.isPaused ? "Go on" : "Pause");
  showSource(view.isPaused ? "paused" : "connecting", false);
  if (view.isPaused) {
    const socket = view.socket;
    view.socket = null;
    socket?.close();
  } else connect();
}

function setTheme(name) {
  document.documentElement.dataset.theme = name;
  write(at("theme"), name === "dark" ? "Light" : "Dark");
  const colours = theme();
  raster.recolour(colours);
  panels.recolour(colours);
}

function follow(desktop) {
  setTheme(localStorage.getItem("theme") ?? (desktop.matches ? "dark" : "light"));
}

function begin() {
  const desktop = matchMedia("(prefers-color-scheme: dark)");
  desktop.addEventListener("change", () => follow(desktop));
  at("theme").addEventListener("click", () => {
    localStorage.setItem("theme", document.documentElement.dataset.theme === "dark" ? "light" : "dark");
    follow(desktop);
  });
  at("pause").addEventListener("click", pause);
  at("all").addEventListener("click", () => select(null));
  at("search").addEventListener("submit", (event) => {
    event.preventDefault();
    const device = store.find(at("wanted").value);
    at("wanted").setCustomValidity(device === null && at("wanted").value.trim() ? "No device of this number or name" : "");
    if (at("wanted").reportValidity()) select(device);
  });
  at("wanted").addEventListener("input", () => at("wanted").setCustomValidity(""));
  document.addEventListener("keydown", (event) => {
    if (event.target.closest?.("input, button")) return;
    if (event.key === " ") {
      event.preventDefault();
      pause();
    }
    if (event.key === "Escape") select(null);
  });
  document.body.classList.add("waiting");
  follow(desktop);
  connect();
  requestAnimationFrame(draw);
}

begin();
export { panels, raster, select, store, view }; // for the tests
