# SPDX-License-Identifier: GPL-3.0-or-later
"""Frames decided after a few layers: the same decisions as after all, and only where they are settled."""

import numpy as np
import pytest
from compiled import compiled_kernel

from gr_jadce.detection import doubt
from gr_jadce.detection.noise.look_rule import LookRule
from gr_jadce.detection.settling.early import EarlyDecider, may_settle
from gr_jadce.detection.settling.rule import N_LAYERS, SURE, WHITE
from gr_jadce.pilots import make_pilots
from gr_jadce.receiving.frame_receiver import FrameReceiver
from gr_jadce.unrolled import unrolled
from gr_jadce.unrolled.layer_loop import NumPy, scatter_of
from gr_jadce.uplink import Scenario, simulate

BOOK = make_pilots("gaussian", n_devices=100, pilot_length=48, seed=3)
A_BOOK = make_pilots("gaussian", n_devices=200, pilot_length=64, seed=1)


def uplink(n_frames=24, n_antennas=4, snr_db=15.0, activity_rate=0.08, book=BOOK):
    return simulate(Scenario(book, n_antennas, activity_rate, snr_db=snr_db), n_frames, seed=5)


def decider(backend="auto", book=BOOK, false_alarm=1e-3, noise="auto", **options):
    estimator = unrolled(book, backend=backend, **options)
    return EarlyDecider(
        estimator, book, false_alarm, noise, threads=options.get("threads", 1), backend=backend
    )


def decided(of, frames, told=None):
    return of.decide(frames, told, told, lambda part: of._estimator(part, noise_var=told))


def reports(frames, book=BOOK, settle=True, threads=1, noise_var=0.0):
    receiver = FrameReceiver(
        book, unrolled(book, settle=settle, threads=threads), "unrolled", threads=threads, noise_var=noise_var
    )
    found, error = receiver.solve(frames.astype(np.complex64), [(b, (0, 0.0)) for b in range(len(frames))])
    assert error is None
    return found


@pytest.mark.parametrize("is_known", [True, False])
@pytest.mark.parametrize(("snr_db", "activity_rate"), [(15.0, 0.08), (3.0, 0.08), (15.0, 0.45)])
def test_kernel_equals_numpy(is_known, snr_db, activity_rate):
    simulated = uplink(snr_db=snr_db, activity_rate=activity_rate)
    frames, noise_var = simulated.received, simulated.noise_var
    compiled_kernel()
    told = noise_var if is_known else None
    (rows, n_iter), (expected, expected_iter) = (
        decided(decider(backend), frames, told) for backend in ("kernel", "numpy")
    )
    assert np.array_equal(n_iter, expected_iter)
    assert np.array_equal(rows.start, expected.start)
    assert np.array_equal(rows.device, expected.device)
    for name in ("channel", "score", "noise_var", "snr_db", "noise_dof"):
        np.testing.assert_allclose(getattr(rows, name), getattr(expected, name), rtol=2e-3, atol=2e-3)


def noise(n_frames, book=A_BOOK, n_antennas=4):
    """Frames in which nobody transmits."""
    rng = np.random.default_rng(2)
    return (rng.standard_normal((n_frames, book.pilot_length, n_antennas, 2)) @ [1, 1j]).astype(np.complex64)


@pytest.mark.parametrize("told", [None, 2.0])
def test_the_kernel_knows_the_same_quiet_frames_as_numpy(told):
    compiled_kernel()
    frames = np.concatenate([noise(20, BOOK), uplink(20, activity_rate=0.01).received])
    (rows, n_iter), (expected, expected_iter) = (
        decided(decider(backend), frames, told) for backend in ("kernel", "numpy")
    )
    assert np.count_nonzero(n_iter == 1) > 15
    assert np.array_equal(n_iter, expected_iter)
    assert np.array_equal(rows.device, expected.device)
    np.testing.assert_allclose(rows.noise_var, expected.noise_var, rtol=1e-6)
    np.testing.assert_allclose(rows.channel, expected.channel, rtol=2e-3, atol=2e-3)


