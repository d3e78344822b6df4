// SPDX-License-Identifier: GPL-3.0-or-later
// A cluster of close paths, and the power that is best for it.
#pragma once

#include "asynchrony/columns.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

namespace jadce {

struct Cluster
{
    int device;
    double delay, spread, offset, power;
};

// Delays of an exponential profile of mean 0 and spread 1, and their shares: Gauss and Laguerre's.
constexpr int n_nodes = 2;
constexpr std::array<double, n_nodes> node_delay = {-0.41421356237309503, 2.414213562373095};
constexpr std::array<double, n_nodes> node_share = {0.8535533905932737, 0.14644660940672624};
constexpr double ridge =
    1e-6; // of a column's energy, that no others explain: rounding and the table's errors
constexpr double least_share = 1e-9;  // of the energy of a cluster's columns: directions below are left out
constexpr double least_spread = 0.01; // symbols: below, a cluster is a path

// Whether a cluster is so strong that Σ⁻¹, when others leave it and come, is soon wrong.
inline bool any_is_strong(const std::vector<Cluster>& clusters, double noise_var)
{
    constexpr double strong = 1e4; // power over σ²
    return std::any_of(clusters.begin(), clusters.end(), [=](const Cluster& cluster) {
        return cluster.power > strong * noise_var;
    });
}

// A cluster that is tried.
struct Trial
{
    Columns<double> columns;       // B
    Columns<double> overlap, part; // u = B₀ᴴB with the columns of the other clusters, and K₀u
    SmallMatrix gram, match;       // BᴴΣ₀⁻¹B and BᴴΣ₀⁻¹Y, Σ₀ of the other clusters
    double power = 0, gain = 0;

    explicit Trial(int L) : columns(L, n_nodes) {}
};

// Of a single column: in one step.
inline void fit_single(int M, Trial& trial)
{
    const double own = trial.gram(0, 0).real(), t = own > 0 ? trial.match.energy() / own : 0;
    trial.power = t > M ? (t / M - 1) / own : 0;
    trial.gain = t > M ? t - M - M * std::log(t / M) : 0;
}

// The power that makes the frame likeliest: with λ the eigenvalues of BᴴΣ₀⁻¹B and z the energies of
// BᴴΣ₀⁻¹Y along its eigenvectors, the gain is Σ p z/(1 + pλ) − M log(1 + pλ); Newton's steps in log p.
inline void fit_power(double start, int M, Trial& trial)
{
    const int size = trial.gram.rows();
    if (size == 1) {
        fit_single(M, trial);
        return;
    }
    SmallMatrix values = trial.gram, seen = trial.match;
    diagonalize_pair(values, seen);
    double own[n_nodes], energy[n_nodes], top = 0, slope = 0;
    for (int i = 0; i < size; ++i) {
        own[i] = values(i, i).real();
        energy[i] = seen.row_energy(i);
        top = std::max(top, own[i]);
    }
    int kept = 0, best = 0;
    for (int i = 0; i < size; ++i) {
        if (own[i] > least_share * top) {
            own[kept] = own[i];
            energy[kept] = energy[i];
            slope += energy[kept] - M * own[kept];
            best = own[kept] > own[best] ? kept : best;
            ++kept;
        }
    }
    trial.power = trial.gain = 0;
    if (kept == 0 || (slope <= 0 && start <= 0)) {
        return;
    }
    double power = start > 0 ? start : energy[best] / (M * own[best] * own[best]);
    power = std::clamp(power, 1e-9 / top, 1e9 / top);
    for (int step = 0; step < 8; ++step) {
        double first = 0, second = 0;
        for (int i = 0; i < kept; ++i) {
            const double d = 1 + power * own[i], a = M * own[i] / d, b = energy[i] / (d * d);
            first += power * (b - a);
            second += power * (b - a) + power * power * own[i] * (a - 2 * b) / d;
        }
        const double by = second < 0 ? std::clamp(-first / second, -1.5, 1.5) : (first > 0 ? 1.5 : -1.5);
        power = std::clamp(power * std::exp(by), 1e-9 / top, 1e9 / top);
        if (std::abs(by) < 1e-3) {
            break;
        }
    }
    double gain = 0;
    for (int i = 0; i < kept; ++i) {
        const double d = 1 + power * own[i];
        gain += power * energy[i] / d - M * std::log(d);
    }
    if (gain > 0) {
        trial.power = power;
        trial.gain = gain;
    }
}

} // namespace jadce
