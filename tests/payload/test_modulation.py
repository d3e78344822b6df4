# SPDX-License-Identifier: GPL-3.0-or-later
"""Symbols and chips of a packet."""

import numpy as np

from gr_jadce import make_pilots
from gr_jadce.payload import PayloadFormat, encode, modulate
from gr_jadce.payload.modulation import qpsk, sequences, slot_symbols, soft_bits

FORMAT = PayloadFormat()
DEVICES = np.array([1, 2, 40])
PACKETS = FORMAT.random_packets(np.random.default_rng(0), 3)


def test_neighbours_of_the_constellation_differ_in_one_bit():
    symbols = qpsk(np.array([0, 0, 0, 1, 1, 1, 1, 0]))
    np.testing.assert_allclose(symbols[1:] / symbols[:-1], -1j, atol=1e-6)


def test_soft_bits_are_log_likelihood_ratios():
    symbol, noise_var = np.array([0.3 - 0.2j]), 0.5
    likelihood = [np.exp(-abs(symbol[0] - qpsk(np.array(bits))[0]) ** 2 / noise_var) for bits in
                  ([0, 0], [0, 1], [1, 0], [1, 1])]  # fmt: skip
    first = np.log((likelihood[0] + likelihood[1]) / (likelihood[2] + likelihood[3]))
    second = np.log((likelihood[0] + likelihood[2]) / (likelihood[1] + likelihood[3]))
    np.testing.assert_allclose(soft_bits(symbol, noise_var), [first, second], rtol=1e-5)


def test_despread_chips_are_the_symbols():
    chips = modulate(FORMAT, PACKETS, DEVICES)
    assert chips.shape == (3, FORMAT.n_chips)
    assert chips.dtype == np.complex64
    np.testing.assert_allclose(abs(chips), 1, rtol=1e-5)
    despread = (chips * sequences(FORMAT, DEVICES).conj()).reshape(3, -1, FORMAT.spreading).mean(axis=2)
    np.testing.assert_allclose(despread, qpsk(encode(FORMAT, PACKETS, DEVICES)), atol=1e-6)


def test_sequences_belong_to_seed_and_device():
    own = sequences(FORMAT, DEVICES)
    correlation = abs(own @ own.conj().T) / FORMAT.n_chips
    assert (correlation - np.eye(3)).max() < 0.15
    np.testing.assert_array_equal(sequences(FORMAT, [2])[0], own[1])
    assert (sequences(PayloadFormat(seed=1), [2])[0] != own[1]).any()
    quadrants = np.round(np.angle(own[0, :6]) / (np.pi / 2) - 0.5).astype(int).tolist()
    assert quadrants == [-1, 1, -2, 1, 1, 0]  # on the air for good


def test_a_slot_is_the_pilot_and_the_packet_at_its_power():
    pilots = make_pilots("qpsk", 64, 32, seed=0)
    symbols = slot_symbols(pilots, FORMAT, PACKETS, DEVICES)
    assert symbols.shape == (32 + 664, 3)
    np.testing.assert_array_equal(symbols[:32], pilots.columns(DEVICES))
    np.testing.assert_allclose(abs(symbols) ** 2, 1 / 32, rtol=1e-5)
