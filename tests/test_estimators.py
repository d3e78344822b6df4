# SPDX-License-Identifier: GPL-3.0-or-later
import sys

import numpy as np
import pytest

from gr_jadce import ESTIMATORS, Scenario, as_pilot_book, make_estimator, make_pilots, simulate
from gr_jadce.detection import decide
from gr_jadce.detection.asynchrony import Asynchrony
from gr_jadce.estimate import check_book, takes_noise_var
from gr_jadce.estimators import takes_threads
from gr_jadce.receiving.frame_receiver import FrameReceiver
from gr_jadce.unrolled.weight_files import DEFAULT_WEIGHTS

BOOK = make_pilots("gaussian", 40, 20, seed=1)


@pytest.mark.parametrize("name", ESTIMATORS)
@pytest.mark.parametrize("n_antennas", [1, 3])
def test_every_estimator_answers_in_the_same_form(name, n_antennas):
    received = simulate(Scenario(BOOK, n_antennas), 3).received
    received.setflags(write=False)
    estimator = make_estimator(name, BOOK)
    for noise_var in (None, 0.02):
        estimate = estimator(received, noise_var=noise_var)
        assert estimate.channel.shape == (3, 40, n_antennas)
        assert estimate.score.shape == (3, 40)
        assert estimate.n_iter.shape == estimate.gap.shape == (3,)
        assert np.all(np.isfinite(estimate.channel)) and np.all(np.isfinite(estimate.score))


def test_a_weight_file_is_a_network():
    received = simulate(Scenario(BOOK, 2), 3).received
    by_name, by_file = (make_estimator(name, BOOK)(received) for name in ("unrolled", str(DEFAULT_WEIGHTS)))
    np.testing.assert_array_equal(by_name.channel, by_file.channel)


OWN = """
import numpy as np
from gr_jadce import Estimate

def correlation(pilots, scale=1.0):
    def estimator(received):
        channel = scale * pilots.matrix.conj().T @ received
        return Estimate(channel, np.linalg.norm(channel, axis=2))
    return estimator
"""


@pytest.fixture(autouse=True)
def own_module(tmp_path, monkeypatch):
    """A module `own` of somebody else."""
    (tmp_path / "own.py").write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "own", raising=False)


@pytest.mark.parametrize("noise", ["white", "antennas", "spatial", "auto"])
def test_ones_own_estimator_needs_only_channel_and_score(noise):
    uplink = simulate(Scenario(BOOK, 3, n_active=2, snr_db=20), 20, seed=1)
    own = make_estimator("own:correlation", BOOK, scale=2.0)
    receiver = FrameReceiver(BOOK, own, "own", noise=noise)
    reports, error = receiver.solve(uplink.received.astype(np.complex64), [(k, (0, 0.0)) for k in range(20)])
    assert error is None
    found = np.array([np.isin(np.arange(40), report.device) for report in reports])
    assert np.mean(found == uplink.activity) > 0.99
    assert {report.n_iter for report in reports} == {0}


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("lasso", {}, "estimator: expected one of pc_admm, .* got 'lasso'"),
        ("pc_admm", {"layers": 3}, "estimator 'pc_admm': .*layers"),
        ("vamp", {"max_iter": "abc"}, "estimator 'vamp': .*abc"),
        (__file__ + ".npz", {}, "No such file"),
        ("json:absent", {}, "estimator 'json:absent': AttributeError: .*absent"),
        ("no.such.module:make", {}, "estimator 'no.such.module:make': ModuleNotFoundError"),
        ("string:digits", {}, "estimator 'string:digits': expected a function of the pilot book, got '0123"),
        ("own:correlation", {"rate": 1}, "estimator 'own:correlation': .*rate"),
    ],
)
def test_what_is_wrong_is_named(name, options, message):
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        make_estimator(name, BOOK, **options)


def test_which_estimators_take_threads():
    assert takes_threads("unrolled")
    assert takes_threads("weights.npz")
    assert takes_threads("pc_admm")
    assert takes_threads("covariance_ml")
    assert not takes_threads("somp")
    assert not takes_threads("unknown")


@pytest.mark.parametrize("name", ESTIMATORS)
@pytest.mark.parametrize("kind", ["gaussian", "zadoff_chu"])
def test_no_frames_are_no_error(name, kind):
    book = make_pilots(kind, 40, 20, seed=1) if kind == "gaussian" else make_pilots(kind, 2067, 296, seed=1)
    estimate = make_estimator(name, book)(np.zeros((0, book.pilot_length, 2), np.complex64))
    assert estimate.channel.shape == (0, book.n_devices, 2)
    assert estimate.score.shape == (0, book.n_devices)


def test_one_huge_sample_does_not_cost_the_other_frames():
    received = simulate(Scenario(BOOK, 2), 16, seed=3).received.astype(np.complex64)
    received[3, 5, 1] = 1e25
    estimator = make_estimator("unrolled", BOOK)
    estimate, others = estimator(received), np.arange(16) != 3
    np.testing.assert_array_equal(estimate.channel[others], estimator(received[others]).channel)
    assert np.isfinite(estimate.channel).all()


def test_which_estimators_are_told_the_noise_variance():
    assert takes_noise_var(make_estimator("somp", BOOK))
    assert takes_noise_var(lambda received, **options: None)
    assert not takes_noise_var(lambda received: None)


@pytest.mark.parametrize("name", ESTIMATORS)
def test_an_estimator_has_its_factorys_name_and_its_book(name):
    estimator = make_estimator(name, BOOK)
    assert estimator.name == name
    assert estimator.book is BOOK


