// SPDX-License-Identifier: GPL-3.0-or-later
// What the page says in words and numbers, beside its drawings.

import { Channels, History, Levels, Phasors, Response, Steps } from "./charts.js";
import { signed } from "./canvas.js";

const HEADLINE = ["Active now", "Frames", "Detections", "Missed", "False alarms", "SNR", "Load"]; // tiles; the rest is a list
const at = (id) => document.getElementById(id);

const LEGEND = [["ramp", "detected, score low to high"], ["miss", "missed", true], ["false", "false alarm", true],
  ["silent", "no answer"], ["broken", "bad input"]];

export class Panels {
  constructor(store) {
    this.store = store;
    this.charts = { channels: new Channels("channels"), levels: new Levels("levels"), steps: new Steps("steps-canvas"),
      history: new History("history"), phasors: new Phasors("phasors"), response: new Response("response-canvas") };
    this.chosen = null;
    this.#showLegend(false);
  }

  recolour(colours) {
    for (const chart of Object.values(this.charts)) chart.recolour(colours);
  }

  /** Show what an update has of figures, antennas and the newest frame. */
  show(update) {
    if (update.figures) this.#showFigures(update);
    if (update.frame) this.#showFrame(update.frame);
    if (update.antennas) this.charts.levels.show(update.antennas);
    if (update.names && Object.keys(update.names).length) this.#showNames();
  }

  /** Show a device, or with null none. */
  showDevice(panel) {
    this.chosen = panel;
    this.#showResponse();
    at("device").hidden = panel === null;
    if (panel === null) return;
    const { device, frames, age, gain, slot, delay, offset } = panel, found = age.length;
    at("device-name").textContent = this.store.name(device);
    at("device-when").textContent = slot === undefined ? "" : `last in slot ${slot}`;
    const words = [`found in ${found} of the last ${frames} slots`];
    const last = gain.at(-1);
    if (last !== undefined && last !== null) words.push(`gain ${signed(last.toFixed(1))} dB`);
    if (delay !== undefined) words.push(`delay ${signed(delay.toFixed(2))} symbols`);
    if (offset !== undefined) words.push(`carrier offset ${signed(+offset.toPrecision(3))} cycles a symbol`);
    at("device-text").textContent = words.join(" · ");
    this.charts.history.show(panel);
    at("phasors-plot").hidden = panel.real === undefined;
    if (panel.real !== undefined) this.charts.phasors.show(panel);
  }

  #showFigures({ figures, truth, frame }) {
    const active = ["Active now", String(frame.device.length), false];
    const all = figures.some(([caption]) => caption === "Active now") ? figures : [active, ...figures];
    const places = (wanted) => all.filter(([caption]) => HEADLINE.includes(caption) === wanted);
    const headline = places(true).sort(([a], [b]) => HEADLINE.indexOf(a) - HEADLINE.indexOf(b));
    fill(at("headline"), headline, tile, (box, [caption, text, bad]) => {
      const [, main, rest] = text.match(/^(.*?)(?: \((.*)\))?$/);
      write(box.children[0], caption);
      write(box.children[1].firstChild, signed(main));
      write(box.children[1].children[0], rest ?? "");
      box.classList.toggle("bad", bad);
    });
    fill(at("figures"), places(false).flatMap(([caption, text, bad]) => [["dt", caption, false], ["dd", text, bad]]),
      ([kind]) => document.createElement(kind), (entry, [, text, bad]) => {
        write(entry, signed(text));
        entry.classList.toggle("bad", bad);
      });
    if (truth !== this.truth) this.#showLegend(truth);
  }

  #showFrame(frame) {
    write(at("frame-slot"), `slot ${frame.slot}${frame.status === "ok" ? "" : ` · ${frame.status.replace("_", " ")}`}`);
    const short = (device) => this.store.names.get(device) ?? String(device);
    this.charts.channels.show({ ...frame, name: short });
    at("steps").hidden = frame.delay === undefined || frame.offset === undefined;
    if (!at("steps").hidden) this.charts.steps.show(frame);
    this.newest = frame.response;
    this.#showResponse();
  }

  /** The impulse response of the device that is looked at, or of the strongest one of the newest frame. */
  #showResponse() {
    const response = this.chosen === null ? this.newest : this.chosen.response;
    at("response").hidden = response === undefined || !response.delay.length;
    if (at("response").hidden) return;
    write(at("response-device"), this.store.name(this.chosen?.device ?? response.device));
    this.charts.response.show(response);
  }

  #showNames() {
    const names = [...this.store.names.values()].slice(0, 1000);
    at("names").replaceChildren(...names.map((name) => Object.assign(document.createElement("option"), { value: name })));
  }

  #showLegend(truth) {
    this.truth = truth;
    at("legend").replaceChildren(...LEGEND.filter(([, , needsTruth]) => truth || !needsTruth).map(([kind, text]) => {
      const entry = document.createElement("li"), swatch = document.createElement("span");
      swatch.className = kind;
      entry.append(swatch, text);
      return entry;
    }));
  }
}

/** Write a text, unless it stands there. */
export function write(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** Let a parent have a child for each of `values`, made by `make` where it is lacking, filled in by `update`. */
function fill(parent, values, make, update) {
  while (parent.children.length > values.length) parent.lastChild.remove();
  values.forEach((value, k) => {
    if (k >= parent.children.length) parent.append(make(value));
    update(parent.children[k], value);
  });
}

function tile() {
  const box = document.createElement("div"), number = document.createElement("b");
  box.className = "tile";
  number.append(document.createTextNode(""), document.createElement("i"));
  box.append(document.createElement("span"), number);
  return box;
}
