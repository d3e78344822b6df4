# SPDX-License-Identifier: GPL-3.0-or-later
import pickle

import numpy as np
import pytest

from gr_jadce import PILOT_KINDS, PilotBook, as_pilot_book, load_pilots, make_pilots


@pytest.mark.parametrize("kind", PILOT_KINDS)
@pytest.mark.parametrize(("n_devices", "length"), [(100, 40), (200, 64), (97, 31), (64, 64)])
def test_books_have_unit_norm_and_depend_on_the_seed_alone(kind, n_devices, length):
    book = make_pilots(kind, n_devices, length, seed=3)
    assert book.matrix.shape == (length, n_devices)
    assert book.matrix.dtype == np.complex64
    np.testing.assert_allclose(np.linalg.norm(book.matrix, axis=0), 1, atol=1e-6)
    np.testing.assert_array_equal(book.matrix, make_pilots(kind, n_devices, length, seed=3).matrix)
    assert book.coherence < 0.999


@pytest.mark.parametrize("kind", ["gaussian", "qpsk", "dft", "hadamard"])
def test_another_seed_gives_another_book(kind):
    assert np.any(make_pilots(kind, 60, 20, seed=1).matrix != make_pilots(kind, 60, 20, seed=2).matrix)


def test_dft_is_a_tight_frame():
    low, high = make_pilots("dft", 100, 40).frame_bounds
    assert low == pytest.approx(2.5, rel=1e-5) and high == pytest.approx(2.5, rel=1e-5)


def test_hadamard_pilots_are_signs_of_a_hadamard_matrix():
    book = make_pilots("hadamard", 64, 32)
    np.testing.assert_array_equal(np.abs(book.matrix * np.sqrt(np.float32(32)) - 0).round(5), 1)
    np.testing.assert_allclose(book.matrix @ book.matrix.conj().T, 2 * np.eye(32), atol=1e-5)


def test_zadoff_chu_shifts_are_orthogonal_and_roots_flat():
    gram = np.abs(
        make_pilots("zadoff_chu", 62, 31).matrix.conj().T @ make_pilots("zadoff_chu", 62, 31).matrix
    )
    np.testing.assert_allclose(gram[:31, :31], np.eye(31), atol=1e-5)
    np.testing.assert_allclose(gram[:31, 31:], 1 / np.sqrt(31), atol=1e-5)


@pytest.mark.parametrize("kind", PILOT_KINDS)
def test_save_and_load_give_the_same_book(kind, tmp_path):
    book = make_pilots(kind, 50, 20, seed=1, device_id=np.array([f"meter-{i}" for i in range(50)]))
    book.save(tmp_path / "book.npz")
    loaded = load_pilots(tmp_path / "book.npz")
    np.testing.assert_array_equal(loaded.matrix, book.matrix)
    np.testing.assert_array_equal(loaded.device_id, book.device_id)
    assert loaded.kind == kind
    structured = kind in ("dft", "hadamard", "zadoff_chu")
    assert ("pilots" in np.load(tmp_path / "book.npz")) != structured


def test_a_bare_matrix_is_a_book(tmp_path):
    pilots = np.arange(1, 7).reshape(2, 3) + 1j
    np.savez(tmp_path / "bare.npz", pilots=pilots)
    np.testing.assert_array_equal(load_pilots(tmp_path / "bare.npz").matrix, pilots.astype(np.complex64))
    assert as_pilot_book(pilots).n_devices == 3


def test_matrix_is_read_only():
    with pytest.raises(ValueError, match="read-only"):
        make_pilots("qpsk", 10, 5).matrix[0, 0] = 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("gold", 10, 5), "kind: expected one of gaussian"),
        (("qpsk", 0, 5), "n_devices: expected an integer of at least 1"),
        (("qpsk", 10, 2.5), "pilot_length: expected an integer"),
        (("qpsk", 10, 5, -1), "seed: expected an integer of at least 0"),
        (("dft", 10, 11), "pilot_length: a dft book has at most N = 10"),
        (("hadamard", 64, 4), "pilot_length: a hadamard book of 64 devices takes 7 to 64"),
        (("zadoff_chu", 100, 4), "n_devices: zadoff_chu of length 4 has 8 pilots"),
    ],
)
def test_impossible_books_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        make_pilots(*arguments)


class _Harmful:
    def __reduce__(self):
        return (exec, ("raise SystemExit('unpickled')",))


