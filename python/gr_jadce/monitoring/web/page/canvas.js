// SPDX-License-Identifier: GPL-3.0-or-later
// What all drawings share: canvases as sharp as the screen, text, round numbers.

/** A canvas that fills its box; `draw` is called when its size has changed. */
export class Canvas {
  constructor(id, draw) {
    this.element = document.getElementById(id);
    this.context = this.element.getContext("2d");
    this.width = this.height = 0;
    new ResizeObserver(() => this.#resize() && draw()).observe(this.element.parentElement);
  }

  /** Begin a drawing, in CSS pixels; null while the canvas has no size. */
  begin() {
    this.#resize();
    if (!this.width || !this.height) return null;
    this.context.setTransform(this.scale, 0, 0, this.scale, 0, 0);
    this.context.clearRect(0, 0, this.width, this.height);
    this.context.lineWidth = 1;
    this.em = parseFloat(getComputedStyle(document.documentElement).fontSize);
    return this.context;
  }

  text(words, x, y, { colour, align = "left", baseline = "middle", size = 0.78, width } = {}) {
    const context = this.context;
    context.font = `${size * this.em}px ${getComputedStyle(document.body).fontFamily}`;
    context.textAlign = align;
    context.textBaseline = baseline;
    context.fillStyle = colour;
    context.fillText(words, x, y, width);
  }

  #resize() {
    const { clientWidth, clientHeight } = this.element, scale = window.devicePixelRatio || 1;
    if (clientWidth === this.width && clientHeight === this.height && scale === this.scale) return false;
    Object.assign(this, { width: clientWidth, height: clientHeight, scale });
    this.element.width = Math.round(clientWidth * scale);
    this.element.height = Math.round(clientHeight * scale);
    return true;
  }
}

/** The smallest of 1, 2, 5 times a power of ten that is at least `value`. */
export function roundUp(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].map((step) => step * power).find((step) => step >= value * (1 - 1e-9));
}

/** Round numbers from `low` to `high`, about `count` of them. */
export function ticks(low, high, count, whole = false) {
  if (!(high > low)) return [low];
  const step = Math.max(roundUp((high - low) / Math.max(count, 1)), whole ? 1 : 0);
  const first = Math.ceil(low / step - 1e-9);
  return Array.from({ length: Math.floor(high / step + 1e-9) - first + 1 }, (_, k) => (first + k) * step);
}

/** Seconds as people write them. */
export function seconds(value) {
  const size = Math.abs(value);
  if (size === 0) return "0";
  if (size < 1e-3) return `${+(value * 1e6).toPrecision(3)} µs`;
  if (size < 1) return `${+(value * 1e3).toPrecision(3)} ms`;
  return size < 600 ? `${+value.toPrecision(3)} s` : `${+(value / 60).toPrecision(3)} min`;
}

export const signed = (text) => String(text).replace("-", "−");
