# SPDX-License-Identifier: GPL-3.0-or-later
"""Reports as JSON: the line gives back the report, and what is not a report is refused by name."""

import json
import subprocess
import sys

import numpy as np
import pytest
from reports import REPORTS, assert_same, make_report, make_taps

from gr_jadce.reports.json_lines import from_json, to_json


@pytest.mark.parametrize("report", REPORTS.values(), ids=REPORTS)
def test_json_gives_back_the_report(report):
    line = to_json(report)
    assert "\n" not in line
    assert_same(from_json(line), report)


def test_json_gives_back_every_float32():
    rng = np.random.default_rng(3)
    bits = rng.integers(0, 2**32, 40_000, dtype=np.uint32)
    values = bits.view(np.float32)
    values = values[np.isfinite(values)][:30_000].view(np.complex64).reshape(-1, 100)
    report = make_report(n_active=len(values), n_antennas=100, channel=values)
    assert from_json(to_json(report)).channel.tobytes() == values.tobytes()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_unknown_numbers_are_null_in_json_and_nan_again(value):
    channel = np.array([[complex(value, 1.0)], [complex(2.0, value)]], np.complex64)
    report = make_report(
        n_active=2, n_antennas=1, noise_var=value, snr_db=value, channel=channel, score=[value, 1.0]
    )
    line = to_json(report)
    entry = json.loads(line, parse_constant=pytest.fail)
    assert entry["noise_var"] is None
    assert entry["snr_db"] is None
    assert entry["channel"] == [[[None, 1.0]], [[2.0, None]]]
    back = from_json(line)
    assert np.isnan([back.noise_var, back.snr_db, back.score[0], back.channel[0, 0].real]).all()
    assert back.channel[1, 0].real == 2.0


def test_json_form_is_the_documented_one():
    report = make_report(n_active=2, n_antennas=2)
    entry = json.loads(to_json(report))
    assert entry["rx_time"] == {"seconds": report.rx_time[0], "fraction": report.rx_time[1]}
    assert entry["device"] == report.device.tolist()
    assert np.shape(entry["channel"]) == (2, 2, 2)
    assert entry["schema"] == 1
    assert "device_id" not in entry


def test_json_with_a_key_missing_or_wrong_is_refused_by_its_name():
    entry = json.loads(to_json(make_report()))
    for name in entry:
        with pytest.raises(ValueError, match=f"^{name}: expected .*, got nothing"):
            from_json(json.dumps({key: value for key, value in entry.items() if key != name}))
        for wrong in ({"a": 1}, True, [["x"]], -1 if name in ("frame_id", "n_iter") else None):
            if wrong is None and name in ("threshold", "noise_var", "snr_db", "solve_time"):
                continue
            with pytest.raises(ValueError, match=f"^({name}|seconds): expected"):
                from_json(json.dumps(entry | {name: wrong}))


@pytest.mark.parametrize(
    ("name", "value"),
    [("n_antennas", 2**70), ("n_antennas", 2**62), ("n_antennas", 0), ("n_devices", 2**33),
     ("frame_id", 2**64), ("threshold", 10**400), ("score", [1e300])],
)  # fmt: skip
def test_json_with_numbers_beyond_all_use_is_refused_by_its_key(name, value):
    entry = json.loads(to_json(make_report(n_active=0)))
    with pytest.raises(ValueError, match=f"^{name}: expected"):
        from_json(json.dumps(entry | {name: value}))


@pytest.mark.parametrize(
    "line", ["[" * 100_000, "", "{", "[]", "3", "null", '{"schema": 2}', "\x00"], ids=lambda line: line[:9]
)
def test_lines_that_are_no_report_are_refused(line):
    with pytest.raises(ValueError, match=r"."):
        from_json(line)


def test_json_needs_no_gnu_radio():
    code = "import sys; import gr_jadce.reports.pdus; assert not {'pmt', 'gnuradio'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_taps_in_json_are_the_documented_ones():
    taps = make_taps([1, 0, 2], n_antennas=2)
    entry = json.loads(to_json(make_report(n_active=3, n_antennas=2, taps=taps)))
    assert [len(device) for device in entry["taps"]] == [1, 0, 2]
    last = entry["taps"][2][1]
    assert last["delay"] == pytest.approx(taps.delay[2])
    assert np.array(last["gain"]) == pytest.approx(np.stack([taps.gain[2].real, taps.gain[2].imag], axis=1))


@pytest.mark.parametrize(
    "taps",
    [3, [], [[]] * 4, [[{"delay": 1}]] + [[]] * 4, [[{"gain": [[1, 2]] * 3}]] + [[]] * 4, [[3]] + [[]] * 4,
     [[{"delay": [1], "gain": [[1, 2]] * 3}]] + [[]] * 4, [[{"delay": 1, "gain": [[1, 2]] * 2}]] + [[]] * 4,
     [[{"delay": 1e300, "gain": [[1, 2]] * 3}]] + [[]] * 4],
    ids=str,
)  # fmt: skip
def test_taps_that_are_none_are_refused_by_name(taps):
    entry = json.loads(to_json(make_report()))
    with pytest.raises(ValueError, match=r"^taps: expected"):
        from_json(json.dumps(entry | {"taps": taps}))


def test_a_payload_in_json_is_hexadecimal_and_empty_where_none_was_delivered():
    entry = json.loads(to_json(REPORTS["payload"]))
    assert entry["payload"] == ["32312e3520b043", "", 32 * "0"]
    assert entry["evm_db"] == [-20.5, -3, -11]


@pytest.mark.parametrize("payload", [None, "00", [0], ["0"], ["xy"], [None], ["00"], ["00"] * 4])
def test_a_payload_that_is_none_is_refused_by_name(payload):
    entry = json.loads(to_json(REPORTS["payload"]))
    with pytest.raises(ValueError, match=r"^payload: expected"):
        from_json(json.dumps(entry | {"payload": payload}))


def test_unknown_taps_are_null_in_json_and_nan_again():
    taps = make_taps([1, 1, 0, 0, 0])
    taps.gain[1, 2] = complex(np.nan, np.inf)
    line = to_json(make_report(taps=taps))
    assert json.loads(line, parse_constant=pytest.fail)["taps"][1][0]["gain"][2] == [None, None]
    assert np.isnan(from_json(line).taps.gain[1, 2])
