# SPDX-License-Identifier: GPL-3.0-or-later
"""Scores from sparse reports agree with the metrics on dense arrays; truth is kept, matched, evicted."""

import numpy as np
import pytest
from reports import make_report, make_taps

from gr_jadce import metrics
from gr_jadce.reports.pairing import TruthWindow
from gr_jadce.reports.scoring import Frames, Score

N, M = 30, 2


def random_frames(n_frames, seed=5):
    """Truth and imperfect estimates, as dense activity and channels."""
    rng = np.random.default_rng(seed)
    activity = rng.random((n_frames, N)) < 0.2
    decided = activity ^ (rng.random((n_frames, N)) < 0.1)
    channel = rng.standard_normal((2, n_frames, N, M, 2)).view(np.complex128)[..., 0].astype(np.complex64)
    true_channel = channel[0] * activity[..., None]
    return activity, true_channel, decided, (true_channel + 0.1 * channel[1]) * decided[..., None]


def report_of(frame_id, activity, channel, **changes):
    device = np.flatnonzero(activity)
    return make_report(
        frame_id=frame_id,
        n_devices=N,
        n_antennas=M,
        device=device,
        channel=channel[device],
        score=np.ones(len(device)),
        **changes,
    )


def scored(activity, true_channel, decided, channel):
    score = Score()
    for k in range(len(activity)):
        score.add(report_of(k, activity[k], true_channel[k]), report_of(k, decided[k], channel[k]))
    return score


def test_figures_equal_those_of_dense_arrays():
    activity, true_channel, decided, channel = frames = random_frames(300)
    summary = scored(*frames).summary()
    assert summary["frames"] == 300
    assert summary["miss_probability"] == metrics.miss_probability(decided, activity)
    assert summary["false_alarm_probability"] == metrics.false_alarm_probability(decided, activity)
    assert summary["activity_error_rate"] == metrics.activity_error_rate(decided, activity)
    assert summary["nmse_db"] == pytest.approx(metrics.nmse_db(channel, true_channel), abs=1e-5)


def test_intervals_are_wilsons_and_the_delta_methods():
    activity, true_channel, decided, channel = frames = random_frames(300)
    summary = scored(*frames).summary()
    missed, active = np.sum(~decided & activity), np.sum(activity)
    assert summary["miss_probability_interval"] == metrics.wilson_interval(missed, active)
    false, inactive = np.sum(decided & ~activity), np.sum(~activity)
    assert summary["false_alarm_probability_interval"] == metrics.wilson_interval(false, inactive)
    errors = np.sum(decided != activity)
    assert summary["activity_error_rate_interval"] == metrics.wilson_interval(errors, activity.size)
    error = np.sum(np.abs(channel - true_channel) ** 2, axis=(1, 2), dtype=float)
    power = np.sum(np.abs(true_channel) ** 2, axis=(1, 2), dtype=float)
    expected = metrics.nmse_interval_db(error, power)
    assert summary["nmse_db_interval"] == pytest.approx(expected, abs=1e-5)


def test_no_frames_give_no_figures_and_the_widest_intervals():
    summary = Score().summary()
    assert summary["frames"] == 0
    assert np.isnan([summary["miss_probability"], summary["nmse_db"], *summary["nmse_db_interval"]]).all()
    assert summary["miss_probability_interval"] == (0.0, 1.0)


def test_perfect_estimates():
    activity, true_channel, *_ = random_frames(20)
    summary = scored(activity, true_channel, activity, true_channel).summary()
    assert (summary["miss_probability"], summary["false_alarm_probability"]) == (0.0, 0.0)
    assert summary["nmse_db"] == -np.inf


def test_nobody_active_and_nobody_found():
    nobody = np.zeros((3, N), bool)
    summary = scored(nobody, np.zeros((3, N, M)), nobody, np.zeros((3, N, M))).summary()
    assert summary["false_alarm_probability"] == 0.0
    assert np.isnan([summary["miss_probability"], summary["nmse_db"]]).all()


def test_bad_input_is_counted_and_not_scored():
    score = Score()
    truth = make_report(frame_id=3)
    score.add(truth, make_report(frame_id=3, n_active=0, status="bad_input"))
    assert (score.frames, score.frames_bad) == (0, 1)
    assert np.isnan(score.miss_probability())


def test_a_transmitters_truth_scores_activity_and_leaves_channels_out():
    activity, _, decided, channel = random_frames(40)
    score = Score()
    for k in range(40):
        device = np.flatnonzero(activity[k])
        truth = make_report(
            frame_id=k, n_devices=N, n_antennas=1, device=device,
            channel=np.ones((len(device), 1)), score=np.ones(len(device)),
        )  # fmt: skip
        score.add(truth, report_of(k, decided[k], channel[k]))
    summary = score.summary()
    assert (summary["frames"], summary["frames_activity_only"]) == (40, 40)
    assert summary["activity_error_rate"] == metrics.activity_error_rate(decided, activity)
    assert np.isnan([summary["nmse_db"], *summary["nmse_db_interval"]]).all()


@pytest.mark.parametrize("name", ["frame_id", "n_devices", "n_antennas"])
def test_reports_that_do_not_fit_are_refused(name):
    truth = make_report(n_active=0, frame_id=3)
    changes = {"frame_id": 3} | {name: getattr(truth, name) + 1}
    if name == "n_antennas":
        changes["channel"] = np.zeros((0, truth.n_antennas + 1))
    with pytest.raises(ValueError, match=f"^{name}: expected that of the truth"):
        Score().add(truth, make_report(n_active=0, **changes))


