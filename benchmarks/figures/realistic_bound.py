# SPDX-License-Identifier: GPL-3.0-or-later
"""What is possible over channels of several paths, for one who is told their delays, offsets and profiles.

`genie_parts`: who is active is told as well; the channels by LMMSE. `fitted_parts`: but not the powers of the
paths, which are fitted by EM. `evidence`: all that of every device, but
not who is active: the covariance Σ = σ²I + Σ_n γ_n B_n B_nᴴ, where B_n has a column for each path of
device n, scaled by its share of the power, fitted by coordinate descent on the one power γ_n of each.
`misses_told_all`: all that, and who else is active and how loud.
"""

import numpy as np

_LOSS = 1e-4  # of a device's energy that its reduced columns leave out
_SWEEPS, _ROUNDS, _EM_ROUNDS = 6, 3, 30
_MEMBER = 7.0  # log-likelihood that a power has to add
_DRAWS = 20_000  # of a statistic where the device is not active: its quantile
_POWERS = np.concatenate([[0], np.logspace(-1, 8, 109)])  # tried, over σ²


def genie_parts(slot, noise_var):
    """What each device adds to a frame (K, L, M), by LMMSE from the support, delays, offsets and profiles."""
    return _parts(slot, _gains(slot, slot.profile, noise_var)[0])


def fitted_parts(slot, noise_var):
    """The same without the profiles: the power of every path fitted."""
    power = np.full(slot.profile.shape, np.mean(slot.profile))
    for _ in range(_EM_ROUNDS):
        gain, variance = _gains(slot, power, noise_var)
        power = np.mean(np.abs(gain) ** 2, axis=2) + variance
    return _parts(slot, _gains(slot, power, noise_var)[0])


def _gains(slot, power, noise_var):
    """The gains of all paths (K, P, M), their means given the frame, and their variances (K, P)."""
    flat, power = slot.columns.reshape(len(slot.frame), -1), power.ravel()
    covariance = (flat * power) @ flat.conj().T + noise_var * np.eye(len(flat))
    whitened = np.linalg.solve(covariance, flat).conj().T
    gain = power[:, None] * (whitened @ slot.frame)
    variance = power - power**2 * np.sum(whitened * flat.T, axis=1).real
    return gain.reshape(*slot.profile.shape, -1), variance.reshape(slot.profile.shape)


def _parts(slot, gain):
    return np.einsum("lkp,kpm->klm", slot.columns, gain)


def misses_told_all(slot, noise_var, false_alarm, rng):
    """Active devices missed by a test that is told everything but the gains and whether that one is active.

    With Σ of all devices, C the columns of one times its amplitudes of paths, and g, V the eigenvalues and
    vectors of CᴴΣ⁻¹C, the likelihood ratio of gains that fade by Rayleigh's law, antennas apart, grows with

        Σ_i ‖v_iᴴCᴴΣ⁻¹Y‖² / (1 − g_i),  without the device a sum of g_i times Gamma(M, 1).
    """
    scaled = slot.columns * np.sqrt(slot.profile)  # (L, K, P)
    flat = scaled.reshape(len(slot.frame), -1)
    inverse = np.linalg.inv(flat @ flat.conj().T + noise_var * np.eye(len(flat)))
    return sum(_is_missed(own, inverse, slot.frame, false_alarm, rng) for own in np.moveaxis(scaled, 1, 0))


def _is_missed(own, inverse, frame, false_alarm, rng):
    left = inverse @ own
    share, vectors = np.linalg.eigh(own.conj().T @ left)
    kept = share > _LOSS * share[-1]
    share, filtered = share[kept], (left @ vectors[:, kept]).conj().T @ frame
    statistic = np.sum(np.sum(np.abs(filtered) ** 2, axis=1) / np.maximum(1 - share, 1e-12))
    null = rng.gamma(frame.shape[1], size=(_DRAWS, len(share))) @ share
    return statistic < np.quantile(null, 1 - false_alarm)


