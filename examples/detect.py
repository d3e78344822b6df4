#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who is active in one simulated frame, without GNU Radio."""

from gr_jadce import Scenario, decide, make_estimator, make_pilots, simulate

pilots = make_pilots("gaussian", n_devices=100, pilot_length=40, seed=1)
uplink = simulate(Scenario(pilots, n_antennas=4, n_active=6, snr_db=15), n_frames=1, seed=2)

estimate = make_estimator("unrolled", pilots)(uplink.received)
decision = decide(estimate, uplink.received, pilots, false_alarm=1e-4)

print("active:  ", *uplink.activity[0].nonzero()[0])
print("detected:", *decision.activity[0].nonzero()[0])
for device in decision.activity[0].nonzero()[0]:
    print(
        f"device {device}: score {decision.score[0, device]:.1f}, channel",
        decision.channel[0, device].round(2),
    )