def test_quiet_frames_take_one_layer_and_are_decided_as_after_all():
    compiled_kernel()
    frames = np.concatenate([noise(300), uplink(100, snr_db=-10.0, activity_rate=0.1, book=A_BOOK).received])
    early, late = (reports(frames, A_BOOK, settle) for settle in (True, False))
    assert np.mean([report.n_iter == 1 for report in early]) > 0.85
    assert sum(len(report.device) for report in late) > 40  # false alarms, and devices hardly heard
    for one, other in zip(early, late, strict=True):
        assert np.array_equal(one.device, other.device)


def test_a_frame_without_any_energy_is_no_quiet_one():
    energy = np.random.default_rng(0).gamma(4.0, size=(4000, 2)) * [1.0, 0.0]
    scatter = scatter_of(NumPy, energy, 4)
    assert scatter[0] == pytest.approx(1, abs=0.1) and scatter[1] > 1e9


def test_most_frames_of_light_load_are_settled_and_decided_as_after_all_layers():
    compiled_kernel()  # without it, a minute
    frames = uplink(400, snr_db=10.0, activity_rate=0.1, book=A_BOOK).received
    early, late = (reports(frames, A_BOOK, settle) for settle in (True, False))
    settled = np.array([report.n_iter == N_LAYERS for report in early])
    assert settled.mean() > 0.7
    same = [np.array_equal(one.device, other.device) for one, other in zip(early, late, strict=True)]
    assert np.mean(np.array(same)[settled]) > 0.99
    assert np.mean(np.array(same)[~settled]) > 0.9  # decided again after all layers, not fitted


def test_a_report_depends_neither_on_the_batch_nor_on_threads():
    frames = uplink(12, snr_db=6.0).received
    together = reports(frames, threads=3)
    for number, report in enumerate(together):
        [alone] = reports(frames[number : number + 1])
        assert (report.n_iter, report.noise_var) == (alone.n_iter, alone.noise_var)
        assert np.array_equal(report.device, alone.device)
        assert np.array_equal(report.channel, alone.channel)


def test_without_settling_all_layers_run():
    frames = uplink(8).received.astype(np.complex64)
    assert [report.n_iter for report in reports(frames, settle=False)] == list(unrolled(BOOK)(frames).n_iter)


def test_a_busy_frame_goes_on():
    frames = uplink(6, activity_rate=0.6).received.astype(np.complex64)
    n_iter = [report.n_iter for report in reports(frames)]
    assert n_iter == list(unrolled(BOOK)(frames).n_iter)


@pytest.mark.parametrize("backend", ["numpy", "auto"])
def test_a_crowd_that_hides_itself_after_all_layers_is_looked_for_again(backend):
    book = make_pilots("gaussian", 360, 24, seed=11)
    scenario = Scenario(book, 4, 0.4 * 24 / 360, snr_db=30)
    crowd = simulate(scenario, 1, seed=321, first_frame=2789)  # all layers find 2 of its 17 devices
    rows, _ = decided(decider(backend, book), crowd.received.astype(np.complex64))
    assert set(np.flatnonzero(crowd.activity[0])) <= set(rows.device.tolist())


def test_a_frame_with_an_interferer_is_whitened_all_the_same():
    frames = uplink(6).received.astype(np.complex64)
    rng = np.random.default_rng(0)
    direction, symbols = rng.standard_normal((4, 2)) @ [1, 1j], rng.standard_normal((6, 48, 2)) @ [1, 1j]
    frames = (frames + 2 * symbols[:, :, None] * direction).astype(np.complex64)
    for one, other in zip(reports(frames), reports(frames, settle=False), strict=True):
        assert one.interference_db == other.interference_db
        assert np.array_equal(one.device, other.device)


def weakly_interfered(n_frames, activity_rate):
    """Frames with an interferer that some of them hardly show."""
    rng = np.random.default_rng(0)
    frames = uplink(n_frames, activity_rate=activity_rate, book=A_BOOK).received
    direction, symbols = (rng.standard_normal((n_frames, *size, 2)) @ [1, 1j] for size in ((1, 4), (64, 1)))
    strength = 0.1 * rng.random((n_frames, 1, 1))
    return (frames + strength * symbols * direction).astype(np.complex64)


