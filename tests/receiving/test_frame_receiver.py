# SPDX-License-Identifier: GPL-3.0-or-later
"""Frames to reports: one each, whatever is in them."""

from dataclasses import replace

import numpy as np
import pytest

from gr_jadce.detection import decide
from gr_jadce.detection.asynchrony import Asynchrony, Delayed
from gr_jadce.estimate import Estimate
from gr_jadce.estimators import make_estimator
from gr_jadce.pilots import PilotBook, make_pilots
from gr_jadce.receiving.frame_receiver import FrameReceiver
from gr_jadce.uplink import Scenario, simulate

BOOK = make_pilots("gaussian", n_devices=60, pilot_length=32, seed=3)


def uplink(n_antennas=2, n_frames=12, snr_db=15.0):
    return simulate(Scenario(BOOK, n_antennas, snr_db=snr_db), n_frames, seed=5)


def stamps(count):
    return [(10 + number, (number, 0.25)) for number in range(count)]


def solver(**options):
    return FrameReceiver(BOOK, make_estimator("pc_admm", BOOK), "pc_admm", **options)


@pytest.mark.parametrize("n_antennas", [1, 4])
@pytest.mark.parametrize("known", [True, False])
def test_reports_tell_what_was_decided(n_antennas, known):
    frames, noise_var = uplink(n_antennas).received, uplink(n_antennas).noise_var if known else None
    reports, error = solver(noise_var=noise_var or 0.0).solve(frames, stamps(12), frames_dropped=7)
    estimate = make_estimator("pc_admm", BOOK)(frames, noise_var=noise_var)
    decision = decide(estimate, frames, BOOK, 1e-3, noise_var)
    assert error is None
    for number, report in enumerate(reports):
        active = np.flatnonzero(decision.activity[number])
        assert (report.frame_id, report.rx_time) == (10 + number, (number, 0.25))
        assert (report.status, report.estimator, report.frames_dropped) == ("ok", "pc_admm", 7)
        assert (report.n_devices, report.n_antennas, report.threshold) == (60, n_antennas, 3.0)
        assert np.array_equal(report.device, active)
        np.testing.assert_allclose(report.channel, decision.channel[number, active], rtol=1e-6)
        np.testing.assert_allclose(report.score, decision.score[number, active], rtol=1e-6)
        assert report.noise_var == pytest.approx(decision.noise_var[number])
        assert report.snr_db == pytest.approx(decision.snr_db[number])
        assert report.n_iter == estimate.n_iter[number]
        assert report.solve_time > 0
    assert any(len(report.device) for report in reports)


def test_a_report_does_not_depend_on_the_batch():
    frames = uplink().received
    together, _ = solver().solve(frames, stamps(12))
    for number, report in enumerate(together):
        [alone], _ = solver().solve(frames[number : number + 1], stamps(1))
        assert np.array_equal(alone.device, report.device)
        np.testing.assert_allclose(alone.channel, report.channel, rtol=1e-5)


@pytest.mark.parametrize("poison", [np.nan, np.inf, -np.inf, 1j * np.inf, complex(np.inf, np.nan)])
def test_frames_with_nan_or_inf_are_bad_input_and_harm_no_other(poison):
    frames = uplink().received.copy()
    frames[3, 5, 1] = frames[11, 0, 0] = poison
    reports, error = solver().solve(frames, stamps(12))
    clean, _ = solver().solve(uplink().received, stamps(12))
    assert error is None
    for number, (report, expected) in enumerate(zip(reports, clean, strict=True)):
        bad = number in (3, 11)
        assert report.status == ("bad_input" if bad else "ok")
        assert np.array_equal(report.device, [] if bad else expected.device)
        assert np.isnan(report.noise_var) == bad
        assert report.frame_id == 10 + number


def test_all_frames_bad():
    reports, error = solver().solve(np.full((3, 32, 2), np.nan, np.complex64), stamps(3))
    assert [report.status for report in reports] == ["bad_input"] * 3
    assert [report.channel.shape for report in reports] == [(0, 2)] * 3
    assert error is None


@pytest.mark.parametrize("noise_var", [0.0, 0.1])
def test_in_an_all_zero_frame_nobody_is_active(noise_var):
    frames = uplink().received.copy()
    frames[2] = 0
    reports, error = solver(noise_var=noise_var).solve(frames, stamps(12))
    assert error is None
    assert (reports[2].status, len(reports[2].device)) == ("ok", 0)


@pytest.mark.parametrize("level", [1e30, 1e-30])
def test_frames_of_any_level_are_answered(level):
    frames = (uplink().received * level).astype(np.complex64)
    reports, error = solver().solve(frames, stamps(12))
    clean, _ = solver().solve(uplink().received, stamps(12))
    assert error is None
    assert [report.device.tolist() for report in reports] == [report.device.tolist() for report in clean]


