# SPDX-License-Identifier: GPL-3.0-or-later
"""The report schema: every form gives back the report, and what is not a report is refused by name."""

import json
import subprocess
import sys
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from reports import assert_same, make_report

from gr_jadce.reports import pdus
from gr_jadce.reports.json_lines import from_json, to_json
from gr_jadce.reports.pairing import Joiner, from_pmts
from gr_jadce.reports.pdu_bytes import activity_from_bytes, channel_from_bytes
from gr_jadce.reports.pdus import activity_from_pmt, channel_from_pmt, status_from_pmt, status_to_pmt, to_pmts

pmt = pytest.importorskip("pmt")


REPORTS = {
    "plain": make_report(),
    "one antenna": make_report(n_antennas=1),
    "nobody": make_report(n_active=0),
    "everybody": make_report(n_active=200, n_antennas=8),
    "bad input": make_report(n_active=0, status="bad_input"),
    "names": make_report(n_active=12, device_id=tuple(f"sensor {n} “ü”" for n in range(12))),
    "no names": make_report(n_active=0, device_id=()),
    "out of step": make_report(
        n_active=3, delay=np.float32([0.25, -0.5, 7.1]), carrier_offset=np.float32([0, 1e-3, -2e-4])
    ),
    "extremes": make_report(
        n_active=4,
        n_antennas=1,
        channel=np.array([[1e-45 + 3e38j], [-0.0 + 0.1j], [1 / 3], [1.17549435e-38j]], np.complex64),
    ),
}


@pytest.mark.parametrize("report", REPORTS.values(), ids=REPORTS)
def test_pmt_gives_back_the_report(report):
    activity, channel = to_pmts(report)
    assert_same(from_pmts(activity, channel), report)
    sent = [pmt.deserialize_str(pmt.serialize_str(message)) for message in (activity, channel)]
    assert_same(from_pmts(*sent), report)


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


@pytest.mark.parametrize("report", REPORTS.values(), ids=REPORTS)
def test_messages_made_part_by_part_have_the_same_bytes(report):
    assert [pmt.serialize_str(part) for part in pdus._to_pmts(report)] == [
        pmt.serialize_str(part) for part in to_pmts(report)
    ]


@pytest.mark.parametrize("name", ["plain", "nobody", "everybody"])
def test_usual_messages_are_read_at_once(name, monkeypatch):
    monkeypatch.setattr(pdus, "_split_pdu", pytest.fail)
    activity, channel = to_pmts(REPORTS[name])
    assert_same(from_pmts(activity, channel), REPORTS[name])


@pytest.mark.parametrize(
    "changes",
    [{"frames_dropped": 2**40}, {"n_devices": 2**32}, {"n_iter": 2**31}, {"estimator": "e" * 70_000}],
)
def test_unusual_numbers_and_texts_come_through(changes):
    report = make_report(n_active=2, **changes)
    assert_same(from_pmts(*to_pmts(report)), report)


@pytest.mark.parametrize("part", [0, 1], ids=["activity", "channel"])
def test_what_is_read_at_once_is_read_alike_part_by_part(part):
    at_once = (activity_from_bytes, channel_from_bytes)[part]
    by_parts = (pdus._activity_from_pmt, pdus._channel_from_pmt)[part]
    whole, read = pmt.serialize_str(to_pmts(make_report(n_active=2, n_antennas=1))[part]), 0
    assert at_once(b"") is at_once(whole + b"\x06") is None
    for place, value in product(range(len(whole)), (0, 1, 3, 4, 7, 10, 128, 254)):
        data = whole[:place] + bytes([value]) + whole[place + 1 :]
        assert at_once(data[:-1]) is None
        if (fields := at_once(data)) is not None:
            read += 1
            for name, wanted in by_parts(pmt.deserialize_str(data)).items():
                np.testing.assert_array_equal(fields.pop(name), wanted)
            assert not fields
    assert 0 < read < 8 * len(whole)


def test_pmt_keeps_nan():
    back = from_pmts(*to_pmts(make_report(noise_var=np.nan, snr_db=np.inf)))
    assert np.isnan(back.noise_var)
    assert back.snr_db == np.inf


