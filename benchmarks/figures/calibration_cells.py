# SPDX-License-Identifier: GPL-3.0-or-later
"""The cells of `make calibration`, in parts that are measured and shown apart.

A cell is a dictionary of what its frames and their receiver are: `varied` by the part, or the same in all
of its cells (`common`).
"""

from math import inf
from typing import Any, NamedTuple

from cell_counts import RANGES
from noise_fields import KINDS

from gr_jadce.pilots.kinds import PILOT_KINDS

CellValue = int | float | str
FACTORS = {"0.1": 1.5, "0.01": 1.5, "0.001": 2.0, "0.0001": 2.0, "1e-05": 2.0}  # allowed, by what is wanted


class Part(NamedTuple):
    """Cells that share a table.

    cells : what varies, one dictionary a cell.
    common : what does not.
    wanted : false-alarm probabilities, keys of `FACTORS`.
    decisions : inactive ones a cell.
    note : what the table says of its cells.
    events : false alarms expected of a probability that are enough; more decisions are left to the rarer.
    samples : of all the frames that a decision is counted with, at most; large frames take long.
    """

    title: str
    cells: list[dict[str, CellValue]]
    common: dict[str, CellValue]
    wanted: tuple[str, ...]
    decisions: float
    note: str
    events: float = inf
    samples: float = inf

    def settings(self, cell: dict[str, CellValue]) -> dict[str, Any]:
        """All that a cell is, with what no part but some say."""
        return DEFAULTS | self.common | cell

    def decisions_about(self, cell: dict[str, CellValue], wanted: str) -> float:
        """Inactive decisions of a cell at one of the probabilities."""
        settings = self.settings(cell)
        affordable = self.samples / (settings["pilot_length"] * settings["n_antennas"])
        return min(self.decisions, affordable, self.events / float(wanted))


DEFAULTS: dict[str, Any] = {
    "activity_rate": 0.1,
    "n_active": None,
    "power_spread_db": 0,
    "noise_var": "unknown",
    "noise": None,
    "range": None,
    "proposer": "network",
}


def _products(**axes):
    """One dictionary for each choice of a value of every axis, the last axis fastest."""
    cells = [{}]
    for name, values in axes.items():
        cells = [cell | {name: value} for cell in cells for value in values]
    return cells


def _grid():
    return _products(
        n_antennas=(1, 2, 4, 8),
        snr_db=(5, 10, 15, 20, 25),
        activity_rate=(0.02, 0.05, 0.1, 0.15),
        pilots=("gaussian", "qpsk", "dft"),
        power_spread_db=(0, 5),
    )


def _heavy_cells():
    """K up to 1.2 L."""
    loads = _products(n_active=(6, 12, 18, 22, 24, 29), n_antennas=(4, 8, 16), snr_db=(10, 20))
    return [cell | {"noise_var": level} for cell in loads for level in ("unknown", "told")]


def _few_sample_cells():
    """Nobody active and few; the largest frames with some kinds of pilots alone."""
    none_and_few, some_kinds = (0, 3), ("gaussian", "dft")
    cells = [
        *_products(pilots=PILOT_KINDS, length=(8, 24, 64), n_antennas=(1, 4), n_active=(0, 1, 3)),
        *_products(pilots=PILOT_KINDS, length=(24,), n_antennas=(64,), n_active=none_and_few),
        *_products(pilots=PILOT_KINDS, length=(256,), n_antennas=(1,), n_active=none_and_few),
        *_products(pilots=some_kinds, length=(12,), n_antennas=(1, 4), n_active=(0, 1, 3)),
        *_products(pilots=some_kinds, length=(256,), n_antennas=(4,), n_active=none_and_few),
        *_products(pilots=("gaussian",), length=(8, 24, 64), n_antennas=(2, 16), n_active=none_and_few),
        *_products(pilots=("gaussian",), length=(8, 64, 256), n_antennas=(64,), n_active=none_and_few),
    ]
    told = _products(pilots=some_kinds, length=(8, 24), n_antennas=(1, 4), n_active=none_and_few)
    wide = _products(pilots=some_kinds, length=(8, 64), n_antennas=(1, 4), n_active=(0,), a_symbol=(8,))
    return [
        *(_few_sample_cell(**cell) for cell in cells),
        *(_few_sample_cell(**cell, noise_var="told") for cell in told),
        *(_few_sample_cell(**cell) for cell in wide),
    ]


def _few_sample_cell(pilots, length, n_antennas, n_active, noise_var="unknown", a_symbol=3):
    """Zadoff-Chu pilots of prime length. `a_symbol`: N/L."""
    length = {8: 11, 12: 13, 24: 23, 64: 61, 256: 251}[length] if pilots == "zadoff_chu" else length
    return {
        "pilots": pilots,
        "pilot_length": length,
        "n_devices": a_symbol * length,
        "n_antennas": n_antennas,
        "n_active": n_active,
        "noise_var": noise_var,
    }


