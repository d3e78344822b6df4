# SPDX-License-Identifier: GPL-3.0-or-later
import numpy as np
import pytest

from gr_jadce import ESTIMATORS, Scenario, make_estimator, make_pilots, simulate
from gr_jadce.estimate import takes_noise_var
from gr_jadce.estimators import takes_threads
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


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("lasso", {}, "estimator: expected one of pc_admm, .* got 'lasso'"),
        ("pc_admm", {"layers": 3}, "estimator 'pc_admm': .*layers"),
        ("vamp", {"max_iter": "abc"}, "estimator 'vamp': .*abc"),
        (__file__ + ".npz", {}, "No such file"),
    ],
)
def test_what_is_wrong_is_named(name, options, message):
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        make_estimator(name, BOOK, **options)


def test_which_estimators_take_threads():
    assert takes_threads("unrolled")
    assert takes_threads("weights.npz")
    assert takes_threads("pc_admm")
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
