// SPDX-License-Identifier: GPL-3.0-or-later
// Squeeze and excitation: how a frame's statistics change the parameters of a layer.
#pragma once

#include "network/layer.hpp"

namespace jadce {

using Features = std::array<float, n_features>;
using Excitation = std::array<float, n_excite>;

// A frame's own numbers, from layer to layer; noise_var is 0 where unknown.
struct NetworkState
{
    float noise_var, error, logit, log_power, energy;
};

// What a layer finds of the frame: the variance of the effective noise and σ², the residual's energy.
struct Measured
{
    float tau2, noise, energy;
};

// Means over the devices of their energies n, of n² and of log n.
struct Moments
{
    float energy, square, log;
};

// `load`: devices a pilot symbol.
inline Features
features(const NetworkState& state, const Measured& found, const Moments& mean, float M, float load)
{
    const float tau2 = found.tau2, signal = std::max(mean.energy - tau2, 1e-6f);
    const float fourth = mean.square / (1 + 1 / M) - tau2 * tau2 - 2 * signal * tau2;
    const float power = std::log(std::max(fourth, 1e-6f) / signal);
    const float usual = mean.log + 1 / (2 * M) + 1 / (12 * M * M), log_tau2 = std::log(tau2);
    return {
        log_tau2 / 3,
        std::log(found.noise) / 3,
        std::log((found.energy + 1e-9f) / found.noise) / 3,
        state.logit - prior_logit,
        state.log_power - prior_log_power,
        clip(power - state.log_power, -2, 2),
        std::log(M) / 2,
        std::log(load / 3),
        state.noise_var > 0 ? 0.5f : -0.5f,
        clip(std::log((found.energy + 1e-9f) / (state.energy + 1e-9f)), -2, 2),
        clip(usual - log_tau2, -2, 2),
    };
}

inline Excitation excite(const Layer& w, const Features& features)
{
    Excitation h = w.excite_bias;
    for (int j = 0; j < n_hidden; ++j) {
        float hidden = w.squeeze_bias[j];
        for (int i = 0; i < n_features; ++i) {
            hidden += w.squeeze_weight[j * n_features + i] * features[i];
        }
        hidden *= sigmoid(hidden);
        for (int i = 0; i < n_excite; ++i) {
            h[i] += w.excite_weight[i * n_hidden + j] * hidden;
        }
    }
    return h;
}

} // namespace jadce
