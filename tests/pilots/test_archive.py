# SPDX-License-Identifier: GPL-3.0-or-later
"""Archives of arrays: what would take the memory, or break its reader, is refused."""

import tracemalloc
import zipfile

import numpy as np
import pytest

from gr_jadce.pilots import archive
from gr_jadce.pilots.archive import read_npz


def test_a_small_file_of_many_zeros_is_refused_before_it_is_unpacked(tmp_path, monkeypatch):
    monkeypatch.setattr(archive, "_MAX_BYTES", 1_000_000)
    path = tmp_path / "bomb.npz"
    np.savez_compressed(path, pilots=np.zeros(10_000_000, np.complex64))
    assert path.stat().st_size < 100_000
    tracemalloc.start()
    with pytest.raises(ValueError, match=r"bomb.npz: not a pilot book: expected at most 1000000 bytes"):
        read_npz(path, "pilot book")
    assert tracemalloc.get_traced_memory()[1] < 1_000_000
    tracemalloc.stop()


def test_what_is_no_array_is_left_out(tmp_path):
    path = tmp_path / "mixed.npz"
    np.savez(path, pilots=np.ones(3))
    with zipfile.ZipFile(path, "a") as file:
        file.writestr("kind", b"gaussian")
    assert [*read_npz(path, "pilot book")] == ["pilots"]


def test_a_single_array_is_refused(tmp_path):
    np.save(tmp_path / "one.npy", np.ones(3))
    with pytest.raises(ValueError, match=r"expected an .npz file, as np.savez writes it, got a single array"):
        read_npz(tmp_path / "one.npy", "weight file")
