# SPDX-License-Identifier: GPL-3.0-or-later
# %% [markdown]
# # Your own estimator beside ours
#
# An estimator is a function from frames (B, L, M) to an `Estimate`, of which `channel` (B, N, M) and
# `score` (B, N) are enough. What you write here also runs in `jadce-receive --estimator module:function`
# and in the receiver block.

# %%
import matplotlib.pyplot as plt
import numpy as np

from gr_jadce import Estimate, Scenario, decide, make_estimator, make_pilots, metrics, simulate

# %% [markdown]
# Iterative hard thresholding for rows: a gradient step, then only the K rows with the most energy are kept.


# %%
def hard_thresholding(pilots, n_active=20, n_iter=50):
    """Make the estimator of a pilot book; `n_active` rows are kept in each of `n_iter` steps."""
    A = pilots.matrix
    step = 1 / np.linalg.norm(A, 2) ** 2

    def estimator(received):
        channel = np.zeros((len(received), A.shape[1], received.shape[2]), complex)
        for _ in range(n_iter):
            channel = channel + step * (A.conj().T @ (received - A @ channel))
            energy = np.sum(np.abs(channel) ** 2, axis=2)
            least = np.sort(energy, axis=1)[:, -n_active, None]
            channel[energy < least] = 0
        return Estimate(channel, score=np.linalg.norm(channel, axis=2))

    return estimator


# %% [markdown]
# Both estimators see the same frames, and the same decision judges them.

# %%
pilots = make_pilots("gaussian", n_devices=200, pilot_length=64, seed=1)
estimators = {
    "hard thresholding": hard_thresholding(pilots),
    "pc_admm": make_estimator("pc_admm", pilots),
    "unrolled": make_estimator("unrolled", pilots),
}
snrs_db = (0, 5, 10, 15)
missed = {name: [] for name in estimators}
for snr_db in snrs_db:
    uplink = simulate(Scenario(pilots, n_antennas=4, activity_rate=0.08, snr_db=snr_db), n_frames=50, seed=3)
    for name, estimator in estimators.items():
        decision = decide(estimator(uplink.received), uplink.received, pilots, false_alarm=1e-3)
        missed[name].append(metrics.miss_probability(decision.activity, uplink.activity))
print({name: np.round(values, 4).tolist() for name, values in missed.items()})

# %%
for name, values in missed.items():
    plt.semilogy(snrs_db, np.maximum(values, 1e-4), "o-", label=name)
plt.xlabel("SNR, dB")
plt.ylabel("miss probability")
plt.legend()
plt.show()