def test_clipped_frames_are_solved_and_said_to_be_clipped():
    frames = np.clip(uplink().received.view(np.float32), -0.5, 0.5).view(np.complex64)
    frames[4] *= 0.9
    reports, _ = solver(clip_level=0.5).solve(frames, stamps(12))
    clipped = [bool((np.abs(frame.view(np.float32)) == 0.5).any()) for frame in frames]
    assert [report.status for report in reports] == ["clipped" if clip else "ok" for clip in clipped]
    assert clipped.count(True) > 6
    assert any(len(report.device) for report in reports if report.status == "clipped")
    assert {report.status for report in solver().solve(frames, stamps(12))[0]} == {"ok"}


def test_the_estimator_does_not_see_what_is_not_finite():
    def checking(received, noise_var=None):
        assert np.isfinite(received).all()
        return make_estimator("pc_admm", BOOK)(received, noise_var)

    frames = uplink().received.copy()
    frames[0, 0, 0] = np.nan
    _, error = FrameReceiver(BOOK, checking, "checking").solve(frames, stamps(12))
    assert error is None


def test_an_estimator_that_raises_on_some_frames_costs_only_those():
    def picky(received, noise_var=None):
        if (np.abs(received[:, 0, 0]) > 1e6).any():
            raise RuntimeError("too loud")
        return make_estimator("pc_admm", BOOK)(received, noise_var)

    frames = uplink().received.copy()
    frames[[2, 7, 8], 0, 0] = 1e7
    reports, error = FrameReceiver(BOOK, picky, "picky").solve(frames, stamps(12))
    clean, _ = solver().solve(uplink().received, stamps(12))
    assert str(error) == "too loud"
    for number, (report, expected) in enumerate(zip(reports, clean, strict=True)):
        assert report.status == ("bad_input" if number in (2, 7, 8) else "ok")
        assert np.array_equal(report.device, [] if number in (2, 7, 8) else expected.device)


def wrong_estimates(shape_or_value):
    def estimator(received, noise_var=None):
        shape = (len(received), 60, received.shape[2])
        score = np.full(shape[:2], np.nan) if shape_or_value == "nan" else np.zeros((len(received), 59))
        return Estimate(np.zeros(shape), score, np.ones(len(received)), np.zeros(len(received)))

    return estimator


@pytest.mark.parametrize(
    "estimator",
    [wrong_estimates("shape"), lambda received: None, lambda received, noise_var=None: None],
    ids=["another number of devices", "another signature", "no estimate"],
)
def test_estimators_that_do_not_keep_the_contract_give_bad_input(estimator):
    reports, error = FrameReceiver(BOOK, estimator, "wrong").solve(uplink().received, stamps(12))
    assert {report.status for report in reports} == {"bad_input"}
    assert isinstance(error, Exception)


def test_the_frames_are_not_changed():
    frames = uplink().received
    before = frames.copy()
    frames.setflags(write=False)
    solver(clip_level=1.0).solve(frames, stamps(12))
    assert np.array_equal(frames, before)


def test_names_of_devices_are_told():
    names = np.array([f"sensor-{device}" for device in range(60)])
    named = PilotBook("custom", 32, 60, pilots=BOOK.matrix, device_id=names)
    reports, _ = replace(solver(), pilots=named).solve(uplink().received, stamps(12))
    for report in reports:
        assert report.device_id == tuple(f"sensor-{device}" for device in report.device)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("false_alarm", 0.0),
        ("false_alarm", 1.0),
        ("false_alarm", float("nan")),
        ("noise_var", -1.0),
        ("noise_var", float("inf")),
        ("clip_level", -0.1),
    ],
)
def test_wrong_arguments_are_named(name, value):
    with pytest.raises(ValueError, match=f"^{name}: expected"):
        solver(**{name: value})


def test_an_estimator_need_not_take_the_noise_variance():
    frames, named = uplink().received, make_estimator("pc_admm", BOOK)
    reports, error = FrameReceiver(BOOK, lambda received: named(received), "mine").solve(frames, stamps(12))
    expected, _ = solver().solve(frames, stamps(12))
    assert error is None
    assert [r.device.tolist() for r in reports] == [r.device.tolist() for r in expected]


@pytest.mark.parametrize("dead", [[1], [0, 1, 3]])
@pytest.mark.parametrize("known", [True, False])
def test_dead_antennas_do_not_raise_false_alarms(dead, known):
    uplink_ = simulate(Scenario(BOOK, 4, snr_db=15.0), 1500, seed=8)
    frames = uplink_.received.copy()
    frames[:, :, dead] = 0
    noise_var = uplink_.noise_var if known else 0.0
    reports, error = solver(noise_var=noise_var, false_alarm=1e-2).solve(frames, stamps(1500))
    assert error is None
    false_alarms = sum(int((~uplink_.activity[n, report.device]).sum()) for n, report in enumerate(reports))
    assert 0.007 < false_alarms / (~uplink_.activity).sum() < 0.013
    for report in reports:
        assert report.antennas_dead.tolist() == dead
        assert not report.channel[:, dead].any()


