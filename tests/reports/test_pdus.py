# SPDX-License-Identifier: GPL-3.0-or-later
"""Reports as messages: the PDUs give back the report, and what is not a report is refused by name."""

from itertools import product

import numpy as np
import pytest
from reports import REPORTS, assert_same, from_pmts, make_report

from gr_jadce.reports import pdus
from gr_jadce.reports.pairing import Joiner
from gr_jadce.reports.pdu_bytes import activity_from_bytes, channel_from_bytes
from gr_jadce.reports.pdus import activity_from_pmt, channel_from_pmt, status_from_pmt, status_to_pmt, to_pmts

pmt = pytest.importorskip("pmt")


@pytest.mark.parametrize("report", REPORTS.values(), ids=REPORTS)
def test_pmt_gives_back_the_report(report):
    activity, channel = to_pmts(report)
    assert_same(from_pmts(activity, channel), report)
    sent = [pmt.deserialize_str(pmt.serialize_str(message)) for message in (activity, channel)]
    assert_same(from_pmts(*sent), report)


@pytest.mark.parametrize("name", ["plain", "nobody", "everybody", "out of step", "several paths"])
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
    by_parts = (pdus.activity_by_part, pdus.channel_by_part)[part]
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


@pytest.mark.parametrize("n_antennas", [0, 2**17, 2**64 - 1])
def test_a_message_of_no_possible_size_is_refused(n_antennas):
    _, channel = to_pmts(make_report(n_active=0))
    meta = changed(pmt.car(channel), "n_antennas", pmt.from_uint64(n_antennas))
    with pytest.raises(ValueError, match=r"^n_antennas: expected 1 to 65536"):
        channel_from_pmt(pmt.cons(meta, pmt.cdr(channel)))


def taps_message(count, delay, gain):
    return pmt.make_tuple(
        pmt.init_u32vector(len(count), count),
        pmt.init_f32vector(len(delay), delay),
        pmt.init_c32vector(len(gain), gain),
    )


@pytest.mark.parametrize(
    "taps",
    [
        pmt.make_tuple(),
        pmt.make_tuple(pmt.init_u32vector(2, [1, 1])),
        pmt.make_tuple(*(pmt.init_u32vector(2, [1, 1]) for _ in range(3))),
        taps_message([1, 1], [0.0, 1.0], [1j]),
    ],
    ids=["nothing", "counts", "integers", "a gain missing"],
)
def test_taps_that_are_none_are_refused_by_name(taps):
    _, channel = to_pmts(make_report(n_active=2, n_antennas=1))
    with pytest.raises(ValueError, match=r"^taps: expected"):
        channel_from_pmt(pmt.cons(changed(pmt.car(channel), "taps", taps), pmt.cdr(channel)))


@pytest.mark.parametrize(
    "payload",
    [
        pmt.PMT_NIL,
        pmt.init_u8vector(2, [1, 2]),
        pmt.make_tuple(pmt.init_u32vector(3, [1, 0, 2]), pmt.init_u8vector(2, [1, 2])),
        pmt.make_tuple(pmt.init_u32vector(3, [1, 0, 1]), pmt.init_f32vector(2, [1, 2])),
        pmt.make_tuple(pmt.init_u32vector(3, [1, 0, 1])),
    ],
)
def test_a_payload_that_is_none_is_refused_by_name(payload):
    activity, _ = to_pmts(REPORTS["payload"])
    with pytest.raises(ValueError, match=r"^payload: expected"):
        activity_from_pmt(pmt.cons(changed(pmt.car(activity), "payload", payload), pmt.cdr(activity)))


def test_taps_of_other_devices_are_refused_by_name():
    activity, channel = to_pmts(make_report(n_active=2, n_antennas=1))
    meta = changed(pmt.car(channel), "taps", taps_message([1, 2], [0.0, 1.0], [1j, 2]))
    with pytest.raises(ValueError, match=r"^taps: expected"):
        from_pmts(activity, pmt.cons(meta, pmt.cdr(channel)))


def test_a_status_of_unreadable_text_is_refused():
    unreadable = pmt.deserialize_str(b"\x02\x00\x02\xff\xfe")
    with pytest.raises(ValueError, match=r"^status: expected .*, got text that is not UTF-8"):
        status_from_pmt(pmt.dict_add(pmt.make_dict(), unreadable, pmt.PMT_T))


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
