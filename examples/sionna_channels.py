#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make a file of impulse responses with Sionna, for jadce-simulate --channels.

Sionna is not needed by gr-jadce, and needs a NumPy of its own: give it an environment of its own,

    python3 -m venv sionna && sionna/bin/pip install sionna
    sionna/bin/python sionna_channels.py --slots 20 -o uma.npz

The channels are those of the urban macro or micro cell of 3GPP TR 38.901 at a horizontal linear array
of antennas: in every slot, some of all devices are anywhere in a sector, each with its own path loss,
propagation time and echoes. Channels of ray tracing or of a sounder can be written in the same arrays.
"""

import argparse

import numpy as np
import sionna.phy
from sionna.phy.channel import gen_single_sector_topology
from sionna.phy.channel.tr38901 import PanelArray, UMa, UMi

SPEED_OF_LIGHT = 299_792_458.0  # m/s
MODELS = {"uma": UMa, "umi": UMi}


def main():
    args = parse()
    sionna.phy.config.seed = args.seed
    rng = np.random.default_rng(args.seed)
    model = model_of(args)
    slots = [one_slot(model, args) for _ in range(args.slots)]
    gain, delay, propagation = (np.stack(values) for values in zip(*slots, strict=True))
    device = np.array([rng.permutation(args.devices)[: args.active[1]] for _ in slots])
    n_active = rng.integers(args.active[0], args.active[1] + 1, args.slots)
    np.savez_compressed(
        args.output, a=gain, tau=delay, prop=propagation, device=device, K=n_active, fc=args.carrier
    )
    print(f"{args.output}: {args.slots} slots, {gain.shape[2]} antennas, {gain.shape[3]} paths a device")


def model_of(args):
    """The cell, from devices of one antenna to an array."""
    options = {"polarization": "single", "polarization_type": "V", "carrier_frequency": args.carrier}
    antenna = PanelArray(num_rows_per_panel=1, num_cols_per_panel=1, antenna_pattern="omni", **options)
    array = PanelArray(
        num_rows_per_panel=1, num_cols_per_panel=args.antennas, antenna_pattern="38.901", **options
    )
    return MODELS[args.cell](
        carrier_frequency=args.carrier, o2i_model="low", ut_array=antenna, bs_array=array, direction="uplink"
    )


def one_slot(model, args):
    """Gain (K, M, P), delay after the first path (K, P) and propagation time (K,) of devices in a sector."""
    topology = gen_single_sector_topology(1, args.active[1], args.cell)
    model.set_topology(*topology)
    gain, delay = (values.cpu().numpy() for values in model(num_time_samples=1, sampling_frequency=1.0))
    gain, delay = np.moveaxis(gain[0, 0, :, :, 0, :, 0], 0, 1), delay[0, 0]
    place, base = (topology[i].cpu().numpy()[0] for i in (0, 1))
    return gain, np.where(gain.any(axis=1), delay, 0), np.linalg.norm(place - base, axis=1) / SPEED_OF_LIGHT


def parse():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("-o", "--output", required=True, metavar="FILE.npz", help="file to write")
    add("--cell", choices=MODELS, default="uma", help="urban macro or micro cell (default %(default)s)")
    add("--slots", type=int, default=60, help="slots (default %(default)s)")
    add("--devices", type=int, default=200, help="devices of the pilot book (default %(default)s)")
    add("--active", type=int, nargs=2, default=(10, 20), metavar=("LEAST", "MOST"), help="active in a slot")
    add("--antennas", type=int, default=4, help="antennas (default %(default)s)")
    add("--carrier", type=float, default=3.5e9, metavar="HZ", help="carrier (default %(default)g)")
    add("--seed", type=int, default=1, help="(default %(default)s)")
    return parser.parse_args()


if __name__ == "__main__":
    main()
