# SPDX-License-Identifier: GPL-3.0-or-later
"""The code of a packet, beside GNU Radio's."""

import ctypes

import numpy as np
import pytest
from helpers.compiled import compiled_kernel

from gr_jadce.payload import PayloadFormat, decode, encode
from gr_jadce.payload.coding import check_sum, convolved, interleaver
from gr_jadce.payload.viterbi import viterbi

FORMAT = PayloadFormat()
DEVICES = np.array([0, 3, 63])


def packets(count, seed=0):
    return FORMAT.random_packets(np.random.default_rng(seed), count)


def noisy(bits, snr_db, seed=1):
    noise = np.random.default_rng(seed).standard_normal(bits.shape)
    return ((1 - 2.0 * bits) + noise * 10 ** (-snr_db / 20)).astype(np.float32)


def gnuradio_code(kind, n_bits):
    fec = pytest.importorskip("gnuradio.fec")
    if kind == "encoder":
        return fec.cc_encoder_make(n_bits, 7, 2, [109, 79], 0, fec.CC_TERMINATED, False)
    return fec.cc_decoder_make(n_bits, 7, 2, [109, 79], 0, -1, fec.CC_TERMINATED, False)


def work(code, given, n_out):
    """What an encoder or decoder of GNU Radio makes of an array: it takes pointers in capsules."""
    made = np.zeros(n_out, np.uint8)
    new = ctypes.pythonapi.PyCapsule_New
    new.restype, new.argtypes = ctypes.py_object, [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
    code.generic_work(*(new(array.ctypes.data, None, None) for array in (given, made)))
    return made


def test_a_packet_is_decoded_without_noise():
    sent = packets(3)
    decoded, crc_ok = decode(FORMAT, 1 - 2.0 * encode(FORMAT, sent, DEVICES), DEVICES)
    assert crc_ok.all()
    np.testing.assert_array_equal(decoded, sent)


def test_a_packet_does_not_pass_for_another_device():
    llr = 1 - 2.0 * encode(FORMAT, packets(3), DEVICES)
    decoded, crc_ok = decode(FORMAT, llr, DEVICES + 1)
    assert not crc_ok.any()
    np.testing.assert_array_equal(decoded, packets(3))


def test_noise_does_not_pass():
    llr = np.random.default_rng(0).standard_normal((2000, FORMAT.n_bits))
    assert not decode(FORMAT, llr, np.arange(2000))[1].any()


def test_the_check_sum_is_that_of_zlib():
    assert check_sum(b"56789", int.from_bytes(b"1234", "little")) == 0xCBF43926


def test_the_interleaver_is_a_permutation_that_the_seed_makes():
    order = interleaver(FORMAT)
    np.testing.assert_array_equal(np.sort(order), np.arange(FORMAT.n_bits))
    assert (order != interleaver(PayloadFormat(seed=1))).any()
    assert order[:4].tolist() == [162, 27, 33, 305]  # on the air for good


def test_code_words_are_those_of_gnuradio():
    bits = np.unpackbits(packets(5), axis=1)
    encoder = gnuradio_code("encoder", bits.shape[1])
    for row, ours in zip(bits, convolved(bits), strict=True):
        np.testing.assert_array_equal(ours, work(encoder, row, len(ours)))


def test_decoded_bits_are_those_of_gnuradio():
    bits = np.unpackbits(packets(40), axis=1)
    soft = noisy(convolved(bits), 3.0)
    ours = viterbi(soft)[:, :-6]
    decoder = gnuradio_code("decoder", bits.shape[1])
    # its soft bits are bytes, 0 for a sure 0
    levels = np.clip(np.round(127.5 - 50 * soft), 0, 255).astype(np.uint8)
    theirs = np.array([work(decoder, row, bits.shape[1]) for row in levels])
    assert np.mean(ours != bits) < 1e-3
    assert np.mean(ours != theirs) < 1e-3


def test_the_compiled_decoder_is_the_plain_one():
    compiled_kernel()
    soft = noisy(convolved(np.unpackbits(packets(200), axis=1)), 1.0)
    np.testing.assert_array_equal(viterbi(soft), viterbi(soft, backend="numpy"))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: encode(FORMAT, packets(2), DEVICES),
            "packets: expected \\(3, 16\\) of uint8, got \\(2, 16\\)",
        ),
        (
            lambda: encode(FORMAT, packets(3) * 1.0, DEVICES),
            "packets: expected .* got \\(3, 16\\) of float64",
        ),
        (lambda: encode(FORMAT, packets(3), [1, 2, -1]), "devices: expected numbers from 0"),
        (lambda: decode(FORMAT, np.zeros((3, 5)), DEVICES), "llr: expected the shape \\(3, 332\\)"),
    ],
)
def test_wrong_arrays_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