def _out_of_step_cells():
    ranges = tuple(filter(None, RANGES))
    return [
        *_products(range=ranges, n_active=(0, 10, 20), snr_db=(10,), noise_var=("unknown", "told")),
        *_products(range=ranges, n_active=(10, 20), snr_db=(20,), noise_var=("unknown",)),
    ]


def _is_crowded(cell):
    """More active devices than L/8, or many more inactive ones than symbols."""
    return 8 * cell["n_active"] > cell["pilot_length"] or cell["n_devices"] >= 8 * cell["pilot_length"]


_FEW_SAMPLES = ({"snr_db": 15}, ("0.1", "0.01", "0.001", "0.0001", "1e-05"), 2e6)
PC_ADMM = "PC-ADMM proposes, to a duality gap of 0.01 at λ = 0.1 λ_max (only the order of its scores matters)"
PARTS = {
    "grid": Part(
        "False-alarm calibration",
        _grid(),
        {"n_devices": 200, "pilot_length": 64, "proposer": "pc_admm"},
        ("0.01", "0.001"),
        1e6,
        f"N = 200, L = 64, σ² unknown; {PC_ADMM}.",
    ),
    "load": Part(
        "False-alarm calibration: load",
        _heavy_cells(),
        {"n_devices": 192, "pilot_length": 24, "pilots": "gaussian"},
        ("0.01", "0.001"),
        2e5,
        "N = 192, L = 24, Gaussian pilots; the default network proposes, and is told σ² where the "
        "decisions are.",
    ),
    "few-samples": Part(
        "False-alarm calibration: few samples",
        [cell for cell in _few_sample_cells() if not _is_crowded(cell)],
        *_FEW_SAMPLES,
        "N = 3 L. Nobody active, or at most L/8 devices; 15 dB; the default network proposes. Larger "
        "probabilities are measured on the first of the frames.",
        events=200,
        samples=1e10,
    ),
    "crowded": Part(
        "False-alarm calibration: few samples and many devices",
        [cell for cell in _few_sample_cells() if _is_crowded(cell)],
        *_FEW_SAMPLES,
        "More than L/8 active: others may explain such a frame as well, and then decisions are wrong more "
        "often than any probability that is wanted. Or eight devices a symbol: of false alarms by the same "
        "noise only one is made. 15 dB; the default network proposes.",
        events=200,
    ),
    "out-of-step": Part(
        "False-alarm calibration: devices out of step",
        _out_of_step_cells(),
        {"n_devices": 200, "pilot_length": 64, "pilots": "gaussian", "n_antennas": 4},
        ("0.01", "0.001"),
        1e5,
        "N = 200, L = 64, M = 4, Gaussian pilots. The receiver searches the whole range of delays and "
        "carrier offsets; behind a cyclic prefix of 8 symbols also for more paths, of which there are none. "
        "Told: one that is told the delay and offset of every device and decides as in step; the NMSE there "
        "is that of a genie who is told who is active as well (LMMSE). Least: of one who is told who is "
        "active, but has to learn delays and offsets (Cramér-Rao bound). Channels are those at a pilot's "
        "first symbol.",
    ),
    "noise": Part(
        "False-alarm calibration: noise that is not white",
        _products(noise=tuple(KINDS), n_antennas=(2, 4, 8)),
        {"n_devices": 200, "pilot_length": 64, "pilots": "qpsk", "n_active": 12, "snr_db": 12},
        ("0.01", "0.001"),
        4e5,
        "N = 200, L = 64, K = 12, QPSK pilots, 12 dB over the white noise. Interferers, a carrier or a "
        "wide band from one direction, and DC are so many dB over it at every antenna. The receiver takes "
        "the noise for what each frame shows; told: it is told the covariance, which changes with the "
        "direction from frame to frame, and whitens by it.",
    ),
}
QUICK = {
    "grid": _products(
        n_antennas=(1, 4),
        snr_db=(20,),
        activity_rate=(0.05,),
        pilots=("gaussian", "dft"),
        power_spread_db=(5,),
    ),
    "load": [cell for cell in _heavy_cells() if (cell["n_active"], cell["snr_db"]) == (12, 20)][:2],
    "few-samples": [cell for cell in _few_sample_cells() if cell["n_antennas"] == 4][6:8],
    "crowded": [cell for cell in _few_sample_cells() if _is_crowded(cell)][:1],
    "out-of-step": _products(range=("±½ symbol",), n_active=(10,), snr_db=(10,), noise_var=("unknown",)),
    "noise": _products(noise=("white", "one antenna +10 dB", "carrier +20 dB"), n_antennas=(4,)),
}


def quick(part: str) -> Part:
    """The part with a few cells and frames: to see that all works."""
    return PARTS[part]._replace(cells=QUICK[part], decisions=2e4)
