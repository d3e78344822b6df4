// SPDX-License-Identifier: GPL-3.0-or-later
// The small drawings beside the raster: channels, antennas, delays and offsets, one device.

import { Canvas, roundUp, signed, ticks } from "./canvas.js";
import { scaleColour } from "./palette.js";

/** A drawing of values that come by `show`; subclasses define `paint(context)`. */
class Chart {
  constructor(id) {
    this.canvas = new Canvas(id, () => this.draw());
  }

  recolour(colours) {
    this.colours = colours;
    this.draw();
  }

  show(values) {
    this.values = values;
    this.draw();
  }

  draw() {
    const context = this.values && this.colours ? this.canvas.begin() : null;
    if (context) this.paint(context, this.canvas.em);
  }

  label(words, x, y, options = {}) {
    this.canvas.text(words, x, y, { colour: this.colours.dim, ...options });
  }

  dot(context, x, y, radius, colour) {
    context.fillStyle = colour;
    context.beginPath();
    context.arc(x, y, radius, 0, 2 * Math.PI);
    context.fill();
  }
}

const RANGE_DB = 30, STEP_DB = 5; // of the scale of channels
const PEAKS = 50; // frames whose highest gain the scale takes in: some ten seconds

const decibels = (magnitude) => 20 * Math.log10(Math.max(magnitude, 1e-12));

/** Gains of the channels of the newest frame: a row a device found, a column an antenna. */
export class Channels extends Chart {
  paint(context, em) {
    const { device, gain, name } = this.values, { width, height } = this.canvas, top = 2.3 * em;
    const left = this.#labelWidth(device, name, width) + 0.5 * em;
    if (!gain.length) {
      this.label(device.length ? "not reported" : "nobody in this slot", width / 2, height / 2, { align: "center" });
      return;
    }
    const row = Math.min((height - top) / gain.length, 1.7 * em), column = (width - left) / gain[0].length;
    const most = this.#most();
    gain.forEach((values, k) => {
      values.forEach((value, m) => {
        context.fillStyle = scaleColour(1 + (decibels(value) - most) / RANGE_DB);
        context.fillRect(left + m * column, top + k * row, column - (column > 6 ? 1 : 0), row - (row > 6 ? 1 : 0));
      });
    });
    this.#drawLabels(device, name, left - 0.5 * em, top, row, em);
    this.#drawScale(context, left, most, em);
  }

  show(values) {
    if (values.gain.length) {
      const peak = decibels(values.gain.flat().reduce((most, value) => Math.max(most, value), 0));
      this.peaks = [...(this.peaks ?? []).slice(1 - PEAKS), peak];
    }
    super.show(values);
  }

  /** Where the scale ends: a round number above the highest gain of the last frames, so that it seldom jumps. */
  #most() {
    return STEP_DB * Math.ceil(Math.max(...this.peaks) / STEP_DB);
  }

  #labelWidth(device, name, width) {
    this.label("", 0, 0);
    const widths = device.map((n) => this.canvas.context.measureText(name(n)).width);
    this.labels = Math.max(...widths, 0.95 * (this.labels ?? 0), this.canvas.em); // gives way slowly, not to jump
    return Math.min(this.labels, width * 0.4);
  }

  #drawLabels(device, name, right, top, row, em) {
    const every = Math.ceil((0.95 * em) / row);
    device.slice(0, this.values.gain.length).forEach((n, k) => {
      if (k % every === 0) this.label(name(n), right, top + (k + 0.5) * row, { align: "right", width: right });
    });
  }

  #drawScale(context, left, most, em) {
    const { width } = this.canvas, n = 64, antennas = this.values.gain[0].length, y = 0.6 * em;
    for (let k = 0; k < n; k++) {
      context.fillStyle = scaleColour(k / (n - 1));
      context.fillRect(left + ((width - left) * k) / n, 1.3 * em, (width - left) / n + 0.5, 0.45 * em);
    }
    this.label(`${signed(most - RANGE_DB)} dB`, left, y);
    this.label(`${antennas} antenna${antennas > 1 ? "s" : ""}`, (left + width) / 2, y, { align: "center" });
    this.label(`${signed(most)} dB`, width, y, { align: "right" });
  }
}

/** SNR of each antenna as a bar, its noise as text below. */
export class Levels extends Chart {
  paint(context, em) {
    const { noise, snr, dead } = this.values, { width, height } = this.canvas, n = noise.length;
    const foot = 2.2 * em, head = 1.1 * em, room = height - foot - head, step = width / n, wide = Math.min(step * 0.62, 3.4 * em);
    const most = STEP_DB * Math.ceil(Math.max(...snr.filter(Number.isFinite), STEP_DB) / STEP_DB);
    for (let m = 0; m < n; m++) {
      const x = (m + 0.5) * step, share = Math.min(Math.max((snr[m] ?? 0) / most, 0), 1);
      context.fillStyle = dead[m] ? this.colours.bad : this.colours.quiet;
      context.fillRect(x - wide / 2, head, wide, room);
      context.fillStyle = this.colours.accent;
      context.fillRect(x - wide / 2, head + room * (1 - share), wide, room * share);
      if (step > 2.6 * em) this.#describe(m, x, head + room, noise, snr, dead, em);
    }
    if (step <= 2.6 * em) this.#describeAll(most, em);
  }

