#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Packet error rate of packets behind the pilots (`make payload`).

64 devices with QPSK pilots of 32 symbols, four antennas; packets of 16 bytes at rate ½, spread by 4; delays
within ± ½ symbol, carrier offsets within ± 2e-4 cycles a symbol (200 Hz at a million symbols a second);
Rayleigh fading, SNR of all active devices together, a sample. All receivers have the same slots. *receiver*:
devices found by their pilots at a false-alarm probability of 1e-3, then `PayloadReceiver`. *genie*: the same
equaliser, decoder and subtraction, told who is active, all channels, delays and carrier offsets, and σ².
*pilots only*: devices and channels as the pilots tell them, one round, no data as pilots. A packet that is
not decoded counts as an error, also where its device was not found.
"""

import os
import sys
from itertools import pairwise

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before NumPy: a process is one thread

import numpy as np
import program
from program import row

from gr_jadce import Scenario, __version__, make_pilots, simulate
from gr_jadce.detection.asynchrony import Asynchrony, Delayed
from gr_jadce.detection.rows import rows_of_paths
from gr_jadce.payload import PayloadFormat, PayloadReceiver

N_DEVICES, LENGTH, N_ANTENNAS = 64, 32, 4
MAX_OFFSET, FALSE_ALARM = 2e-4, 1e-3
SNRS_DB = {4: (0, 1, 2, 3, 4, 6, 15), 8: (3, 4, 5, 6, 7, 9, 15)}
WANTED = 1e-2  # packet error rate at which receivers are compared
BATCH = 50
SEED, SLOTS = 19, 400


def main():
    args = parse()
    book, format = make_pilots("qpsk", N_DEVICES, LENGTH, seed=0), PayloadFormat()
    receivers = Receivers(book, format)
    rows = []
    for n_active in args.active:
        for snr_db in args.snr_db or SNRS_DB[n_active]:
            scenario = Scenario(
                book, N_ANTENNAS, n_active=n_active, snr_db=snr_db, max_delay=0.5, max_offset=MAX_OFFSET,
                payload=format,
            )  # fmt: skip
            rows.append({"active": n_active, "snr_db": snr_db, **cell(receivers, scenario, args.slots)})
            print(rows[-1], flush=True)
    options = "" if args.slots == SLOTS else f' PAYLOAD_ARGS="--slots {args.slots}"'
    origin = {"command": f"make payload{options}", "version": __version__, "commit": program.commit()}
    origin["slots"] = args.slots
    text = page(origin, rows)
    program.save(args.output / "payload", {"origin": origin, "rows": rows}, text)
    print(text)


class Receivers:
    """The three receivers."""

    def __init__(self, book, format):
        self.delayed = Delayed(book, Asynchrony(max_delay=1, max_offset=MAX_OFFSET))
        plain = {"refined": False, "max_delay": None}
        self.receiver = PayloadReceiver(book, format, max_offset=MAX_OFFSET)
        self.genie = PayloadReceiver(book, format, max_offset=0, **plain)
        self.pilots_only = PayloadReceiver(book, format, max_offset=MAX_OFFSET, rounds=1, **plain)

    def decide(self, received):
        return self.delayed.decide_rows(np.ascontiguousarray(received[:, :LENGTH]), FALSE_ALARM)


def cell(receivers, scenario, n_slots):
    """What is counted in so many slots of a scenario."""
    counts = {}
    for first in range(0, n_slots, BATCH):
        uplink = simulate(scenario, min(BATCH, n_slots - first), SEED, first_frame=first)
        for name, count in slots_counted(receivers, uplink).items():
            counts[name] = counts.get(name, 0) + count
    sent = counts["sent"]
    rates = {
        f"{name}_per": 1 - counts[f"{name}_right"] / sent for name in ("genie", "receiver", "pilots_only")
    }
    before, after = (
        10 * np.log10(counts[f"error_{when}"] / counts["energy"]) for when in ("before", "after")
    )
    return {**counts, **rates, "nmse_before_db": before, "nmse_after_db": after}


def slots_counted(receivers, uplink):
    decision = receivers.decide(uplink.received)
    receptions = {
        "genie": receivers.genie.receive(uplink.received, rows_of_paths(uplink.paths, uplink.noise_var)),
        "receiver": receivers.receiver.receive(uplink.received, decision),
        "pilots_only": receivers.pilots_only.receive(uplink.received, decision),
    }
    counts = {"sent": sum(map(len, uplink.packets))}
    for name, received in receptions.items():
        counts[f"{name}_right"], counts[f"{name}_wrong"] = packets_counted(uplink, received)
    return counts | devices_counted(uplink, decision, receptions["receiver"])


def packets_counted(uplink, receptions):
    """Packets that are right, and that pass and are not."""
    right = passed = 0
    for paths, packets, reception in zip(uplink.paths, uplink.packets, receptions, strict=True):
        sent = dict(zip(paths.device.tolist(), map(bytes, packets), strict=True))
        decoded = [packet for packet in reception.packets if packet.crc_ok]
        right += sum(sent.get(packet.device) == packet.data for packet in decoded)
        passed += len(decoded)
    return right, passed - right


def devices_counted(uplink, decision, receptions):
    """Devices found before and after subtraction, false alarms, and what refinement gains of decoded ones."""
    names = ("found_before", "found_after", "false_alarms", "error_before", "error_after", "energy")
    counts = dict.fromkeys(names, 0)
    for i, (paths, reception) in enumerate(zip(uplink.paths, receptions, strict=True)):
        own = slice(decision.start[i], decision.start[i + 1])
        before = dict(zip(decision.device[own].tolist(), decision.channel[own], strict=True))
        true = dict(zip(paths.device.tolist(), paths.gain[:, :, 0], strict=True))
        counts["found_before"] += len(true.keys() & before.keys())
        counts["found_after"] += len(true.keys() & set(reception.device.tolist()))
        counts["false_alarms"] += sum(packet.device not in true for packet in reception.packets)
        for packet, channel in zip(reception.packets, reception.channel, strict=True):
            n = packet.device
            if packet.crc_ok and n in true and n in before:
                counts["energy"] += float(np.sum(np.abs(true[n]) ** 2))
                counts["error_before"] += float(np.sum(np.abs(before[n] - true[n]) ** 2))
                counts["error_after"] += float(np.sum(np.abs(channel - true[n]) ** 2))
    return counts


def snr_at(rows, name, wanted=WANTED):
    """SNR at which a packet error rate is met, between the two points around it; None if none are."""
    for low, high in pairwise(rows):
        if low[name] > wanted >= high[name]:
            rates = np.log10([max(entry[name], 0.1 / entry["sent"]) for entry in (low, high)])
            share = (np.log10(wanted) - rates[0]) / (rates[1] - rates[0])
            return low["snr_db"] + share * (high["snr_db"] - low["snr_db"])
    return None


def page(origin, rows):
    text = " ".join(part for part in __doc__.split("\n\n")[1].split())
    lines = ["# Packets behind the pilots", "", text, ""]
    for n_active in sorted({entry["active"] for entry in rows}):
        lines += [f"## {n_active} active devices", "", *table(rows, n_active), ""]
        lines += [*summary([entry for entry in rows if entry["active"] == n_active]), ""]
    sent = sum(entry["sent"] for entry in rows)
    wrong = sum(entry["receiver_wrong"] for entry in rows)
    lines += [
        f"Wrong packets that passed the check sum of the receiver: {wrong} of {sent} sent.",
        "",
        f"{origin['slots']} slots a row. Made by `{origin['command']}` at commit {origin['commit']}, version "
        f"{origin['version']}.",
        "",
    ]
    return "\n".join(lines)


def table(rows, n_active):
    heads = [
        "SNR, dB", "genie", "receiver", "pilots only", "wrong packets", "false alarms",
        "devices found by pilots", "after subtraction", "NMSE by pilots, dB", "with data, dB",
    ]  # fmt: skip
    cells = [
        [
            f"{entry['snr_db']:g}",
            *(f"{entry[f'{name}_per']:.2g}" for name in ("genie", "receiver", "pilots_only")),
            entry["receiver_wrong"],
            entry["false_alarms"],
            *(f"{entry[name]} of {entry['sent']}" for name in ("found_before", "found_after")),
            f"{entry['nmse_before_db']:.1f}",
            f"{entry['nmse_after_db']:.1f}",
        ]
        for entry in rows
        if entry["active"] == n_active
    ]
    return [row(line) for line in [heads, ["---"] * len(heads), *cells]]


def summary(rows):
    places = {name: snr_at(rows, f"{name}_per") for name in ("genie", "receiver", "pilots_only")}
    said = ", ".join(
        f"{name.replace('_', ' ')} {'beyond the table' if place is None else f'{place:.1f} dB'}"
        for name, place in places.items()
    )
    lines = [f"Packet error rate of {WANTED:g} at: {said}."]
    enough = [entry for entry in rows if entry["receiver_per"] <= 0.1]
    if enough:
        gain = enough[0]["nmse_before_db"] - enough[0]["nmse_after_db"]
        lines.append(
            f"At {enough[0]['snr_db']:g} dB, the first row with 90 % decoded, data as pilots gain {gain:.1f} "
            "dB of channel NMSE (decoded devices that the pilots had found)."
        )
    return lines


def parse():
    parser = program.parser(__doc__, "figures/payload")
    parser.add_argument("--slots", type=int, default=SLOTS, help="slots of each row (default %(default)s)")
    parser.add_argument("--active", type=int, nargs="+", default=[4, 8], help="active devices")
    parser.add_argument("--snr-db", type=float, nargs="+", help="instead of those of the table")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
