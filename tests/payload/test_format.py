# SPDX-License-Identifier: GPL-3.0-or-later
"""The format of a payload."""

import pytest

from gr_jadce.payload import PayloadFormat


def test_sixteen_bytes_take_166_symbols():
    format = PayloadFormat()
    assert (format.n_bits, format.n_symbols, format.n_chips) == (332, 166, 664)


def test_a_format_survives_json():
    format = PayloadFormat(20, 2, 7)
    assert PayloadFormat.from_json(format.to_json()) == format
    assert PayloadFormat.from_json("{}") == PayloadFormat()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n_bytes": 0}, "n_bytes: expected an integer from 1 to 1024, got 0"),
        ({"spreading": 65}, "spreading: expected an integer from 1 to 64, got 65"),
        ({"seed": -1}, "seed: expected an integer from 0"),
        ({"n_bytes": 2.5}, "n_bytes: expected an integer"),
    ],
)
def test_wrong_numbers_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        PayloadFormat(**arguments)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[]", "payload: expected a JSON object, got '\\[\\]'"),
        ("{", "payload: expected a JSON object"),
        ('{"bytes": 3}', "payload: expected the names n_bytes, spreading, seed, got 'bytes'"),
        ('{"n_bytes": "3"}', "n_bytes: expected an integer"),
    ],
)
def test_wrong_json_is_refused(text, message):
    with pytest.raises(ValueError, match=message):
        PayloadFormat.from_json(text)