@pytest.mark.parametrize("activity_rate", [0.1, 0.16])
def test_the_kernel_looks_at_noise_as_rounds_of_whitening_do(activity_rate, monkeypatch):
    compiled_kernel()
    frames = weakly_interfered(300, activity_rate)
    early, nothing = decider(book=A_BOOK), np.zeros(300)
    stage = early._early(4).run(frames, nothing, nothing, 1)[0]
    assert np.count_nonzero(stage == WHITE) > 5 and np.count_nonzero(stage == SURE) > 5
    rows, n_iter = decided(early, frames)
    looked_at = LookRule.of
    always = {"coloured": (-1.0, -1.0), "coloured_crowd": (-1.0, -1.0)}  # never white by the kernel
    monkeypatch.setattr(LookRule, "of", lambda *given: looked_at(*given)._replace(**always))
    later = decider(book=A_BOOK)
    assert WHITE not in later._early(4).run(frames, nothing, nothing, 1)[0]
    expected, expected_iter = decided(later, frames)
    assert np.array_equal(rows.noise_kind, expected.noise_kind)
    assert np.array_equal(n_iter, expected_iter)
    for name in ("start", "device", "channel", "score"):
        assert np.array_equal(getattr(rows, name), getattr(expected, name))


@pytest.mark.parametrize(
    ("n_antennas", "noise", "options", "expected"),
    [
        (4, "auto", {}, True),
        (1, "auto", {}, False),
        (4, "spatial", {}, False),
        (4, "auto", {"settle": False}, False),
        (4, "auto", {"n_layers": 5}, False),
    ],
)
def test_which_frames_may_settle(n_antennas, noise, options, expected):
    assert may_settle(unrolled(BOOK, **options), BOOK, n_antennas, noise) == expected


def test_other_estimators_do_not_settle():
    assert not may_settle(lambda frames: None, BOOK, 4, "auto")


def test_the_kernel_is_told_how_channels_are_weighed(monkeypatch):
    compiled_kernel()
    frames = uplink(40, snr_db=5.0).received
    before, _ = decided(decider(), frames)
    for changed in ({"any_power": 5.0, "powers": 1.0}, {"least_weight": 0.999, "min_energy": 0.5}):
        monkeypatch.setattr(doubt, "RULE", doubt.DoubtRule(**changed))
        (rows, n_iter), (expected, expected_iter) = (
            decided(decider(backend), frames) for backend in ("kernel", "numpy")
        )
        assert np.array_equal(n_iter, expected_iter)
        assert (
            rows.channel.shape != before.channel.shape or np.abs(rows.channel - before.channel).max() > 1e-3
        )
        np.testing.assert_allclose(rows.channel, expected.channel, rtol=2e-3, atol=2e-3)


@pytest.mark.parametrize(
    ("statistic", "least", "most"),
    [
        ([3000.0, 13.0], [0.99, 0.0], [1.0, 0.1]),
        ([3000.0, 3000.0, 13.0], [0.99, 0.99, 0.0], [1.0, 1.0, 0.1]),
        ([3000.0], [0.99], [1.0]),
        ([13.0], [0.0], [0.2]),
    ],
)
def test_what_weight_a_device_has_beside_others_of_other_powers(statistic, least, most):
    statistic, members = np.array([*statistic, *[4.0] * (200 - len(statistic))]), np.arange(len(statistic))
    power = (statistic[members] / 4 - 1) / 64
    tested = doubt.Tested(statistic, np.full(200, 64.0), np.zeros(200), members, power, 4)
    weight = doubt.doubt_of(tested, 1.0, 3.0).weight
    assert np.all(weight >= least) and np.all(weight <= most)


def test_devices_that_enter_together_have_to_leave_again():
    devices, noise = (np.array([50.0, 12.0, 11.0, 4.0]), np.array([0]), 4), (100.0, 100.0)
    starts = []

    def refine(start):
        starts.append(list(start))
        return start

    assert doubt.ends_elsewhere(*devices, noise, 3.0, refine)
    assert starts == [[0, 1, 2]]
    assert not doubt.ends_elsewhere(*devices, noise, 3.0, lambda start: np.array([0]))
