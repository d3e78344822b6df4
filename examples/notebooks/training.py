# SPDX-License-Identifier: GPL-3.0-or-later
# %% [markdown]
# # Training on your own recording
#
# A transmitter sends shaped pulses and writes down who was active; a receiver records. Here both are
# simulated: the "recording" is what `jadce-transmit` would send, through two antennas' gains and noise.
# With radios, take the files of `jadce-receive --record` and `jadce-transmit --truth`. Needs torch (`make
# torch`); `jadce-train` does the same.

# %%
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from gr_jadce import make_pilots
from gr_jadce.programs.settings import TransmissionSettings
from gr_jadce.programs.transmit import Transmission
from gr_jadce.recordings.reader import read_recording
from gr_jadce.recordings.writer import RecordingWriter
from gr_jadce.unrolled import load_weights, save_weights, unrolled
from gr_jadce.unrolled.network import Network
from gr_jadce.unrolled.recorded import Recorded
from gr_jadce.unrolled.training import Trainer
from gr_jadce.unrolled.weight_files import DEFAULT_WEIGHTS
from gr_jadce.waveform import Waveform

folder = Path(tempfile.mkdtemp())
n_steps = 30  # some hundreds, to gain something

# %% [markdown]
# What was sent, and its truth.

# %%
pilots, waveform = (
    make_pilots("gaussian", n_devices=60, pilot_length=24, seed=1),
    Waveform(samples_per_symbol=4),
)
settings = TransmissionSettings(
    range(60), slot_period=400, recording=folder / "sent", truth=folder / "sent.jsonl", n_slots=200,
    activity=0.05, backoff_db=20.0, waveform=waveform,
)  # fmt: skip
print(Transmission(pilots, settings).run())

# %% [markdown]
# What two antennas recorded.

# %%
sent = read_recording(folder / "sent.sigmf-meta")
rng = np.random.default_rng(1)
samples = np.asarray(sent.read(0, sent.n_samples)) * np.array([1.0, 0.6j])
samples += 0.01 * (rng.standard_normal(samples.shape) + 1j * rng.standard_normal(samples.shape))
with RecordingWriter(folder / "heard", 2, sent.sample_rate) as writer:
    writer.write(samples.astype(np.complex64), sent.segments[0].rx_time)

# %% [markdown]
# Frames are cut out by device time, behind the matched filter; the channels of the active devices are
# fitted to them, since a transmitter does not know them.

# %%
source = Recorded(pilots, folder / "heard.sigmf-meta", folder / "sent.jsonl", waveform)
print(source.n_frames, "frames of", source.n_antennas, "antennas")

# %% [markdown]
# Training on, from the weights that are shipped.

# %%
start = load_weights(DEFAULT_WEIGHTS)
network = Network(start.arrays, start.variant)
trainer = Trainer(network, n_steps, seed=1, learning_rate=1e-3, cases=source.case, draw=source.draw)
losses = [loss for _, loss in trainer.run()]
print(f"NMSE of validation frames {trainer.validate():.2f} dB")

# %%
plt.plot(losses)
plt.xlabel("step")
plt.ylabel("error over its running mean")
plt.show()

# %% [markdown]
# The new weights run without torch, in Python, in `jadce-receive --estimator own.npz` and in the receiver
# block.

# %%
provenance = {"command": "notebook", "from": "default", "steps": n_steps}
save_weights(folder / "own.npz", network.weights({"recorded_frames": source.n_frames}, provenance))
estimator = unrolled(pilots, folder / "own.npz")
print("layers of the new estimator:", estimator.weights.n_layers)
