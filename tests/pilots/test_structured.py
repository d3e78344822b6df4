# SPDX-License-Identifier: GPL-3.0-or-later
import subprocess
import sys

import numpy as np
import pytest

from gr_jadce import PILOT_KINDS, PilotBook, make_pilots
from gr_jadce.pilots.structured import hadamard_transform

RNG = np.random.default_rng(7)
STRUCTURED = ("dft", "hadamard", "zadoff_chu")
SIZES = [(64, 64), (100, 40), (97, 31), (61, 61), (128, 32), (33, 12)]


@pytest.fixture
def fast(monkeypatch):
    """Transforms whatever the size."""
    monkeypatch.setattr("gr_jadce.pilots.book._FAST_FROM", dict.fromkeys(STRUCTURED, 0))


def some_shifts():
    """Zadoff-Chu pilots with shifts of the user's own."""
    fields = {"roots": np.array([1, 4, 7]), "shifts": np.array([0, 3, 4, 9])}
    return PilotBook("zadoff_chu", 15, 11, **fields)


def books():
    yield from (make_pilots(kind, *size, seed=1) for kind in STRUCTURED for size in SIZES)
    yield some_shifts()


def rows(count, shape, dtype):
    array = RNG.standard_normal((count, *shape))
    return (array + 1j * RNG.standard_normal((count, *shape)) if dtype in "FD" else array).astype(dtype)


@pytest.mark.parametrize("dtype", ["f", "d", "F", "D"])
@pytest.mark.parametrize("shape", [(), (1,), (3, 2)])
def test_transforms_equal_the_matrix_and_keep_the_precision(fast, dtype, shape):
    for book in books():
        assert book.is_fast
        X, Y = rows(book.n_devices, shape, dtype), rows(book.pilot_length, shape, dtype)
        forward, adjoint = book.forward(X), book.adjoint(Y)
        assert forward.dtype == adjoint.dtype == np.result_type(dtype, np.complex64)
        np.testing.assert_allclose(forward, np.tensordot(book.matrix, X, 1), atol=1e-5)
        np.testing.assert_allclose(adjoint, np.tensordot(book.matrix.conj().T, Y, 1), atol=1e-5)


def test_double_precision_is_kept(fast):
    for book in books():
        X, Y = rows(book.n_devices, (2,), "D"), rows(book.pilot_length, (2,), "D")
        assert np.vdot(Y, book.forward(X)) == pytest.approx(np.vdot(book.adjoint(Y), X), rel=1e-12)


def test_a_column_does_not_depend_on_its_batch(fast):
    for book in books():
        X, Y = rows(book.n_devices, (5, 3), "D"), rows(book.pilot_length, (5, 3), "D")
        np.testing.assert_allclose(book.forward(X)[:, 2, 1], book.forward(X[:, 2, 1]), rtol=0, atol=1e-13)
        np.testing.assert_allclose(book.adjoint(Y)[:, 2, 1], book.adjoint(Y[:, 2, 1]), rtol=0, atol=1e-13)


@pytest.mark.parametrize("kind", PILOT_KINDS)
def test_matrix_products_when_small_or_without_structure(kind):
    book = make_pilots(kind, 60, 20)
    assert not book.is_fast
    X, Y = rows(60, (2, 2), "D"), rows(20, (2, 2), "F")
    np.testing.assert_allclose(book.forward(X), np.tensordot(book.matrix, X, 1), atol=1e-12)
    np.testing.assert_allclose(book.adjoint(Y), np.tensordot(book.matrix.conj().T, Y, 1), atol=1e-5)
    assert (book.forward(X).dtype, book.adjoint(Y).dtype) == (np.complex128, np.complex64)


def test_strided_and_read_only_input_is_left_alone(fast):
    for book in books():
        X = rows(2 * book.n_devices, (4,), "F")[::2, ::2]
        X.setflags(write=False)
        np.testing.assert_allclose(book.forward(X), book.matrix @ X, atol=1e-5)


def test_columns_and_inner_products_are_those_of_the_matrix(fast):
    for book in books():
        left, right = RNG.integers(book.n_devices, size=7), RNG.integers(book.n_devices, size=4)
        np.testing.assert_array_equal(book.columns(left), book.matrix[:, left])
        gram = book.matrix[:, left].conj().T @ book.matrix[:, right]
        np.testing.assert_allclose(book.gram(left, right), gram, atol=1e-6)
    book = make_pilots("qpsk", 30, 10)
    np.testing.assert_array_equal(book.columns([3, 1]), book.matrix[:, [3, 1]])
    np.testing.assert_allclose(book.gram([1], [2])[0, 0], np.vdot(book.matrix[:, 1], book.matrix[:, 2]))


def test_a_tight_bound_is_known_where_there_is_one():
    for book in (*books(), make_pilots("dft", 300, 256), make_pilots("qpsk", 8, 2)):
        product = book.matrix @ book.matrix.conj().T
        bound = product[0, 0].real
        tight = np.allclose(product, bound * np.eye(len(product)), atol=1e-5)
        if book.tight_bound is None:
            assert not tight or book.kind == "qpsk"
        else:
            assert tight and book.tight_bound == pytest.approx(bound, rel=1e-5)
            values, vectors = book.gram_eigen
            assert vectors is None and np.all(values == book.tight_bound)


def test_coherence_without_the_matrix_is_that_of_the_matrix():
    for book in books():
        gram = np.abs(book.matrix.conj().T @ book.matrix)
        np.fill_diagonal(gram, 0)
        assert book.coherence == pytest.approx(gram.max(), abs=1e-6)


def test_energy_and_papr_without_the_matrix(fast):
    for book in books():
        assert book.energy == book.n_devices
        assert book.papr_db == pytest.approx(0, abs=1e-5)


@pytest.mark.parametrize("order", [1, 2, 16, 32, 512])
def test_hadamard_transform_is_its_own_inverse(order):
    X = rows(order, (3,), "D")
    np.testing.assert_allclose(hadamard_transform(hadamard_transform(X)), order * X, rtol=1e-12)
    np.testing.assert_allclose(hadamard_transform(X)[0], X.sum(0), rtol=1e-9)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda book: book.forward(np.ones(7)), r"channel: expected floating-point rows \(8, …\), got"),
        (lambda book: book.adjoint(np.ones((8, 2))), r"received: expected floating-point rows \(4, …\)"),
        (lambda book: book.forward(np.ones(8, int)), "channel: expected floating-point"),
        (lambda book: book.columns([8]), "index: expected integers from 0 to 7"),
        (lambda book: book.gram([0], [-1]), "index: expected integers from 0 to 7"),
        (lambda book: book.columns([0.5]), "index: expected integers"),
    ],
)
def test_wrong_shapes_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call(make_pilots("dft", 8, 4))


@pytest.mark.parametrize("kind", STRUCTURED)
def test_nothing_of_size_l_by_n_is_formed(kind):
    """What a large book does takes memory of a few times its vectors; the matrix would take 2 GiB."""
    code = f"""
from pathlib import Path
import numpy as np
from gr_jadce import make_pilots
book = make_pilots({kind!r}, 65_536, 4_096 if {kind!r} == "hadamard" else 4_093)
def peak():  # KiB since this program began; ru_maxrss counts what started it, too
    return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0])
before = peak()
X = np.ones((65_536, 4), np.complex64)
book.adjoint(book.forward(X)), book.coherence, book.energy, book.papr_db
book.columns(np.arange(100)), book.gram(np.arange(100), np.arange(100))
print(peak() - before)
"""
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(out.stdout) < 100_000  # KiB