def test_a_frame_with_a_dead_antenna_is_solved_as_without_that_antenna():
    frames = uplink(n_antennas=4).received.copy()
    frames[[3, 7], :, 2] = 0
    reports, _ = solver().solve(frames, stamps(12))
    alone, _ = solver().solve(np.ascontiguousarray(np.delete(frames, 2, axis=2)), stamps(12))
    for number, (report, expected) in enumerate(zip(reports, alone, strict=True)):
        assert report.frame_id == expected.frame_id
        assert report.n_antennas == 4
        if number in (3, 7):
            assert report.antennas_dead.tolist() == [2]
            assert np.array_equal(report.device, expected.device)
            np.testing.assert_allclose(np.delete(report.channel, 2, axis=1), expected.channel, rtol=1e-6)
        else:
            assert report.antennas_dead is None


def test_frames_with_a_dead_antenna_may_have_other_faults():
    frames = uplink(n_antennas=4).received.copy()
    frames[[3, 4], :, 2] = 0
    frames[4, 7, 0] = np.nan
    frames[5] = 0
    reports, _ = solver(clip_level=1e-9).solve(frames, stamps(12))
    assert [report.status for report in reports[3:6]] == ["clipped", "bad_input", "ok"]
    assert [report.antennas_dead is not None for report in reports[3:6]] == [True, False, False]


def test_numpy_scalars_are_numbers():
    receiver = solver(false_alarm=np.float32(0.5), noise_var=np.float32(0.25), threads=np.int64(2))
    assert (receiver.false_alarm, receiver.noise_var, receiver.threads) == (0.5, 0.25, 2)


@pytest.mark.parametrize(("n_devices", "seed", "got"), [(61, 3, "n_devices=61"), (60, 4, "another book")])
def test_an_estimator_that_was_set_up_for_other_pilots_is_refused(n_devices, seed, got):
    other = make_estimator("pc_admm", make_pilots("gaussian", n_devices, 32, seed=seed))
    with pytest.raises(ValueError, match=f"estimator: expected one for .*{got}"):
        FrameReceiver(BOOK, other, "other")
    with pytest.raises(ValueError, match="estimator: expected one for "):
        replace(solver(), estimator=other)
    FrameReceiver(BOOK, make_estimator("pc_admm", make_pilots("gaussian", 60, 32, seed=3)), "a copy")


def interfered(n_antennas=4):
    """Twelve frames, those from 6 on with a DC offset 20 dB above the noise."""
    frames, noise_var = uplink(n_antennas).received.copy(), uplink(n_antennas).noise_var
    frames[6:] += np.sqrt(100 * noise_var) * np.exp(1j * np.arange(n_antennas))
    return frames, noise_var


def test_reports_tell_of_interference():
    frames, noise_var = interfered()
    reports, error = solver().solve(frames, stamps(12))
    clean, _ = solver().solve(uplink(4).received, stamps(12))
    assert error is None
    assert [report.noise_vars is None for report in reports] == [True] * 6 + [False] * 6
    assert [report.interference_db is None for report in reports] == [True] * 6 + [False] * 6
    for report, expected in zip(reports[6:], clean[6:], strict=True):
        assert len(np.setxor1d(report.device, expected.device)) <= 1
        assert 10 * np.log10(report.noise_vars / noise_var) == pytest.approx(20, abs=2)
        assert report.interference_db == pytest.approx(26, abs=3)  # 20 dB on each of four antennas
        assert report.noise_var == pytest.approx(report.noise_vars.mean(), rel=0.2)


def test_noise_that_is_taken_for_white_is_told_in_one_number():
    reports, _ = solver(noise="white").solve(interfered()[0], stamps(12))
    assert all(report.noise_vars is None and report.interference_db is None for report in reports)


def test_dead_antennas_have_no_noise():
    frames = interfered()[0]
    frames[:, :, 1] = 0
    reports, _ = solver(noise="spatial").solve(frames, stamps(12))
    for report in reports:
        assert (report.noise_vars == 0).tolist() == [False, True, False, False]


def test_noise_of_another_kind_goes_with_neither_a_variance_nor_devices_out_of_step():
    with pytest.raises(ValueError, match="^noise: expected 'white' or 'auto' where noise_var is known"):
        solver(noise="spatial", noise_var=0.1)
    delayed = Delayed(BOOK, Asynchrony())
    estimator = make_estimator("pc_admm", BOOK)
    with pytest.raises(ValueError, match="^noise: expected 'white' or 'auto' for devices out of step"):
        FrameReceiver(BOOK, estimator, "pc_admm", delayed=delayed, noise="antennas")
