# SPDX-License-Identifier: GPL-3.0-or-later
import numpy as np
import pytest

from gr_jadce import load_pilots
from gr_jadce.pilots import Preambles, preamble_book
from gr_jadce.pilots.preamble_tables import FORMATS, LONG, SHORT, physical_root


def by_the_formula(root, length, shift):
    """y_{u,v}(n) of TS 38.211 §6.3.3.1, term by term."""
    i = (np.arange(length) + shift) % length
    x = np.exp(-1j * np.pi * root * i * (i + 1) / length)
    m = np.arange(length)
    return np.array([np.sum(x * np.exp(-2j * np.pi * m * n / length)) for n in range(length)])


@pytest.mark.parametrize(
    ("preambles", "preamble", "root", "shift"),
    [  # the test preambles of TS 38.141-1 Table A.6-1, and others
        (Preambles("0", logical_root=22, cyclic_shift=13), 32, 1, 32 * 13),
        (Preambles("A1", 15e3, cyclic_shift=23), 0, 1, 0),
        (Preambles("B4", 30e3, cyclic_shift=46), 7, 2, 46),
        (Preambles("C2", 15e3, 136, cyclic_shift=23), 13, 1, 23),
        (Preambles("A3", 15e3, 5, cyclic_shift=0), 2, 135, 0),
    ],
)
def test_a_pilot_is_that_of_the_standard(preambles, preamble, root, shift):
    wanted = by_the_formula(root, preambles.length, shift) / preambles.length
    pilot = preamble_book(preambles).matrix[:, preamble].reshape(preambles.repetitions, -1)
    for symbol in pilot * np.sqrt(preambles.repetitions):
        np.testing.assert_allclose(symbol, wanted, atol=1e-6)


@pytest.mark.parametrize("length", [LONG, SHORT])
def test_sequences_are_those_of_another_implementation(length):
    sequences = pytest.importorskip("commpy.sequences", reason="scikit-commpy is not installed")
    preambles = Preambles("0" if length == LONG else "C0", logical_root=3, cyclic_shift=0, n_preambles=5)
    for symbol, root in zip(preambles.symbols(np.arange(5)).T, preambles.roots, strict=True):
        wanted = np.fft.fft(sequences.zcsequence(int(root), length)) / length
        np.testing.assert_allclose(symbol, wanted, atol=1e-9)


def test_every_root_has_one_logical_index():
    for length in (LONG, SHORT):
        roots = [physical_root(length, index) for index in range(length - 1)]
        assert sorted(roots) == list(range(1, length))
        assert all(even + odd == length for even, odd in zip(roots[::2], roots[1::2], strict=True))
    assert [physical_root(LONG, index) for index in (0, 1, 20, 21, 22, 23, 837)] == [
        129,
        710,
        2,
        837,
        1,
        838,
        610,
    ]
    assert [physical_root(SHORT, index) for index in (0, 1, 2, 137, 138)] == [1, 138, 2, 70, 1]


def test_preambles_fill_a_root_before_the_next():
    preambles = Preambles("A1", cyclic_shift=23)
    assert (preambles.per_root, preambles.n_roots) == (6, 11)
    numbers = np.arange(64)
    assert preambles.root_of(numbers).tolist() == [n // 6 for n in range(64)]
    assert preambles.shift_of(numbers).tolist() == [n % 6 * 23 for n in range(64)]
    assert Preambles("0", logical_root=22).n_roots == 1


@pytest.mark.parametrize("name", FORMATS)
def test_durations_fit_the_clock(name):
    preambles = Preambles(name, cyclic_shift=0, n_preambles=3)
    assert preambles.prefix_seconds * 30.72e6 == pytest.approx(FORMATS[name].prefix)
    if preambles.length == SHORT:
        halved = Preambles(name, 30e3, cyclic_shift=0, n_preambles=3)
        assert halved.prefix_seconds == pytest.approx(preambles.prefix_seconds / 2)


def test_cell_radii_are_those_of_windows_and_prefixes():
    assert Preambles("0", cyclic_shift=93).cell_radius == pytest.approx(299792458 / 2 * 93 / 839 * 800e-6)
    assert Preambles("A1", cyclic_shift=69).cell_radius == pytest.approx(299792458 / 2 * 288 / 30.72e6)


def test_pilots_have_unit_norm_and_those_of_a_root_are_orthogonal():
    book = preamble_book(Preambles("A2", cyclic_shift=23))
    gram = np.abs(book.matrix.conj().T @ book.matrix)
    np.testing.assert_allclose(gram[:6, :6], np.eye(6), atol=1e-5)
    np.testing.assert_allclose(gram[:6, 6:], 1 / np.sqrt(139), atol=1e-5)
    assert book.coherence == pytest.approx(1 / np.sqrt(139), abs=1e-5)


def test_save_and_load_give_the_same_book(tmp_path):
    book = preamble_book(Preambles("B4", 30e3, 3, cyclic_shift=46, n_preambles=60))
    book.save(tmp_path / "cell.npz")
    loaded = load_pilots(tmp_path / "cell.npz")
    assert loaded.preambles == book.preambles and loaded.pilot_length == 12 * 139
    np.testing.assert_array_equal(loaded.matrix, book.matrix)
    assert "pilots" not in np.load(tmp_path / "cell.npz")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"preamble_format": "A4"}, "preamble_format: expected one of 0, 1"),
        ({"spacing": 15e3}, "spacing: expected one of 1250.0"),
        ({"preamble_format": "A1", "spacing": 1250.0}, "spacing: expected one of 15000"),
        ({"cyclic_shift": 14}, "cyclic_shift: expected one of 0, 13, 15"),
        ({"preamble_format": "A1", "cyclic_shift": 14}, "cyclic_shift: expected one of 0, 2, 4"),
        ({"logical_root": 838}, "logical_root: expected an integer from 0 to 837"),
        ({"n_preambles": 65}, "n_preambles: expected an integer from 1 to 64"),
    ],
)
def test_what_the_standard_has_not_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        Preambles(**arguments)


def test_a_file_that_does_not_fit_is_refused(tmp_path):
    fields = {
        "kind": "nr_prach",
        "preamble_format": "A1",
        "spacing": 15e3,
        "logical_root": 0,
        "cyclic_shift": 23,
    }
    np.savez(tmp_path / "short.npz", pilot_length=139, n_devices=64, **fields)
    with pytest.raises(ValueError, match="pilot_length: expected 278 of preamble format A1, got 139"):
        load_pilots(tmp_path / "short.npz")
    np.savez(tmp_path / "row.npz", pilot_length=278, n_devices=64, **fields | {"spacing": [15e3, 15e3]})
    with pytest.raises(ValueError, match="nr_prach: expected a single value"):
        load_pilots(tmp_path / "row.npz")
