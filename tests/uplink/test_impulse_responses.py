# SPDX-License-Identifier: GPL-3.0-or-later
import numpy as np
import pytest

from gr_jadce.uplink.impulse_responses import ImpulseResponses, load_impulse_responses

SLOTS, DEVICES, ANTENNAS, PATHS = 3, 4, 2, 5


def arrays():
    rng = np.random.default_rng(1)
    gain = rng.standard_normal((SLOTS, DEVICES, ANTENNAS, PATHS, 2)) @ np.array([1, 1j])
    gain[:, :, :, -1] = 0
    return {
        "a": gain,
        "tau": np.where(np.arange(PATHS) < PATHS - 1, rng.uniform(0, 1e-6, (SLOTS, DEVICES, PATHS)), -7.0),
        "K": np.array([2, 4, 0]),
        "device": np.array([[7, 3, 0, 0], [1, 9, 4, 2], [0, 0, 0, 0]]),
        "prop": np.full((SLOTS, DEVICES), 1e-6),
        "fc": np.array(2.4e9),
    }


@pytest.fixture
def save(tmp_path):
    def write(**changes):
        path = tmp_path / "channels.npz"
        np.savez(path, **{name: value for name, value in (arrays() | changes).items() if value is not None})
        return path

    return write


def test_a_slot_has_the_active_devices_in_order(save):
    responses, own = load_impulse_responses(save()), arrays()
    paths = responses(0)
    assert paths.device.tolist() == [3, 7]
    assert np.array_equal(paths.gain, own["a"][0, [1, 0]])
    assert (responses.n_slots, responses.n_antennas, responses.carrier) == (SLOTS, ANTENNAS, 2.4e9)
    assert responses(2).gain.shape == (0, ANTENNAS, PATHS)


def test_propagation_counts_twice_and_a_path_that_is_not_there_has_no_delay_of_its_own(save):
    own, paths = arrays(), load_impulse_responses(save())(0)
    assert paths.delay[0, :-1] == pytest.approx(2e-6 + own["tau"][0, 1, :-1])
    assert paths.delay[:, -1] == pytest.approx(2e-6)
    assert not paths.doppler.any()


def test_slots_begin_again_after_the_last(save):
    responses = load_impulse_responses(save())
    assert np.array_equal(responses(SLOTS + 1).gain, responses(1).gain)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"a": None}, "expected an array 'a', got tau, K"),
        ({"a": np.zeros(3)}, r"a: expected \(slots, devices, antennas, paths\), got \(3,\)"),
        ({"tau": np.zeros((1, 2))}, r"tau: expected shape \(3, 4, 5\), got \(1, 2\)"),
        ({"prop": np.zeros(3)}, r"prop: expected shape \(3, 4\), got \(3,\)"),
        ({"K": np.array([2, 5, 0])}, "K: expected 0 to 4 in each slot, got up to 5"),
        ({"K": np.array([2.0, 4, 0])}, "K: expected integers, got float64"),
        ({"device": np.zeros((SLOTS, DEVICES), int)}, "device: expected different numbers from 0 on"),
        ({"a": np.full((SLOTS, DEVICES, ANTENNAS, PATHS), np.nan)}, "a: expected finite numbers"),
        ({"prop": np.full((SLOTS, DEVICES), -1.0)}, "prop: expected 0 or more seconds"),
        ({"fc": np.zeros(3)}, "channels.npz: "),
    ],
)
def test_what_is_wrong_is_named(save, changes, message):
    with pytest.raises(ValueError, match=message):
        load_impulse_responses(save(**changes))


def test_a_file_that_is_none_is_refused(tmp_path):
    path = tmp_path / "channels.npz"
    path.write_bytes(b"no archive")
    with pytest.raises(ValueError, match="not a file of impulse responses"):
        load_impulse_responses(path)


def test_what_is_not_active_may_be_anything(save):
    own = arrays()
    own["tau"][0, 2:] = np.nan
    assert isinstance(load_impulse_responses(save(tau=own["tau"])), ImpulseResponses)