def test_channels_that_are_not_finite_are_refused_and_leave_the_score_alone():
    activity, true_channel, decided, channel = frames = random_frames(20)
    score = scored(*frames)
    before = score.summary()
    wrong = channel[0].copy()
    wrong[np.flatnonzero(decided[0])[0]] = np.nan
    with pytest.raises(ValueError, match="^channel: expected finite"):
        score.add(report_of(0, activity[0], true_channel[0]), report_of(0, decided[0], wrong))
    assert score.summary() == before


def truth(frame_id):
    return make_report(frame_id=frame_id, estimator="truth")


def test_truth_is_matched_by_frame_and_older_truth_given_up():
    window = TruthWindow()
    for k in (0, 1, 2, 5):
        window.push(truth(k))
    assert window.pop(0).frame_id == 0
    assert window.pop(2).frame_id == 2
    assert (window.evicted, window.unmatched, len(window)) == (1, 0, 1)
    assert window.pop(2) is None
    assert window.pop(7) is None
    assert (window.evicted, window.unmatched, len(window)) == (2, 2, 0)


def test_waiting_truth_is_bounded_and_the_oldest_given_up():
    window = TruthWindow(limit=10)
    for k in range(25):
        window.push(truth(k))
    assert (window.evicted, len(window)) == (15, 10)
    assert window.pop(14) is None
    assert window.pop(15).frame_id == 15


def test_truth_published_twice_counts_once():
    window = TruthWindow()
    window.push(truth(4))
    window.push(truth(4))
    assert (window.evicted, len(window)) == (1, 1)


def test_a_window_of_no_frames_is_refused():
    with pytest.raises(ValueError, match="^window: expected an integer of at least 1, got 0"):
        TruthWindow(0)


def test_only_active_devices_take_memory():
    report = make_report(
        n_devices=2**32, n_antennas=64, device=[2**32 - 1], channel=np.ones((1, 64)), score=[1]
    )
    score = Score()
    score.add(report, report)
    assert (score.miss_probability(), score.nmse_db()) == (0.0, -np.inf)


def test_frames_scored_together_give_what_they_give_one_by_one():
    activity, true_channel, decided, channel = random_frames(50)
    truths = [report_of(k, activity[k], true_channel[k]) for k in range(50)]
    reports = [report_of(k, decided[k], channel[k]) for k in range(50)]
    reports[7] = report_of(7, np.zeros(N, bool), channel[7], status="bad_input")
    together, apart = Score(), Score()
    together.add_frames(Frames.of(truths), Frames.of(reports))
    for truth_of_frame, report in zip(truths, reports, strict=True):
        apart.add(truth_of_frame, report)
    assert (together.frames, together.frames_bad) == (49, 1)
    summary, expected = together.summary(), apart.summary()
    assert {name: value for name, value in summary.items() if "nmse" not in name} == {
        name: value for name, value in expected.items() if "nmse" not in name
    }
    assert summary["nmse_db_interval"] == pytest.approx(expected["nmse_db_interval"])


def responding(device, taps, **changes):
    """A report of devices with these taps."""
    size = len(device), taps.gain.shape[1]
    channel = np.ones(size, np.complex64)
    delay = np.zeros(len(device), np.float32)
    return make_report(*size, device=device, channel=channel, delay=delay, taps=taps, **changes)


def test_the_responses_are_scored_over_all_taps():
    true, found = make_taps([2, 1, 3], seed=1), make_taps([1, 4], seed=2)
    score = Score()
    score.add(responding([3, 5, 9], true), responding([5, 20], found))
    frequency = (np.arange(4000) + 0.5) / 4000 - 0.5  # over the band of one symbol rate

    def response(taps, row):
        delay, gain = taps.of(row)
        return np.exp(-2j * np.pi * np.outer(frequency, delay)) @ gain

    right = [response(true, row) for row in range(3)]
    errors = [right[0], right[1] - response(found, 0), right[2], response(found, 1)]
    wanted = 10 * np.log10(sum(np.sum(np.abs(part) ** 2) for part in errors))
    wanted -= 10 * np.log10(sum(np.sum(np.abs(part) ** 2) for part in right))
    assert score.response_nmse_db() == pytest.approx(wanted, abs=1e-3)
    assert score.summary()["response_nmse_db"] == score.response_nmse_db()


def test_other_taps_of_the_same_response_are_no_error():
    one = make_taps([1, 1], seed=1)
    halves = one._replace(
        start=np.array([0, 2, 3]),
        delay=one.delay[[0, 0, 1]],
        gain=one.gain[[0, 0, 1]] * np.float32([[0.25], [0.75], [1]]),
    )
    score = Score()
    score.add(responding([3, 5], one), responding([3, 5], halves))
    assert score.response_nmse_db() < -60


def test_a_device_without_taps_responds_at_its_delay():
    taps = make_taps([1, 1], seed=1)
    report = make_report(2, device=[3, 5], delay=taps.delay, channel=taps.gain)
    score = Score()
    score.add(responding([3, 5], taps), report)
    assert score.response_nmse_db() < -60


def test_frames_without_delays_have_no_responses_to_score():
    score = Score()
    score.add(make_report(), make_report())
    score.add(responding([3, 5], make_taps([2, 1])), make_report(2, device=[3, 5]))
    assert np.isnan(score.response_nmse_db())


def test_taps_that_are_not_finite_are_refused_and_nothing_is_scored():
    taps = make_taps([2, 1])
    taps.gain[0, 0] = np.nan
    score = Score()
    with pytest.raises(ValueError, match="^taps: expected finite values"):
        score.add(responding([3, 5], make_taps([2, 1])), responding([3, 5], taps))
    assert score.frames == 0
    assert np.isnan(score.nmse_db())