def test_pmt_form_is_the_documented_one():
    report = make_report()
    activity, channel = to_pmts(report)
    meta = pmt.car(activity)
    assert pmt.u32vector_elements(pmt.cdr(activity)) == report.device.tolist()
    assert pmt.c32vector_elements(pmt.cdr(channel)) == report.channel.ravel().tolist()
    assert set(pmt.to_python(meta)) == {
        *("frame_id", "rx_time", "n_devices", "n_antennas", "status", "score", "threshold", "noise_var"),
        *("snr_db", "estimator", "n_iter", "solve_time", "frames_dropped", "schema"),
    }
    assert set(pmt.to_python(pmt.car(channel))) == {
        *("frame_id", "rx_time", "n_devices", "n_antennas", "device", "schema")
    }
    assert pmt.is_uint64(pmt.dict_ref(meta, pmt.intern("frame_id"), pmt.PMT_NIL))
    time = pmt.dict_ref(meta, pmt.intern("rx_time"), pmt.PMT_NIL)
    assert (pmt.to_uint64(pmt.car(time)), pmt.to_double(pmt.cdr(time))) == report.rx_time
    assert pmt.to_long(pmt.dict_ref(meta, pmt.intern("schema"), pmt.PMT_NIL)) == 1


def test_json_form_is_the_documented_one():
    report = make_report(n_active=2, n_antennas=2)
    entry = json.loads(to_json(report))
    assert entry["rx_time"] == {"seconds": report.rx_time[0], "fraction": report.rx_time[1]}
    assert entry["device"] == report.device.tolist()
    assert np.shape(entry["channel"]) == (2, 2, 2)
    assert entry["schema"] == 1
    assert "device_id" not in entry


def without(meta, name):
    return pmt.dict_delete(meta, pmt.intern(name))


def changed(meta, name, value):
    return pmt.dict_add(meta, pmt.intern(name), value)


KEYS = sorted(pmt.to_python(pmt.car(to_pmts(make_report())[0])))


@pytest.mark.parametrize("name", KEYS)
def test_activity_without_a_key_is_refused_by_its_name(name):
    activity, _ = to_pmts(make_report())
    with pytest.raises(ValueError, match=f"^{name}: expected .*, got nothing"):
        activity_from_pmt(pmt.cons(without(pmt.car(activity), name), pmt.cdr(activity)))


@pytest.mark.parametrize("name", KEYS)
def test_activity_with_a_key_of_another_type_is_refused_by_its_name(name):
    activity, _ = to_pmts(make_report())
    wrong = pmt.make_vector(2, pmt.PMT_T)
    with pytest.raises(ValueError, match=f"^{name}: expected .*, got #\\("):
        activity_from_pmt(pmt.cons(changed(pmt.car(activity), name, wrong), pmt.cdr(activity)))


@pytest.mark.parametrize("name", ["frame_id", "rx_time", "n_devices", "n_antennas", "device", "schema"])
def test_channel_without_a_key_is_refused_by_its_name(name):
    _, channel = to_pmts(make_report())
    with pytest.raises(ValueError, match=f"^{name}: expected .*, got nothing"):
        channel_from_pmt(pmt.cons(without(pmt.car(channel), name), pmt.cdr(channel)))


@pytest.mark.parametrize(
    "message",
    [pmt.PMT_NIL, pmt.PMT_T, pmt.PMT_EOF, pmt.intern("x"), pmt.from_long(3), pmt.make_dict(),
     pmt.cons(pmt.PMT_T, pmt.PMT_T), pmt.make_u32vector(3, 1)],
    ids=str,
)  # fmt: skip
def test_what_is_no_pdu_is_refused(message):
    for parse in (activity_from_pmt, channel_from_pmt, Joiner().add):
        with pytest.raises(ValueError, match=r"^(PDU: expected a pair|schema: )"):
            parse(message)


def test_vectors_of_another_type_are_refused():
    activity, channel = to_pmts(make_report())
    with pytest.raises(ValueError, match=r"^device: expected a u32vector"):
        activity_from_pmt(pmt.cons(pmt.car(activity), pmt.cdr(channel)))
    with pytest.raises(ValueError, match=r"^channel: expected a c32vector"):
        channel_from_pmt(pmt.cons(pmt.car(channel), pmt.cdr(activity)))


