// SPDX-License-Identifier: GPL-3.0-or-later
// The raster of activity: devices over slots, and above it how many were found in each slot.

import { Canvas, seconds, signed, ticks } from "./canvas.js";
import { BAD_INPUT, FALSE_ALARM, MISS, NO_ANSWER, NOTHING, QUIET, rasterColours } from "./palette.js";

const ZOOM_DEVICES = 12; // either side of the one looked at
const MAX_ROW = 3; // em; rows of many devices are not higher, one alone three times as high
const NAMED_ROW = 1.05; // em, from which on each device is named
const STATES = new Map([
  [NOTHING, "nothing yet"], [NO_ANSWER, "no answer"], [BAD_INPUT, "bad input"], [QUIET, "quiet"],
  [FALSE_ALARM, "false alarm"], [MISS, "missed"],
]);

export class Raster {
  constructor(store, select) {
    this.store = store;
    this.slotPeriod = null;
    this.selected = null;
    this.image = document.createElement("canvas");
    this.canvas = new Canvas("raster", () => this.rebuild());
    this.tip = document.getElementById("tip");
    const element = this.canvas.element;
    element.addEventListener("pointermove", (event) => this.#point(event));
    element.addEventListener("pointerleave", () => (this.tip.hidden = true));
    element.addEventListener("click", (event) => this.#at(event) && select(this.#at(event).device));
  }

  /** Take the colours of the style sheet. */
  recolour(colours) {
    this.colours = colours;
    this.pixels = rasterColours(colours);
    this.rebuild();
  }

  /** Look at a device, or with null at all. */
  select(device) {
    this.selected = device;
    this.rebuild();
  }

  /** Lay everything out anew and draw it. */
  rebuild() {
    this.isBuilt = false;
    this.draw();
  }

  draw() {
    const context = this.canvas.begin();
    if (!context || !this.store.cells || !this.colours) return;
    if (!this.isBuilt) this.#build();
    this.#paintColumns();
    const { left, top, width, height } = this.area;
    this.#drawCells(context, left, top, width, height);
    this.#drawCounts(context);
    this.#drawAxes(context);
  }

  /** The columns that an update has changed, to be painted at the next drawing. */
  markChanged(ages) {
    for (const age of ages) this.changed.add(this.store.column(age));
  }

  #build() {
    const { store, canvas } = this, em = canvas.em, [first, last] = this.#range();
    const labels = this.#labelWidth(first, last), strip = Math.min(4 * em, canvas.height * 0.16);
    const room = canvas.height - strip - 2.6 * em, n = last - first;
    const height = Math.max(Math.min(room, (n + 2) * MAX_ROW * em), 1);
    this.area = { left: labels, top: strip + 0.5 * em, width: Math.max(canvas.width - labels - 0.6 * em, 1), height };
    this.cells = { first, last, perRow: Math.max(1, Math.ceil(n / Math.max(height * canvas.scale, 1))) };
    this.frames = Math.min(store.frames, Math.floor(this.area.width * canvas.scale));
    this.image.width = store.frames;
    this.image.height = Math.ceil(n / this.cells.perRow);
    this.context = this.image.getContext("2d");
    this.data = this.context.createImageData(this.image.width, this.image.height);
    this.words = new Uint32Array(this.data.data.buffer);
    this.changed = new Set(Array.from({ length: store.frames }, (_, column) => column));
    this.isBuilt = true;
  }

  /** The cells shown: all, or those around the one looked at. */
  #range() {
    const { cells, devicesPerCell } = this.store;
    if (this.selected === null) return [0, cells];
    const at = Math.floor(this.selected / devicesPerCell), n = Math.min(2 * ZOOM_DEVICES + 1, cells);
    const first = Math.min(Math.max(at - ZOOM_DEVICES, 0), cells - n);
    return [first, first + n];
  }

