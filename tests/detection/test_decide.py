# SPDX-License-Identifier: GPL-3.0-or-later
import numpy as np
import pytest
from compiled import compiled_kernel
from scipy import stats

from gr_jadce import Estimate, Scenario, decide, make_estimator, make_pilots, metrics, pc_admm, simulate
from gr_jadce.detection import support_fit
from gr_jadce.detection.p_values import log10_p_known, log10_p_unknown

BOOK = make_pilots("gaussian", 100, 40, seed=1)


def decided(n_antennas, snr_db, n_frames=400, false_alarm=1e-2, known=True, seed=11):
    uplink = simulate(Scenario(BOOK, n_antennas, snr_db=snr_db, activity_rate=0.06), n_frames, seed)
    noise_var = uplink.noise_var if known else None
    estimate = pc_admm(BOOK)(uplink.received, noise_var=noise_var)
    return uplink, decide(estimate, uplink.received, BOOK, false_alarm, noise_var)


def test_no_energy_in_single_precision_has_a_p_value():
    energy = np.zeros(2, np.float32)
    assert log10_p_known(energy, 4) == pytest.approx([0, 0])
    assert np.isfinite(log10_p_unknown(energy, energy, 4, np.full(2, 8))).all()


@pytest.mark.parametrize("n_antennas", [1, 2, 8])
def test_p_values_are_those_of_the_gamma_and_f_distributions(n_antennas):
    energy = np.array([0.0, 1e-3, 0.5, 3.0, 20.0, 60.0])
    expected = stats.gamma.logsf(energy, n_antennas) / np.log(10)
    np.testing.assert_allclose(log10_p_known(energy, n_antennas), expected, rtol=1e-9, atol=1e-12)
    for dof in (1, 9, 300):
        ratio = (energy / n_antennas) / (7.0 / dof)
        expected = np.log10(stats.f.sf(ratio, 2 * n_antennas, 2 * dof))
        np.testing.assert_allclose(
            log10_p_unknown(energy, 7.0, n_antennas, dof), expected, rtol=1e-6, atol=1e-9
        )


def test_p_values_do_not_underflow():
    assert log10_p_known(1e6, 4) == pytest.approx(-1e6 / np.log(10), rel=1e-3)
    assert np.isfinite(log10_p_unknown(1.0, 0.0, 4, 20))
    assert log10_p_unknown(5.0, 1.0, 4, 0) == 0  # nothing left to compare with


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("n_antennas", [1, 4])
def test_the_measured_false_alarm_probability_is_the_wanted_one(n_antennas, known):
    uplink, decision = decided(n_antennas, snr_db=20, n_frames=600, known=known)
    assert metrics.miss_probability(decision.activity, uplink.activity) < 0.03
    measured = metrics.false_alarm_probability(decision.activity, uplink.activity)
    assert 0.01 / 1.5 < measured < 0.01 * 1.5


def test_p_values_of_a_known_support_are_uniform():
    """The true support given: scores of the inactive are −log10 of a uniform variable."""
    uplink = simulate(Scenario(BOOK, 2, n_active=5, snr_db=30), 300, seed=3)
    estimate = Estimate(uplink.channel, uplink.activity.astype(float), np.zeros(300, int), np.zeros(300))
    for noise_var in (uplink.noise_var, None):
        score = decide(estimate, uplink.received, BOOK, 1e-6, noise_var).score
        assert stats.kstest(10 ** -score[:, ::10][~uplink.activity[:, ::10]], "uniform").pvalue > 1e-3


@pytest.mark.parametrize("n_antennas", [1, 4])
def test_the_noise_variance_is_found(n_antennas):
    uplink, decision = decided(n_antennas, snr_db=20, false_alarm=1e-3, known=False)
    assert abs(np.median(10 * np.log10(decision.noise_var / uplink.noise_var))) < 0.5
    assert np.median(decision.snr_db) == pytest.approx(20, abs=1)


def test_active_is_score_above_threshold_and_channels_are_zero_elsewhere():
    uplink, decision = decided(4, snr_db=10, false_alarm=1e-3)
    assert decision.threshold == pytest.approx(3)
    np.testing.assert_array_equal(decision.activity, decision.score >= decision.threshold)
    np.testing.assert_array_equal(np.any(decision.channel != 0, axis=2), decision.activity)
    assert decision.channel.dtype == np.complex64
    assert metrics.nmse_db(decision.channel, uplink.channel) < -12


def test_the_refit_beats_the_shrunken_estimate():
    uplink, decision = decided(4, snr_db=15, false_alarm=1e-3)
    shrunken = pc_admm(BOOK)(uplink.received, noise_var=uplink.noise_var).channel
    assert metrics.nmse_db(decision.channel, uplink.channel) < metrics.nmse_db(shrunken, uplink.channel) - 3