def test_parts_that_do_not_agree_are_refused():
    report = make_report()
    activity, channel = to_pmts(report)
    with pytest.raises(ValueError, match=r"^frame_id: "):
        from_pmts(activity, to_pmts(replace(report, frame_id=1))[1])
    with pytest.raises(ValueError, match=r"^device: "):
        from_pmts(activity, to_pmts(replace(report, device=np.arange(5)))[1])
    short = pmt.cons(pmt.car(channel), pmt.init_c32vector(2, [1.0, 2.0]))
    with pytest.raises(ValueError, match=r"^channel: expected 5 devices × 3 antennas, got 2 values"):
        from_pmts(activity, short)
    more_scores = changed(pmt.car(activity), "score", pmt.init_f32vector(6, [1.0] * 6))
    with pytest.raises(ValueError, match=r"^score: "):
        from_pmts(pmt.cons(more_scores, pmt.cdr(activity)), channel)


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"device": [3, 2, 4, 5, 6]}, "device"),
        ({"device": [2, 2, 4, 5, 6]}, "device"),
        ({"device": [2, 3, 4, 5, 200]}, "device"),
        ({"device": [-1, 3, 4, 5, 6]}, "device"),
        ({"device": [0.5, 3, 4, 5, 6]}, "device"),
        ({"channel": np.zeros((5, 2))}, "channel"),
        ({"score": np.zeros(4)}, "score"),
        ({"status": "fine"}, "status"),
        ({"device_id": ("a",)}, "device_id"),
    ],
)
def test_a_report_that_does_not_agree_with_itself_is_refused(changes, name):
    with pytest.raises(ValueError, match=f"^{name}: expected"):
        make_report(**changes)


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


@pytest.mark.parametrize("n_antennas", [0, 2**17, 2**64 - 1])
def test_a_message_of_no_possible_size_is_refused(n_antennas):
    _, channel = to_pmts(make_report(n_active=0))
    meta = changed(pmt.car(channel), "n_antennas", pmt.from_uint64(n_antennas))
    with pytest.raises(ValueError, match=r"^n_antennas: expected 1 to 65536"):
        channel_from_pmt(pmt.cons(meta, pmt.cdr(channel)))


def test_a_status_of_unreadable_text_is_refused():
    unreadable = pmt.deserialize_str(b"\x02\x00\x02\xff\xfe")
    with pytest.raises(ValueError, match=r"^status: expected .*, got text that is not UTF-8"):
        status_from_pmt(pmt.dict_add(pmt.make_dict(), unreadable, pmt.PMT_T))


@pytest.mark.parametrize(
    "line", ["[" * 100_000, "", "{", "[]", "3", "null", '{"schema": 2}', "\x00"], ids=lambda line: line[:9]
)
def test_lines_that_are_no_report_are_refused(line):
    with pytest.raises(ValueError, match=r"."):
        from_json(line)


def test_status_is_a_plain_dictionary_again():
    status = {"frames_in": 2**40, "solve_time_p50": 1e-3, "estimator": "pc_admm", "final": True, "gaps": 0}
    back = status_from_pmt(pmt.deserialize_str(pmt.serialize_str(status_to_pmt(status))))
    assert back == status
    assert {name: type(value) for name, value in back.items()} == {
        name: type(value) for name, value in status.items()
    }


@pytest.mark.parametrize("message", [pmt.PMT_NIL, pmt.PMT_T, pmt.from_long(3), to_pmts(make_report())[0]])
def test_what_is_no_status_is_refused(message):
    with pytest.raises(ValueError, match=r"^status: expected"):
        status_from_pmt(message)


def test_joiner_joins_truth_and_estimate_however_they_mix():
    truth = [make_report(frame_id=k, seed=k, estimator="truth") for k in range(6)]
    found = [make_report(frame_id=k, seed=10 + k) for k in range(6)]
    joiner, joined = Joiner(), []
    order = [(truth[0], 0), (truth[0], 1), (truth[1], 0), (found[0], 0), (truth[1], 1), (found[0], 1)]
    for report, part in order:
        joined.append(joiner.add(to_pmts(report)[part]))
    assert [joined.index(r) for r in joined if r is not None] == [1, 4, 5]
    for report, expected in zip(
        [joined[1], joined[4], joined[5]], [truth[0], truth[1], found[0]], strict=True
    ):
        assert_same(report, expected)
    assert joiner.unjoined == 0


def test_joiner_gives_up_and_counts_parts_whose_counterpart_is_lost():
    parts = [to_pmts(make_report(frame_id=k)) for k in range(10)]
    joiner = Joiner(limit=4)
    assert joiner.add(parts[0][1]) is None
    assert joiner.unjoined == 1
    for activity, _ in parts:
        joiner.add(activity)
    assert joiner.unjoined == 1 + 6
    assert joiner.add(parts[5][1]) is None
    assert joiner.add(parts[6][1]).frame_id == 6


def test_json_needs_no_gnu_radio():
    code = "import sys; import gr_jadce.reports.pdus; assert not {'pmt', 'gnuradio'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
