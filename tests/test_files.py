# SPDX-License-Identifier: GPL-3.0-or-later
"""Files are replaced whole or not at all, and only files are read."""

import os
import stat

import pytest

from gr_jadce.files import open_regular, replaced_file


def test_a_file_is_replaced_at_the_end(tmp_path):
    path = tmp_path / "x"
    path.write_text("old")
    with replaced_file(path, "w") as file:
        file.write("new")
        file.flush()
        assert path.read_text() == "old"
    assert (path.read_text(), [*tmp_path.iterdir()]) == ("new", [path])


def test_an_error_leaves_the_old_file_and_nothing_beside_it(tmp_path):
    path = tmp_path / "x"
    path.write_text("old")
    with pytest.raises(UnicodeEncodeError), replaced_file(path, "w", encoding="ascii") as file:
        file.write("new é")
    assert (path.read_text(), [*tmp_path.iterdir()]) == ("old", [path])


def test_a_link_stays_a_link(tmp_path):
    (tmp_path / "link").symlink_to("x")
    with replaced_file(tmp_path / "link", "w") as file:
        file.write("new")
    assert ((tmp_path / "link").is_symlink(), (tmp_path / "x").read_text()) == (True, "new")


def test_a_device_is_written_and_stays(tmp_path):
    (tmp_path / "link").symlink_to("/dev/null")
    for path in ("/dev/null", tmp_path / "link"):
        with replaced_file(path) as file:
            file.write(b"new")
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)


def test_an_error_names_the_file_that_was_wanted(tmp_path):
    with pytest.raises(FileNotFoundError) as caught, replaced_file(tmp_path / "no" / "x"):
        pass
    assert caught.value.filename == str(tmp_path / "no" / "x")


@pytest.mark.timeout(10)
def test_what_is_no_file_is_refused_without_waiting(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    for path in (tmp_path / "fifo", "/dev/zero", tmp_path):
        with pytest.raises(ValueError, match="expected a file, got a pipe, a device or a folder"):
            open_regular(path)
