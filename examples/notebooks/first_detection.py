# SPDX-License-Identifier: GPL-3.0-or-later
# %% [markdown]
# # The model, and a first detection
#
# N devices own a pilot of L < N symbols each. In a slot a few of them transmit theirs at the same time, and
# M antennas receive Y = A X + W: the columns of A are the pilots, the rows of X the channels, zero where a
# device is silent. Which rows are not zero, and what are they?

# %%
import matplotlib.pyplot as plt
import numpy as np

from gr_jadce import Scenario, decide, make_estimator, make_pilots, metrics, simulate

# %% [markdown]
# A book of pilots, and 200 simulated frames.

# %%
pilots = make_pilots("gaussian", n_devices=200, pilot_length=64, seed=1)
scenario = Scenario(pilots, n_antennas=4, activity_rate=0.1, snr_db=10)
uplink = simulate(scenario, n_frames=200, seed=2)
print("received", uplink.received.shape, "channels", uplink.channel.shape)

# %% [markdown]
# An estimator answers for every device with a channel and a score, here the network that is the default.

# %%
estimator = make_estimator("unrolled", pilots)
estimate = estimator(uplink.received)

# %% [markdown]
# The decision tests each device at the false-alarm probability that is wanted, and refits the channels of
# those it finds. The noise variance need not be known.

# %%
decision = decide(estimate, uplink.received, pilots, false_alarm=1e-3)
missed = metrics.miss_probability(decision.activity, uplink.activity)
false_alarms = metrics.false_alarm_probability(decision.activity, uplink.activity)
nmse_db = metrics.nmse_db(decision.channel, uplink.channel)
print(f"missed {missed:.4f}, false alarms {false_alarms:.2e}, NMSE {nmse_db:.1f} dB")

# %% [markdown]
# One frame: whose energy stands out, and who was active in truth?

# %%
energy = np.sum(np.abs(estimate.channel[0]) ** 2, axis=1)
plt.stem(energy, markerfmt=" ", basefmt=" ", label="estimated energy")
plt.plot(np.flatnonzero(uplink.activity[0]), energy[uplink.activity[0]], "o", mfc="none", label="active")
plt.xlabel("device")
plt.legend()
plt.show()

# %% [markdown]
# Who is missed? Mostly devices in a deep fade: their channels are weak at all four antennas.

# %%
strength_db = 10 * np.log10(np.sum(np.abs(uplink.channel) ** 2, axis=2)[uplink.activity])
found = decision.activity[uplink.activity]
plt.hist([strength_db[found], strength_db[~found]], bins=30, log=True, label=["found", "missed"])
plt.xlabel("energy of the channel, dB")
plt.legend()
plt.show()