def _bad_files(folder):
    good = folder / "good.npz"
    make_pilots("gaussian", 8, 4).save(good)
    yield "truncated", good.read_bytes()[:200], "corrupt|not a pilot book"
    yield "empty", b"", "not a pilot book"
    yield "text", b"device,pilot\n1,2\n", "not a pilot book"
    yield "pickle", pickle.dumps(_Harmful()), "not a pilot book"
    flipped = bytearray(good.read_bytes())
    flipped[len(flipped) // 2] ^= 0xFF
    yield "flipped", bytes(flipped), "corrupt|not a pilot book"
    for name, arrays, message in (
        ("objects", {"pilots": np.array([_Harmful()], dtype=object)}, "not a pilot book"),
        ("shape", {"pilots": np.ones(5)}, "expected a numeric"),
        ("nan", {"pilots": np.full((2, 3), np.nan)}, "finite"),
        ("silent", {"pilots": np.zeros((2, 3))}, "all zero"),
        ("other name", {"A": np.ones((2, 3))}, r'an array "pilots" of shape.*got .A. of shape \(2, 3\)'),
        ("tiny", {"pilots": np.full((2, 3), 1e-30)}, "largest symbol is from 1e-10 to 1e.10, got 1e-30 for"),
        ("huge", {"pilots": np.full((2, 3), 1e30)}, "largest symbol is from 1e-10 to 1e.10, got 1e.30 for"),
        ("transposed", {"pilots": np.ones((3, 2)), "device_id": ["a", "b", "c"]}, "which is transposed"),
        ("kind", {"kind": "gold", "pilot_length": 2, "n_devices": 3}, "expected one of gaussian"),
        ("rows", {"kind": "dft", "pilot_length": 2, "n_devices": 3, "rows": np.array([1, 1])}, "rows"),
        ("range", {"kind": "dft", "pilot_length": 2, "n_devices": 3, "rows": np.array([1, 9])}, "rows"),
        ("missing", {"kind": "dft", "pilot_length": 2, "n_devices": 3}, "needs 'rows'"),
        ("roots", {"kind": "zadoff_chu", "pilot_length": 4, "n_devices": 3, "roots": np.array([2]),
                   "shifts": np.arange(4)}, "coprime"),
        ("unwritable", {"pilots": np.ones((1, 1)), "device_id": np.array(["\ud800"])}, "UTF-8"),
        ("names", {"pilots": np.ones((2, 3)), "device_id": np.array(["a"])}, "device_id"),
    ):  # fmt: skip
        np.savez(good, **arrays)
        yield name, good.read_bytes(), message


def test_bad_files_are_refused_by_name(tmp_path):
    for name, content, message in _bad_files(tmp_path):
        path = tmp_path / f"{name}.npz"
        path.write_bytes(content)
        with pytest.raises(ValueError, match=message) as caught:
            load_pilots(path)
        assert f"{name}.npz" in str(caught.value)


def test_a_transposed_matrix_is_noticed(tmp_path):
    pilots = np.ones((3, 2), np.complex64)
    np.savez(tmp_path / "tall.npz", pilots=pilots)
    with pytest.warns(UserWarning, match=r"tall.npz: .* 3 symbols of 2 devices; if .* save the transpose"):
        assert load_pilots(tmp_path / "tall.npz").n_devices == 2
    np.savez(tmp_path / "meant.npz", pilots=pilots, kind="custom", pilot_length=3, n_devices=2)
    assert load_pilots(tmp_path / "meant.npz").pilot_length == 3  # no warning


@pytest.mark.parametrize("scale", [1e-30, 1e-11, 1e11, 1e30])
def test_a_pilot_of_absurd_norm_is_refused(scale):
    pilots = np.ones((4, 3))
    pilots[:, 1] *= scale
    with pytest.raises(ValueError, match="for device 1; scale the book"):
        as_pilot_book(pilots)
    with pytest.raises(ValueError, match="for device 1; scale the book"):
        PilotBook("custom", 4, 3, pilots=pilots.astype(np.complex64))


def test_the_weakest_pilot_allowed_has_finite_figures():
    pilots = np.random.default_rng(1).standard_normal((4, 6)) * np.geomspace(1e-8, 1e8, 6)
    book = as_pilot_book(pilots)
    figures = [book.coherence, book.papr_db, book.energy, *book.frame_bounds]
    assert np.all(np.isfinite(figures)) and book.coherence <= 1 + 1e-6


def test_numpy_scalars_are_sizes():
    book = make_pilots("dft", np.int64(8), np.int32(4), np.uint8(1))
    assert (type(book.n_devices), type(book.pilot_length)) == (int, int)
    assert (book.n_devices, book.pilot_length) == (8, 4)


def test_a_failed_save_leaves_the_book_as_it_was(tmp_path, monkeypatch):
    path = tmp_path / "book.npz"
    make_pilots("qpsk", 8, 4, seed=1).save(path)
    monkeypatch.setattr("os.replace", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left")))
    with pytest.raises(OSError, match="No space left"):
        make_pilots("qpsk", 9, 4).save(path)
    assert load_pilots(path).n_devices == 8
    assert [*tmp_path.iterdir()] == [path]


def test_a_missing_file_is_an_os_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        load_pilots(tmp_path / "none.npz")


def test_gram_eigen_decomposes_the_gram_matrix():
    book = make_pilots("gaussian", 30, 10)
    values, vectors = book.gram_eigen
    np.testing.assert_allclose(
        (vectors * values) @ vectors.conj().T, book.matrix @ book.matrix.conj().T, atol=1e-5
    )


def test_papr():
    assert make_pilots("qpsk", 30, 10).papr_db == pytest.approx(0, abs=1e-5)
    pilots = np.array([[1.0], [0.0]])
    assert PilotBook("custom", 2, 1, pilots=pilots).papr_db == pytest.approx(10 * np.log10(2))


def test_a_book_is_shown_in_a_line():
    assert repr(make_pilots("dft", 30, 10)) == "PilotBook('dft', pilot_length=10, n_devices=30)"


def test_names_that_are_numbers_are_text():
    book = PilotBook("custom", 1, 2, pilots=np.ones((1, 2)), device_id=[7, 8])
    assert book.device_id.tolist() == ["7", "8"]


def test_a_matrix_too_large_to_use_is_refused():
    with pytest.raises(ValueError, match="expected at most 134217728 symbols"):
        _ = PilotBook("dft", 2, 2**40, rows=np.array([0, 1])).matrix
    with pytest.raises(ValueError, match="expected at most 134217728 symbols"):
        make_pilots("qpsk", 1, 10**30)
    with pytest.raises(ValueError, match="expected at most 16777216 devices"):
        make_pilots("zadoff_chu", 1, 10**30)


def test_structured_books_may_be_larger_than_their_matrix():
    book = make_pilots("dft", 65_536, 8_192)
    assert book.rows.size == 8_192
    with pytest.raises(ValueError, match="expected at most 134217728 symbols"):
        _ = book.matrix
    with pytest.raises(ValueError, match="expected at most 16777216 devices"):
        make_pilots("dft", 10**12, 8)