SIZES = [
    ("gaussian", 100, 40, 1, 0.1, 25),
    ("gaussian", 60, 32, 16, 0.5, 20),
    ("dft", 200, 64, 2, 0.15, 5),  # a tight frame, most devices missed
    ("qpsk", 30, 10, 3, 0.1, 20),
    ("hadamard", 16, 8, 2, 0.1, 10),
    ("gaussian", 4, 2, 2, 0.5, 25),
    ("hadamard", 96, 24, 1, 0.03, 15),  # so short that several starts are tried
]


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize(("kind", "n_devices", "length", "n_antennas", "rate", "snr_db"), SIZES)
def test_the_kernel_decides_as_the_plain_form(kind, n_devices, length, n_antennas, rate, snr_db, known):
    compiled_kernel()
    book = make_pilots(kind, n_devices, length, seed=1)
    uplink = simulate(Scenario(book, n_antennas, rate, snr_db=snr_db), 24, seed=5)
    estimate, noise_var = pc_admm(book, tol=1e-2)(uplink.received), uplink.noise_var if known else None
    for received in (uplink.received, np.asfortranarray(uplink.received.astype(np.complex128))):
        plain, compiled = (
            decide(estimate, received, book, 1e-2, noise_var, backend=backend)
            for backend in ("numpy", "kernel")
        )
        np.testing.assert_array_equal(compiled.activity, plain.activity)
        np.testing.assert_allclose(compiled.score, plain.score, rtol=1e-5, atol=1e-5)  # single in part
        np.testing.assert_allclose(compiled.channel, plain.channel, rtol=1e-6, atol=1e-7)
        np.testing.assert_allclose(compiled.noise_var, plain.noise_var, rtol=1e-7)
        np.testing.assert_allclose(compiled.snr_db, plain.snr_db, rtol=1e-7)


def test_decisions_do_not_depend_on_the_threads():
    compiled_kernel()
    uplink = simulate(Scenario(BOOK, 4, n_active=8, snr_db=10), 21, seed=6)
    estimate = pc_admm(BOOK, tol=1e-2)(uplink.received)
    alone = decide(estimate, uplink.received, BOOK, backend="kernel")
    for threads in (2, 5, 50):
        shared = decide(estimate, uplink.received, BOOK, backend="kernel", threads=threads)
        for found, wanted in zip(shared, alone, strict=True):
            np.testing.assert_array_equal(found, wanted)
    with pytest.raises(ValueError, match=r"^threads: expected"):
        decide(estimate, uplink.received, BOOK, backend="kernel", threads=0)


@pytest.mark.parametrize("backend", ["numpy", "kernel"])
def test_proposals_that_are_no_numbers_propose_nothing(backend):
    if backend == "kernel":
        compiled_kernel()
    uplink = simulate(Scenario(BOOK, 4, n_active=4, snr_db=20), 3, seed=6)
    scores = np.full((3, 100), np.nan)
    estimate = Estimate(np.zeros_like(uplink.channel), scores, np.zeros(3, int), np.zeros(3))
    decision = decide(estimate, uplink.received, BOOK, 1e-3, uplink.noise_var, backend=backend)
    assert metrics.miss_probability(decision.activity, uplink.activity) < 0.2


def test_missed_devices_of_a_tight_frame_do_not_make_decisions_too_careful():
    """Most devices are missed at 5 dB; the residual holds more of them than the tests of the others see."""
    book = make_pilots("dft", 200, 64, seed=1)
    uplink = simulate(Scenario(book, 1, 0.15, snr_db=5), 400, seed=2)
    decision = decide(pc_admm(book, tol=1e-2)(uplink.received), uplink.received, book, 1e-2)
    assert 1 / 4 < metrics.false_alarm_probability(decision.activity, uplink.activity) / 1e-2 < 1


def test_a_bad_proposal_is_repaired():
    """Scores that say nothing cost little: dropping and adding finds the active devices."""
    uplink = simulate(Scenario(BOOK, 4, n_active=4, snr_db=15), 100, seed=6)
    noise = np.random.default_rng(0).random((100, 100))
    estimate = Estimate(np.zeros_like(uplink.channel), noise, np.zeros(100, int), np.zeros(100))
    decision = decide(estimate, uplink.received, BOOK, 1e-3, uplink.noise_var)
    assert metrics.miss_probability(decision.activity, uplink.activity) < 0.05


