// SPDX-License-Identifier: GPL-3.0-or-later
// Colours: those of the style sheet, as what images and plots need.

export const NOTHING = 0, NO_ANSWER = 1, BAD_INPUT = 2, QUIET = 3, WEAKEST = 4, STRONGEST = 253,
  FALSE_ALARM = 254, MISS = 255; // as monitoring/raster.py has them

// Nodes of a scale that rises evenly in lightness and is safe for colour-blind eyes (viridis, from dark to bright).
const SCALE = ["#440154", "#482878", "#3e4989", "#31688e", "#26828e", "#1f9e89", "#35b779", "#6ece58", "#b5de2b", "#fde725"];

const variable = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

const parts = (colour) => [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16));

const blend = (from, to, share) => parts(from).map((part, k) => Math.round(part + share * (parts(to)[k] - part)));

const packed = ([red, green, blue]) => (0xff000000 | (blue << 16) | (green << 8) | red) >>> 0; // little-endian RGBA

/** The colours that the style sheet has now, by name. */
export function theme() {
  const names = ["paper", "panel", "edge", "ink", "dim", "accent", "bad", "quiet", "nothing", "silent", "broken",
    "weak", "strong", "miss", "false"];
  return Object.fromEntries(names.map((name) => [name, variable(name)]));
}

/** The colour of each of the 256 codes of a cell, as a pixel. */
export function rasterColours(colours) {
  const pixels = new Uint32Array(256);
  for (let code = WEAKEST; code <= STRONGEST; code++) {
    pixels[code] = packed(blend(colours.weak, colours.strong, (code - WEAKEST) / (STRONGEST - WEAKEST)));
  }
  const fixed = [[NOTHING, "nothing"], [NO_ANSWER, "silent"], [BAD_INPUT, "broken"], [QUIET, "quiet"],
    [FALSE_ALARM, "false"], [MISS, "miss"]];
  for (const [code, name] of fixed) pixels[code] = packed(parts(colours[name]));
  return pixels;
}

/** The colour of a share from 0 to 1 on the scale of magnitudes. */
export function scaleColour(share) {
  const at = Math.min(Math.max(share, 0), 1) * (SCALE.length - 1);
  const node = Math.min(Math.floor(at), SCALE.length - 2);
  return `rgb(${blend(SCALE[node], SCALE[node + 1], at - node).join(" ")})`;
}
