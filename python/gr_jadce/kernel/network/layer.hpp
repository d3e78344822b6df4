// SPDX-License-Identifier: GPL-3.0-or-later
// The learned parameters of the unrolled network.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>

namespace jadce {

constexpr int n_hidden = 16, n_features = 11, n_excite = 7;
constexpr float prior_logit = -2.1972246f, prior_log_power = 2.3025851f;

// Of one layer, named as in unrolled/layers.py.
struct Layer
{
    float error_gain, error_mix, noise_floor, beta, reflect, power, power_keep, prior, prior_keep, noise,
        slope, spread, damping, dual_gain;
    std::array<float, n_hidden * n_features> squeeze_weight;
    std::array<float, n_hidden> squeeze_bias;
    std::array<float, n_excite * n_hidden> excite_weight;
    std::array<float, n_excite> excite_bias;
};

inline float clip(float x, float low, float high) { return std::min(std::max(x, low), high); }
inline float sigmoid(float x) { return 1 / (1 + std::exp(-clip(x, -60, 60))); }

} // namespace jadce