@pytest.mark.parametrize("name", ["pc_admm", "somp", "unrolled"])
def test_an_estimator_for_another_book_is_refused(name):
    estimator = make_estimator(name, BOOK)
    check_book(estimator, BOOK)
    check_book(estimator, make_pilots("gaussian", 40, 20, seed=1))  # a copy
    check_book(lambda received: None, BOOK)
    with pytest.raises(ValueError, match="estimator: expected one for .*n_devices=41.*, got one for .*=40"):
        check_book(estimator, make_pilots("gaussian", 41, 20, seed=1))
    with pytest.raises(ValueError, match="estimator: expected one for this .*, got one for another book"):
        check_book(estimator, make_pilots("gaussian", 40, 20, seed=2))


def test_structured_books_are_compared_without_their_matrix():
    large, other = (make_pilots("dft", 2**20, 2**9, seed=seed) for seed in (1, 2))
    estimator = make_estimator("pc_admm", large)
    check_book(estimator, make_pilots("dft", 2**20, 2**9, seed=1))
    with pytest.raises(ValueError, match="another book of its size"):
        check_book(estimator, other)


NUMPY_OPTIONS = {
    "pc_admm": {
        "r": np.float32(0.5), "beta_factor": np.float32(3), "lam_ratio": np.float32(0.1),
        "tol": np.float32(1e-3), "max_iter": np.int64(50), "check_every": np.int32(5), "threads": np.int64(1),
    },
    "admm": {"lam_factor": np.float32(0.7), "noise_var": np.float32(0.01)},
    "fista": {"max_iter": np.int64(50)},
    "somp": {"n_active": np.int64(3), "noise_pick": np.float32(0.3), "noise_var": np.float32(0.01)},
    "amp": {"activity_rate": np.float32(0.1), "power": np.int64(1), "max_iter": np.int16(5)},
    "vamp": {"damping": np.float32(0.5), "noise_var": np.float64(0.01)},
    "m_sbl": {"max_iter": np.int64(5), "tol": np.float32(1e-3)},
    "covariance_ml": {"max_iter": np.int64(5), "noise_var": np.float32(0.01), "threads": np.int64(2)},
    "unrolled": {"n_layers": np.int64(3), "tol": np.float32(1e-3), "threads": np.int64(2)},
}  # fmt: skip


@pytest.mark.parametrize(("name", "options"), NUMPY_OPTIONS.items(), ids=NUMPY_OPTIONS)
def test_numpy_scalars_are_options_like_other_numbers(name, options):
    """Variables of GNU Radio Companion often are NumPy's."""
    received = simulate(Scenario(BOOK, 2), 2).received
    plain = {key: value.item() for key, value in options.items()}
    estimate, expected = (make_estimator(name, BOOK, **given)(received) for given in (options, plain))
    np.testing.assert_array_equal(estimate.channel, expected.channel)


def test_numpy_scalars_are_options_of_decisions():
    received = simulate(Scenario(BOOK, 2), 2).received
    estimate = make_estimator("pc_admm", BOOK)(received)
    options = {"max_rounds": np.int64(20), "threads": np.int64(1)}
    decision = decide(estimate, received, BOOK, np.float32(0.01), np.float32(0.02), **options)
    assert decision.threshold == pytest.approx(2)
    assert Asynchrony(np.int64(1), np.float32(0.25), np.int64(2), np.float32(0.5)) == Asynchrony(
        1, 0.25, 2, 0.5
    )


@pytest.mark.parametrize("value", [True, "5", 2.5, None, np.bool_(True), np.float64("nan")])
def test_what_is_no_integer_is_refused(value):
    for name in ("pc_admm", "vamp", "m_sbl"):
        with pytest.raises(ValueError, match="max_iter: expected an integer"):
            make_estimator(name, BOOK, max_iter=value)


@pytest.mark.parametrize("scale", [1e-42, 1e-30, 1e-20, 1e18, 1e30])
@pytest.mark.parametrize("name", ESTIMATORS)
def test_frames_near_the_ends_of_single_precision_are_solved(name, scale):
    received = simulate(Scenario(BOOK, 2, n_active=3), 4, seed=1).received.astype(np.complex64)
    expected = decide(make_estimator(name, BOOK)(received), received, BOOK)
    scaled = (received * np.float32(scale)).astype(np.complex64)
    estimate = make_estimator(name, BOOK)(scaled)
    decision = decide(estimate, scaled, BOOK)
    assert np.isfinite(estimate.channel).all() and np.isfinite(estimate.score).all()
    np.testing.assert_array_equal(decision.activity, expected.activity)
    assert np.all(decision.noise_var > 0)


@pytest.mark.parametrize("norm", [1e-9, 1e9])
@pytest.mark.parametrize("name", ESTIMATORS)
def test_a_pilot_of_extreme_norm_does_not_cost_the_others(name, norm):
    matrix = BOOK.matrix.copy()
    received = simulate(Scenario(BOOK, 2, n_active=3, snr_db=30), 4, seed=1).received
    expected = make_estimator(name, BOOK)(received).channel
    matrix[:, 7] *= norm
    channel = make_estimator(name, as_pilot_book(matrix))(received).channel
    others = np.arange(40) != 7
    np.testing.assert_allclose(channel[:, others], expected[:, others], atol=0.02 * np.abs(expected).max())
    np.testing.assert_allclose(channel[:, 7] * norm, expected[:, 7], atol=0.02 * np.abs(expected).max())
