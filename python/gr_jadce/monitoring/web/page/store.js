// SPDX-License-Identifier: GPL-3.0-or-later
// The raster as the server has it: a ring of columns, one a slot, of cells, one a device or a few.

import { FALSE_ALARM, WEAKEST } from "./palette.js";

export class Store {
  constructor() {
    this.newest = null; // number of the newest slot, a BigInt: it may have 64 bits
    this.names = new Map();
    this.shape(0, 0, 1, 0);
  }

  shape(frames, cells, devicesPerCell, devices) {
    Object.assign(this, { frames, cells, devicesPerCell, devices, head: 0 });
    this.codes = new Uint8Array(frames * cells);
    this.detections = new Uint32Array(frames); // cells in which something was found, of each column
    this.columnsTaken = 0;
  }

  /** The column of a slot `age` before the newest. */
  column(age) {
    return (((this.head - age) % this.frames) + this.frames) % this.frames;
  }

  /** Take an update; whether it began anew. */
  apply(update) {
    if (update.shape) this.names.clear(); // all there are come with it
    for (const [device, name] of Object.entries(update.names ?? {})) this.names.set(Number(device), name);
    if (update.shape) {
      const { frames, cells, devicesPerCell, devices } = update.shape;
      this.shape(frames, cells, devicesPerCell, devices);
    }
    if (update.newest !== undefined) this.newest = update.newest === null ? null : BigInt(update.newest);
    if (update.columns) this.#take(update.columns, update.shift ?? 0);
    return Boolean(update.shape);
  }

  name(device) {
    return this.names.get(device) ?? `device ${device}`;
  }

  /** The device of a name or number, or null. */
  find(text) {
    const wanted = text.trim().toLowerCase();
    if (/^\d+$/.test(wanted) && Number(wanted) < this.devices) return Number(wanted);
    const known = [...this.names].map(([device, name]) => [device, name.toLowerCase()]);
    const found = known.find(([, name]) => name === wanted) ?? known.find(([, name]) => name.includes(wanted));
    return wanted && found ? found[0] : null;
  }

  #take({ age, background, count, cell, code }, shift) {
    this.head = (this.head + shift) % Math.max(this.frames, 1);
    let at = 0;
    for (let k = 0; k < age.length; k++) {
      const column = this.column(age[k]), start = column * this.cells;
      this.codes.fill(background[k], start, start + this.cells);
      for (const end = at + count[k]; at < end; at++) this.codes[start + cell[at]] = code[at];
      this.detections[column] = this.#found(start);
    }
    this.columnsTaken += age.length;
  }

  #found(start) {
    let found = 0;
    for (let k = start; k < start + this.cells; k++) found += this.codes[k] >= WEAKEST && this.codes[k] <= FALSE_ALARM;
    return found;
  }
}
