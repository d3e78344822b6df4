# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: PT017 (what is raised is one of two good ends)
"""Pilot books and weight files: whatever is in one, it is read, or refused with its name."""

import io
import json
import warnings
import zipfile

import numpy as np
import pytest
from hostile import ARRAYS, JSON, NUMBERS, mutated
from hypothesis import given
from hypothesis import strategies as st

from gr_jadce import load_pilots, make_pilots
from gr_jadce.unrolled import Weights, load_weights, save_weights, unrolled
from gr_jadce.unrolled.layers import SHAPES
from gr_jadce.unrolled.weight_files import FORMAT_VERSION

META = {"format_version": FORMAT_VERSION, "n_layers": 2, "scenario": {}, "provenance": {}}
BOOKS = [make_pilots(kind, 7, 5, device_id=[*"abcdefg"]) for kind in ("qpsk", "dft", "zadoff_chu")]


def weights():
    arrays = {name: np.zeros((2, *shape), np.float32) for name, shape in SHAPES.items()}
    return Weights(arrays, META)


def saved(save, folder):
    save(folder / "good.npz")
    return (folder / "good.npz").read_bytes()


@pytest.fixture(scope="module")
def read(tmp_path_factory):
    """Read bytes as a file: what `load` gives, or None where it refuses them."""
    path = tmp_path_factory.mktemp("fuzz") / "hostile.npz"

    def read(load, content):
        path.write_bytes(content)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return load(path)
        except ValueError as error:
            assert "hostile.npz: not a " in str(error)
            return None

    return read


def use(book):
    """What a receiver does with a book."""
    if book is not None and book.n_devices < 1e6:
        assert book.matrix.shape == (book.pilot_length, book.n_devices)
        assert book.device_id is None or len("".join(book.device_id.tolist()).encode()) >= 0


def archive(members):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as file:
        for name, data in members.items():
            file.writestr(name, data)
    return content.getvalue()


def npy(array):
    content = io.BytesIO()
    np.save(content, array)
    return content.getvalue()


def header(shape, descr):
    """An array's header with anything in it, and a little data."""
    text = f"{{'descr': {descr!r}, 'fortran_order': False, 'shape': {shape}, }}".encode()
    return b"\x93NUMPY\x01\x00" + (len(text) + 1).to_bytes(2, "little") + text + b"\n" + bytes(64)


SHAPES_AND_TYPES = (
    st.lists(NUMBERS, max_size=3).map(tuple),
    st.sampled_from(["<c8", "<U9", "|V0", "|O", "x"]),
)
MEMBERS = ARRAYS.map(npy) | st.builds(header, *SHAPES_AND_TYPES) | st.binary(max_size=20)
FIELDS = ["pilots", "kind", "pilot_length", "n_devices", "rows", "roots", "shifts", "device_id"]


@given(data=st.data())
def test_damaged_books(data, read, tmp_path_factory):
    good = saved(BOOKS[data.draw(st.integers(0, 2))].save, tmp_path_factory.getbasetemp())
    use(read(load_pilots, data.draw(mutated(good))))


@given(fields=st.dictionaries(st.sampled_from(FIELDS), st.tuples(st.sampled_from(["", ".npy"]), MEMBERS)))
def test_books_of_hostile_fields(fields, read):
    use(read(load_pilots, archive({name + end: data for name, (end, data) in fields.items()})))


@given(which=st.integers(0, 2), field=st.sampled_from(FIELDS), member=MEMBERS)
def test_books_with_a_field_replaced(which, field, member, read, tmp_path_factory):
    good = np.load(io.BytesIO(saved(BOOKS[which].save, tmp_path_factory.getbasetemp())))
    members = {f"{name}.npy": npy(good[name]) for name in good.files} | {f"{field}.npy": member}
    use(read(load_pilots, archive(members)))


@given(data=st.data())
def test_damaged_weights(data, read, tmp_path_factory):
    good = saved(lambda path: save_weights(path, weights()), tmp_path_factory.getbasetemp())
    read(load_weights, data.draw(mutated(good)))


@given(
    key=st.sampled_from([*META, "other"]), value=JSON, name=st.sampled_from(sorted(SHAPES)), member=MEMBERS
)
def test_weights_of_hostile_fields(key, value, name, member, read):
    arrays = {f"{name}.npy": npy(array) for name, array in weights().arrays.items()}
    meta = {"meta.npy": npy(np.array(json.dumps(META | {key: value})))}
    for changes in (meta, {"meta.npy": npy(np.array(json.dumps(META))), f"{name}.npy": member}):
        found = read(load_weights, archive(arrays | changes))
        if found is not None:
            unrolled(BOOKS[0], found)(np.ones((1, 5, 2), np.complex64))