  #describeAll(most, em) {
    const { noise } = this.values, { width, height } = this.canvas, known = noise.filter(Number.isFinite);
    this.label(`SNR of ${noise.length} antennas, to ${most} dB`, width / 2, height - 1.5 * em, { align: "center" });
    const range = known.length ? [Math.min(...known), Math.max(...known)].map((value) => signed(value.toFixed(1))) : ["–", "–"];
    this.label(`σ² ${range.join(" … ")} dB`, width / 2, height - 0.5 * em, { align: "center" });
  }

  #describe(m, x, bottom, noise, snr, dead, em) {
    const number = (value) => (value === null ? "–" : signed(value.toFixed(1)));
    const wide = this.canvas.width / noise.length - 2, ink = { align: "center", width: wide };
    this.label(dead[m] ? "dead" : `${number(snr[m])} dB`, x, 0.5 * em, { ...ink, colour: dead[m] ? this.colours.bad : this.colours.ink });
    this.label(`antenna ${m}`, x, bottom + 0.7 * em, ink);
    this.label(`σ² ${number(noise[m])} dB`, x, bottom + 1.65 * em, ink);
  }
}

/** Axes from rounded ends around values, and dots on them. */
class Scatter extends Chart {
  axes(context, em, { x, y, xText, yText }) {
    const { width, height } = this.canvas, box = { left: 3.4 * em, top: 0.5 * em, right: width - 0.6 * em, bottom: height - 2.1 * em };
    const place = { x: (value) => box.left + ((value - x[0]) / (x[1] - x[0])) * (box.right - box.left),
      y: (value) => box.bottom - ((value - y[0]) / (y[1] - y[0])) * (box.bottom - box.top) };
    context.fillStyle = this.colours.quiet;
    context.fillRect(box.left, box.top, box.right - box.left, box.bottom - box.top);
    for (const value of ticks(...y, 3)) this.label(signed(+value.toPrecision(3)), box.left - 0.4 * em, place.y(value), { align: "right" });
    for (const value of ticks(...x, 4)) this.label(signed(+value.toPrecision(3)), place.x(value), box.bottom + 0.65 * em, { align: "center" });
    this.label(xText, (box.left + box.right) / 2, height - 0.5 * em, { align: "center" });
    if (yText) this.label(yText, box.left + 0.4 * em, box.top + 0.7 * em);
    return place;
  }

  around(values, least) {
    const most = Math.max(...values.map(Math.abs), least);
    return [-roundUp(most), roundUp(most)];
  }
}

/** Carrier offsets over delays of the devices of the newest frame. */
export class Steps extends Scatter {
  paint(context, em) {
    const { delay, offset } = this.values, high = Math.max(...delay, 0.5), low = Math.min(...delay, -0.5);
    const place = this.axes(context, em, { x: [low, high], y: this.around(offset, 1e-4), xText: "delay (symbols)", yText: "cycles a symbol" });
    delay.forEach((value, k) => this.dot(context, place.x(value), place.y(offset[k]), 3, this.colours.accent));
  }
}

/** The impulse response of a device: the power of each tap as a stem over its delay, so far as the axis reaches down. */
export class Response extends Scatter {
  paint(context, em) {
    const { delay, power } = this.values;
    const most = STEP_DB * Math.ceil(Math.max(...power.filter(Number.isFinite)) / STEP_DB), least = most - RANGE_DB;
    const shown = delay.map((value, k) => ({ delay: value, power: power[k] ?? least })).filter((tap) => tap.power > least);
    const delays = shown.map((tap) => tap.delay);
    this.reach = Math.max(Math.ceil(Math.max(...delays)), this.reach ?? 1); // wide enough for all so far, not to jump
    const place = this.axes(context, em, { x: [Math.min(...delays, -0.5), this.reach], y: [least, most],
      xText: "delay (symbols)", yText: "dB" });
    context.fillStyle = this.colours.accent;
    for (const tap of shown) {
      const x = place.x(tap.delay), y = place.y(tap.power);
      context.fillRect(x - 0.75, y, 1.5, place.y(least) - y);
      this.dot(context, x, y, 2.6, this.colours.accent);
    }
  }
}

/** Scores of a device in the last slots, and the threshold. */
export class History extends Scatter {
  paint(context, em) {
    const { age, score, threshold, frames } = this.values;
    const most = roundUp(Math.max(...score.filter(Number.isFinite), 2 * (threshold ?? 1)));
    const place = this.axes(context, em, { x: [-frames, 0], y: [0, most], xText: "slot, newest at 0", yText: "score" });
    context.fillStyle = this.colours.dim;
    for (let x = place.x(-frames); threshold && x < place.x(0); x += 6) context.fillRect(x, place.y(threshold), 3, 1);
    age.forEach((value, k) => this.dot(context, place.x(-value), place.y(Math.min(score[k] ?? most, most)), 2.2, this.colours.accent));
  }
}

/** The last channel of a device: a dot an antenna in the complex plane. */
export class Phasors extends Scatter {
  paint(context, em) {
    const { real, imaginary } = this.values, reach = this.around([...real, ...imaginary], 1e-12);
    const wide = (reach[1] * this.canvas.width) / this.canvas.height;
    const place = this.axes(context, em, { x: [-wide, wide], y: reach, xText: "channels, real part", yText: "imaginary" });
    context.strokeStyle = this.colours.accent;
    real.forEach((value, m) => {
      const x = place.x(value), y = place.y(imaginary[m]);
      context.beginPath();
      context.moveTo(place.x(0), place.y(0));
      context.lineTo(x, y);
      context.stroke();
      this.dot(context, x, y, 3, this.colours.accent);
      if (real.length <= 8) this.label(String(m), x + 0.5 * em, y, { colour: this.colours.ink });
    });
  }
}