def all_columns(air, slots, number):
    """B_n of every device of a slot: active ones as they are, others as one of another slot would arrive."""
    rng = np.random.default_rng([air.cell.seed, number, 4])
    slot, columns = slots[number], {}
    others = [
        (s, k)
        for s, own in enumerate(slots)
        if s != number or len(slots) == 1
        for k in range(len(own.device))
    ]
    for n in range(air.book.n_devices):
        (active,) = np.flatnonzero(slot.device == n)[:1] if n in slot.device else (None,)
        if active is not None:
            own, profile = slot.columns[:, active], slot.profile[active]
        else:
            s, k = others[rng.integers(len(others))]
            own, profile = air.delivered(n, slots[s].delay[k], slots[s].offset[k]), slots[s].profile[k]
        columns[n] = reduced(own * np.sqrt(profile / max(profile.sum(), 1e-300)))
    return columns


def reduced(columns):
    """As few columns (L, R) as have nearly the same B Bᴴ."""
    left, values, _ = np.linalg.svd(columns, full_matrices=False)
    rest = np.cumsum(values[::-1] ** 2)[::-1]
    rank = max(np.count_nonzero(rest > _LOSS * rest[0]), 1)
    return left[:, :rank] * values[:rank]


def evidence(columns, frame, noise_var):
    """What its power adds to the log-likelihood of a frame, of each device (N,), the others' fitted."""
    fit = _Fit(columns, frame, noise_var)
    fit.sweep(list(columns), _SWEEPS)
    for _ in range(_ROUNDS):
        gains = np.array([fit.gain(n) for n in columns])
        for n in np.flatnonzero((gains < _MEMBER) & (fit.power > 0)):
            fit.set_power(n, 0.0)
        members = np.flatnonzero(gains >= _MEMBER)
        fit.sweep(list(members), 2)
    return np.array([fit.gain(n) for n in columns])


class _Fit:
    """Σ⁻¹ and Σ⁻¹Y while powers move one by one."""

    def __init__(self, columns, frame, noise_var):
        self.columns, self.frame, self.noise_var = columns, frame.astype(complex), noise_var
        self.power = np.zeros(len(columns))
        self.inverse = np.eye(len(frame), dtype=complex) / noise_var

    def sweep(self, devices, times):
        for _ in range(times):
            for n in devices:
                self.set_power(n, self._best(n)[0])
            self._refresh()

    def gain(self, n):
        """What the best power of a device adds to the log-likelihood over none."""
        return self._best(n)[1]

    def set_power(self, n, power):
        change, self.power[n] = power - self.power[n], power
        if change:
            own = self.columns[n]
            left = self.inverse @ own
            middle = np.eye(own.shape[1]) / change + own.conj().T @ left
            self.inverse -= left @ np.linalg.solve(middle, left.conj().T)

    def _best(self, n):
        """(γ, log-likelihood over γ = 0) that is best, the others held."""
        left = self.inverse @ self.columns[n]
        values, vectors = np.linalg.eigh(self.columns[n].conj().T @ left)
        energy = np.sum(np.abs(vectors.conj().T @ (left.conj().T @ self.frame)) ** 2, axis=1)
        values = np.maximum(values, 0)
        shrink = np.maximum(1 - self.power[n] * values, 1e-9)  # its own power taken out of Σ
        values, energy = values / shrink, energy / shrink**2
        power = _POWERS * self.noise_var
        loaded = 1 + np.outer(power, values)
        gain = np.sum(power[:, None] * energy / loaded - self.frame.shape[1] * np.log(loaded), axis=1)
        best = gain.argmax()
        return power[best], gain[best]

    def _refresh(self):
        """Σ⁻¹ anew: updates lose digits."""
        covariance = self.noise_var * np.eye(len(self.inverse), dtype=complex)
        for n in np.flatnonzero(self.power):
            covariance += self.power[n] * self.columns[n] @ self.columns[n].conj().T
        self.inverse = np.linalg.inv(covariance)