  #labelWidth(first, last) {
    const { store, canvas } = this, em = canvas.em;
    canvas.text("", 0, 0, { colour: this.colours.dim });
    const names = last - first <= 60 ? [...store.names].filter(([n]) => n >= first && n < last).map(([, name]) => name) : [];
    const widths = [String(store.devices), ...names].map((text) => canvas.context.measureText(text).width);
    return Math.min(Math.max(...widths), canvas.width * 0.22) + 0.9 * em;
  }

  #paintColumns() {
    const { store, words, pixels } = this, { first, last, perRow } = this.cells, width = this.image.width;
    for (const column of this.changed) {
      let row = column;
      for (let cell = first; cell < last; cell += perRow, row += width) {
        let code = 0;
        for (let k = cell; k < Math.min(cell + perRow, last); k++) code = Math.max(code, store.codes[column * store.cells + k]);
        words[row] = pixels[code];
      }
    }
    if (this.changed.size) this.context.putImageData(this.data, 0, 0);
    this.changed.clear();
  }

  #drawCells(context, left, top, width, height) {
    const { store, frames } = this, oldest = store.column(frames - 1), step = width / frames;
    context.imageSmoothingEnabled = false;
    const early = Math.min(store.frames - oldest, frames), rows = this.image.height;
    context.drawImage(this.image, oldest, 0, early, rows, left, top, early * step, height);
    if (early < frames) {
      context.drawImage(this.image, 0, 0, frames - early, rows, left + early * step, top, (frames - early) * step, height);
    }
    this.#drawGrid(context, left, top, width, height / rows);
    if (this.selected !== null) this.#frameSelected(context, left, top, width, height);
  }

  #drawGrid(context, left, top, width, row) {
    if (row < 7) return;
    context.fillStyle = this.colours.panel;
    for (let k = 1; k < this.image.height; k++) context.fillRect(left, top + k * row - 0.5, width, 1);
  }

  #frameSelected(context, left, top, width, height) {
    const { first, last } = this.cells, row = height / (last - first);
    const y = top + (Math.floor(this.selected / this.store.devicesPerCell) - first) * row;
    context.strokeStyle = this.colours.accent;
    context.lineWidth = 2;
    context.strokeRect(left, y, width, Math.max(row, 2));
    context.lineWidth = 1;
  }

  /** Bars of the devices found in each slot, above its column. */
  #drawCounts(context) {
    const { store, frames } = this, { left, top, width } = this.area, em = this.canvas.em;
    const base = top - 0.35 * em, room = base - 0.3 * em, step = width / frames;
    const found = Array.from({ length: frames }, (_, age) => store.detections[store.column(age)]);
    const most = Math.max(...found, 1);
    context.fillStyle = this.colours.accent;
    for (let age = 0; age < frames; age++) {
      const height = (found[age] / most) * room;
      if (height) context.fillRect(left + (frames - 1 - age) * step, base - height, step > 2.5 ? step * 0.86 : step, height);
    }
    this.canvas.text(String(most), left - 0.45 * em, base - room + 0.3 * em, { colour: this.colours.dim, align: "right" });
  }

  #drawAxes(context) {
    this.#drawDevices();
    const { left, top, width, height } = this.area, em = this.canvas.em, colour = this.colours.dim;
    const period = this.slotPeriod, long = this.frames * (period ?? 1);
    const text = period ? (value) => (value ? signed(seconds(value)) : "now") : (value) => (value ? `${signed(value)} slots` : "now");
    context.fillStyle = colour;
    for (const value of ticks(-long, 0, Math.max(width / (7 * em), 1))) {
      const x = left + width * (1 + value / long), align = value === 0 ? "right" : x < left + 2 * em ? "left" : "center";
      context.fillRect(Math.min(x, left + width - 1), top + height, 1, 0.35 * em);
      this.canvas.text(text(value || 0), x, top + height + 1.05 * em, { colour, align });
    }
  }

  #drawDevices() {
    const { store, canvas, colours } = this, { left, top, height } = this.area, em = canvas.em;
    const { first, last } = this.cells, per = store.devicesPerCell, row = height / (last - first);
    const named = row >= NAMED_ROW * em && per === 1;
    const marks = named ? Array.from({ length: last - first }, (_, k) => first + k)
      : ticks(first * per, Math.min(last * per, store.devices) - 1, height / (3.2 * em), true);
    for (const device of marks) {
      const y = top + (device / per - first + 0.5) * row, isSelected = device === this.selected;
      canvas.text(named ? store.names.get(device) ?? String(device) : String(device), left - 0.45 * em, y,
        { colour: isSelected ? colours.ink : colours.dim, align: "right", width: left - 0.5 * em });
    }
  }

  /** The device and age under the pointer, or null. */
  #at(event) {
    if (!this.area || !this.isBuilt) return null;
    const { left, top, width, height } = this.area, { first, last } = this.cells;
    const x = (event.offsetX - left) / width, y = (event.offsetY - top) / height;
    if (!(x >= 0 && x < 1 && y >= 0 && y < 1)) return null;
    const cell = first + Math.floor(y * (last - first)), age = this.frames - 1 - Math.floor(x * this.frames);
    return { cell, age, device: Math.min(cell * this.store.devicesPerCell, this.store.devices - 1) };
  }

  #point(event) {
    const at = this.#at(event);
    this.tip.hidden = at === null;
    if (at === null) return;
    const { store } = this, code = store.codes[store.column(at.age) * store.cells + at.cell];
    const slot = store.newest === null ? "" : ` · slot ${store.newest - BigInt(at.age)}`;
    this.tip.textContent = `${store.name(at.device)}${slot} · ${STATES.get(code) ?? "detected"}`;
    const { width } = this.canvas;
    this.tip.style.top = `${Math.max(event.offsetY - 34, 0)}px`;
    this.tip.style.left = `${Math.max(Math.min(event.offsetX + 12, width - this.tip.offsetWidth - 4), 0)}px`;
  }
}
