# SPDX-License-Identifier: GPL-3.0-or-later
"""Published numbers that the tables are set beside, and prototypes' numbers of the same quantities."""

# Block-ALISTA, MMV_Gauss: stored curves after 6 layers, mean of per-frame ratios, dB.
BLOCK_ALISTA = {
    "BISTA": -2.05,
    "FastBISTA": -2.58,
    "ALBISTA": -7.49,
    "LBISTA-CPSS": -7.86,
    "TiLBISTA": -11.11,
    "LBISTA tied": -12.36,
    "MMV-ALAMP": -12.69,
    "LBISTA untied": -13.19,
}
# onsager_deep_learning: iterations to an NMSE of −35 dB, and the floor in dB.
ONSAGER = {"AMP": 25, "FISTA": 202, "ISTA": 3420}
ONSAGER_FLOOR = -36.7
ONSAGER_SIX_LAYERS = {"LISTA": -22.27, "LAMP, Bernoulli-Gaussian": -34.37}
# JADCE with GAN, arXiv 2204.01731, read off plots (±0.3 dB) at 10, 20, 30, 40 dB.
JADCE_GAN = {
    "group LASSO": (-10, -10, -10, -10),
    "ISTA": (-11.9, -17.1, -17.5, -17.5),
    "LISTA, 12 layers": (-17.1, -25.0, -30.4, -32.9),
    "GAN": (-12.0, -21.6, -30.9, -34.5),
}
# An independent implementation of the same two configurations: NMSE in dB at 0, 5, …, 25 dB SNR,
# and miss probability at false alarm 1e-2 at 0, 5, 10 dB.
SINGLE_ANTENNA = {
    "oracle MMSE": ((-6.28, -10.36, -14.91, -19.75, -24.70, -29.84), ()),
    "VAMP": ((-2.53, -6.11, -11.64, -18.05, -24.00, -29.55), (0.725, 0.440, 0.172)),
    "AMP": ((-2.38, -5.87, -11.22, -17.54, -23.43, -27.95), ()),
    "LASSO, best λ": ((-2.35, -5.10, -8.41, -12.06, -15.88, -19.68), (0.727, 0.473, 0.237)),
    "SOMP": ((-0.52, -4.22, -9.20, -15.49, -18.75, -25.13), ()),
}
FOUR_ANTENNAS = {
    "oracle MMSE": ((-5.37, -9.18, -13.70, -18.45, -23.48, -28.47), ()),
    "VAMP": ((-3.19, -8.23, -13.54, -18.45, -23.48, -28.47), (0.404, 0.046, 0.001)),
    "M-SBL": ((-2.69, -7.23, -12.17, -17.15, -22.25, -27.27), (0.424, 0.053, 0.002)),
    "LASSO, best λ": ((-2.72, -5.60, -9.03, -12.70, -16.71, -20.69), (0.422, 0.082, 0.007)),
}
# Heavy load, N = 400, L = 30, K = 20, M = 4, QPSK pilots, at 12, 16, 20 dB: NMSE in dB on
# the true support, and F1 of the activity.
HEAVY_QPSK = ((-6.6, 0.867), (-11.5, 0.980), (-16.3, 0.996))
# arXiv 2404.16152: updates of one power to convergence, N = 1000, K = 100, L = 100, M = 15.
COVARIANCE_UPDATES = {"coordinate descent": 17638, "active set": 4977, "fast coordinate descent": 1028}

# kekeyingBIT/LEO (JSAC 2023), stored results: NMSE in dB, mean of ratios, at so many active users.
DELAY_TAPS_ACTIVE = (15, 20, 25, 30, 35, 40, 45)
DELAY_TAPS = {
    "SOMP": (-16.4, -14.9, -13.8, -12.8, -11.9, -11.2, -10.5),
    "least squares, support told": (-17.6, -15.9, -14.5, -13.1, -11.8, -10.6, -9.2),
    "OAMP": (-17.1, -15.6, -14.4, -13.3, -12.4, -11.6, -10.9),
    "OAMP with the array's structure": (-22.3, -20.5, -19.1, -17.8, -16.8, -15.8, -15.0),
}