def test_a_frame_does_not_depend_on_its_batch():
    uplink, whole = decided(2, snr_db=12, n_frames=20, known=False)
    for part in (slice(4, 5), slice(3, 17)):
        estimate = pc_admm(BOOK)(uplink.received[part])
        alone = decide(estimate, uplink.received[part], BOOK, 1e-2)
        np.testing.assert_array_equal(alone.activity, whole.activity[part])
        np.testing.assert_allclose(alone.channel, whole.channel[part], rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(alone.score, whole.score[part], rtol=1e-5, atol=1e-9)


def test_silence_and_pure_noise():
    received = np.zeros((2, 40, 2), np.complex64)
    received[1] = simulate(Scenario(BOOK, 2, n_active=0), 1).received[0]
    decision = decide(pc_admm(BOOK)(received), received, BOOK, 1e-6)
    assert not decision.activity.any() and not decision.channel.any()
    assert np.all(decision.snr_db == -np.inf)
    assert decision.noise_var[0] == 0


def test_a_noiseless_frame_is_exact():
    channel = np.zeros((1, 100, 2), np.complex128)
    channel[0, [3, 50]] = [[1, 1j], [-1, 2]]
    received = BOOK.matrix @ channel
    decision = decide(pc_admm(BOOK, lam_ratio=0.05)(received), received, BOOK)
    np.testing.assert_array_equal(np.flatnonzero(decision.activity[0]), [3, 50])
    np.testing.assert_allclose(decision.channel, channel, atol=1e-5)


@pytest.mark.parametrize("length", [1, 2, 3])
def test_tiny_pilots_do_not_break(length):
    book = make_pilots("gaussian", 4, length)
    received = simulate(Scenario(book, 2), 5).received
    for noise_var in (None, 0.1):
        decision = decide(pc_admm(book)(received, noise_var=noise_var), received, book, 1e-2, noise_var)
        assert np.all(np.isfinite(decision.channel))


def test_more_devices_than_symbols_can_tell_apart():
    uplink = simulate(Scenario(BOOK, 2, n_active=60, snr_db=20), 5)
    decision = decide(pc_admm(BOOK)(uplink.received), uplink.received, BOOK)
    assert np.all(decision.activity.sum(axis=1) <= 38)
    assert np.all(np.isfinite(decision.channel))


def test_equal_pilots_do_not_break():
    pilots = np.repeat(make_pilots("qpsk", 10, 8).matrix, 2, axis=1)
    received = pilots[None, :, :1] * np.complex64(3)
    decision = decide(pc_admm(pilots)(received, noise_var=0.01), received, pilots, 1e-3, 0.01)
    assert np.all(np.isfinite(decision.score))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"false_alarm": 0}, "false_alarm: expected a probability"),
        ({"false_alarm": 1.5}, "false_alarm: expected a probability"),
        ({"noise_var": -1.0}, "noise_var: expected a positive number"),
        ({"noise_var": [1.0, 2.0, 3.0]}, "noise_var: expected a positive number, or 2 of them"),
        ({"received": np.zeros((2, 39, 1), complex)}, "received: expected frames"),
        ({"pilots": make_pilots("qpsk", 99, 40)}, "estimate: expected scores"),
    ],
)
def test_bad_arguments_are_named(change, message):
    received = np.zeros((2, 40, 1), np.complex64)
    arguments = {"estimate": pc_admm(BOOK)(received), "received": received, "pilots": BOOK, **change}
    with pytest.raises(ValueError, match=message):
        decide(**arguments)


def test_a_support_of_all_devices_does_not_explain_noise():
    """As many antennas and devices as can be: one power for each of all devices cost no choice among them."""
    book = make_pilots("hadamard", 64, 32, seed=1)
    uplink = simulate(Scenario(book, 64, n_active=0), 300, seed=4)
    estimate = pc_admm(book, lam_ratio=0.1, tol=1e-2)(uplink.received)
    decision = decide(estimate, uplink.received, book, 1e-2)
    assert metrics.false_alarm_probability(decision.activity, uplink.activity) < 1.5e-2
    assert decision.activity.sum(axis=1).max() < 10


def test_several_devices_that_look_like_another_are_told_from_it():
    """Hadamard pilots are full of such, and of two supports the one that says more of the frame is right."""
    book = make_pilots("hadamard", 96, 24, seed=1)
    uplink = simulate(Scenario(book, 1, n_active=3, snr_db=15), 2500, seed=7)
    decision = decide(make_estimator("unrolled", book)(uplink.received), uplink.received, book, 1e-4)
    assert metrics.false_alarm_probability(decision.activity, uplink.activity) < 3e-4
    assert metrics.miss_probability(decision.activity, uplink.activity) < 0.06


def test_a_device_that_fails_as_soon_as_it_has_come_does_not_come_for_ever(monkeypatch):
    scenario = Scenario(make_pilots("gaussian", 500, 50, seed=5), n_antennas=16, n_active=50, snr_db=30)
    uplink, fits = simulate(scenario, 3, seed=5), []

    def settle(*args, plain=support_fit.settle, **options):
        fits.append(plain(*args, **options))
        return fits[-1]

    monkeypatch.setattr(support_fit, "settle", settle)
    score = np.where(uplink.activity, 1.0, -1.0)
    estimate = Estimate(uplink.channel, score, np.zeros(3, int), np.zeros(3))
    decision = decide(estimate, uplink.received, scenario.pilots, backend="numpy", noise="white")
    assert metrics.activity_error_rate(decision.activity, uplink.activity) < 0.004
    assert len(fits) < 3 * 15  # of 60 rounds for each frame
