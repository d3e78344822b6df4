# SPDX-License-Identifier: GPL-3.0-or-later
"""jadce-pilots: makes the books that the package makes, and shows what it knows of them."""

import re
import resource
import signal

import numpy as np
import pytest

from gr_jadce import load_pilots, make_pilots
from gr_jadce.pilots import PILOT_KINDS, Preambles


@pytest.mark.parametrize("kind", PILOT_KINDS)
def test_make_saves_the_book_asked_for(app, tmp_path, kind):
    process = app(
        "jadce-pilots", "make", "--kind", kind, "--devices", 20, "--length", 17, "--seed", 3, "-o", "b.npz"
    )
    assert process.returncode == 0, process.stderr
    made = load_pilots(tmp_path / "b.npz")
    np.testing.assert_array_equal(made.matrix, make_pilots(kind, 20, 17, seed=3).matrix)


def test_devices_are_named_by_the_lines_of_a_file(app, fails, tmp_path):
    names = [f"meter {n} “ü”" for n in range(20)]
    (tmp_path / "names.txt").write_text("\n".join(names) + "\n", encoding="utf-8")
    options = ("--devices", 20, "--length", 17, "--names", "names.txt", "-o", "b.npz")
    process = app("jadce-pilots", "make", *options)
    assert process.returncode == 0, process.stderr
    assert load_pilots(tmp_path / "b.npz").device_id.tolist() == names
    (tmp_path / "names.txt").write_text("one\n\nthree\n")
    fails(app("jadce-pilots", "make", *options), "--names", "expected 20 lines", "got 3")
    (tmp_path / "names.txt").write_bytes(b"\xff\n" * 20)
    fails(app("jadce-pilots", "make", *options), "--names", "UTF-8")


def test_show_tells_its_properties(app, book):
    text = app("jadce-pilots", "show", "book.npz").stdout
    numbers = dict(re.findall(r"^(coherence|PAPR|devices|pilot length)\D*([\d.]+)", text, re.MULTILINE))
    assert numbers["devices"] == "30"
    assert numbers["pilot length"] == "24"
    assert float(numbers["coherence"]) == pytest.approx(book.coherence, abs=1e-4)
    assert float(numbers["PAPR"]) == pytest.approx(book.papr_db, abs=1e-2)
    assert f"Welch bound is {np.sqrt(6 / (24 * 29)):.4f}" in text
    assert f"{book.frame_bounds[0]:.4g} to {book.frame_bounds[1]:.4g}" in text


def test_show_tells_how_many_devices_a_book_carries(app, tmp_path):
    make_pilots("qpsk", 12, 10, seed=1).save(tmp_path / "tiny.npz")
    process = app("jadce-pilots", "show", "tiny.npz", "--capacity", "--frames", 8)
    rows = re.findall(r"^ +(0|10|20) dB +(\d+) +(\d+) +(\d+)$", process.stdout, re.MULTILINE)
    table = np.array(rows, dtype=int)
    assert table[:, 0].tolist() == [0, 10, 20]
    assert table[2, 3] > table[0, 1]  # 20 dB and 8 antennas carry more than 0 dB and 1 antenna
    assert table[:, 1:].max() <= 10
    assert process.stderr == ""  # progress only on a terminal


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["show", "absent.npz"], ["absent.npz", "No such file"]),
        (["show", "pickled.npz"], ["pickled.npz", "pilot book"]),
        (["show", "text.npz"], ["text.npz", "pilot book"]),
        (["make", "--kind", "dft", "--devices", "4", "--length", "9", "-o", "x.npz"], ["pilot_length", "9"]),
        (["make", "--devices", "4", "--length", "9", "-o", "no/x.npz"], ["no/x.npz", "No such file"]),
    ],
)
def test_mistakes_are_explained(app, fails, tmp_path, arguments, words):
    np.savez(tmp_path / "pickled.npz", pilots=np.array([{}], dtype=object))
    (tmp_path / "text.npz").write_text("not a book")
    fails(app("jadce-pilots", *arguments), *words)


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["make", "--devices", "0", "--length", "9", "-o", "x.npz"],
        ["make", "--devices", "ten", "--length", "9", "-o", "x.npz"],
        ["make", "--kind", "chirp", "--devices", "4", "--length", "9", "-o", "x.npz"],
    ],
)
def test_wrong_usage_is_code_2(app, fails, arguments):
    fails(app("jadce-pilots", *arguments), code=2)


def test_a_full_disk_leaves_no_broken_book(app, fails, tmp_path):
    make_pilots("qpsk", 8, 4).save(tmp_path / "b.npz")
    process = app(
        "jadce-pilots", "make", "--devices", 200, "--length", 60, "-o", "b.npz", preexec_fn=_small_files
    )
    fails(process, "File too large")
    assert load_pilots(tmp_path / "b.npz").n_devices == 8
    assert [path.name for path in tmp_path.iterdir()] == ["b.npz"]


def _small_files():
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))


def test_preambles_are_made_and_shown_as_the_standard_names_them(app, fails, tmp_path):
    options = ("--kind", "nr_prach", "--preamble-format", "A2", "--spacing", 30, "--root", 136)
    process = app("jadce-pilots", "make", *options, "--cyclic-shift", 46, "-o", "cell.npz")
    assert process.returncode == 0, process.stderr
    wanted = Preambles("A2", 30e3, 136, cyclic_shift=46)
    assert load_pilots(tmp_path / "cell.npz").preambles == wanted
    lines = app("jadce-pilots", "show", "cell.npz").stdout.splitlines()
    shown = dict(re.split(r"  +", line, maxsplit=1) for line in lines)
    assert shown["preamble format"] == "A2"
    assert shown["subcarriers"] == "139 of 30 kHz"
    assert shown["logical roots"] == "136 to 19"
    assert shown["physical roots"].startswith("69 70 1 138 2 137")
    assert shown["cyclic shifts"] == "3 a root, N_CS 46 samples of 0.2398 µs"
    assert shown["cell radius"].startswith("1.41 km")
    assert shown["devices (N)"] == "64"
    fails(
        app("jadce-pilots", "make", *options, "--length", 7, "-o", "b.npz"), "--length", "none for preambles"
    )
    fails(
        app("jadce-pilots", "make", *options, "--cyclic-shift", 14, "-o", "b.npz"), "cyclic_shift", "0, 2, 4"
    )
    fails(app("jadce-pilots", "make", "--devices", 7, "-o", "b.npz"), "--length", "gaussian")
