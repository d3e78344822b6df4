// SPDX-License-Identifier: GPL-3.0-or-later
// A cluster of close paths, and the power that is best for it.
#pragma once

#include "asynchrony/explained.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

namespace jadce {

// Delays of an exponential profile of mean 0 and spread 1, and their shares: Gauss and Laguerre's.
constexpr int n_nodes = 2;
constexpr std::array<double, n_nodes> node_delay = {-0.41421356237309503, 2.414213562373095};
constexpr std::array<double, n_nodes> node_share = {0.8535533905932737, 0.14644660940672624};
constexpr double least_share = 1e-9;  // of the energy of a cluster's columns: directions below are left out
constexpr double least_spread = 0.01; // symbols: below, a cluster is a path

struct Cluster
{
    int device;
    double delay, spread, offset, power;

    bool is_path() const { return spread < least_spread; }
    int n_columns() const { return is_path() ? 1 : n_nodes; }
    double column_delay(int i) const
    {
        return is_path() ? delay : delay + spread * node_delay[std::size_t(i)];
    }
    double column_share(int i) const { return is_path() ? 1 : node_share[std::size_t(i)]; } // of the power
    double column_weight(int i) const { return std::sqrt(column_share(i)); }
};

// A cluster that is tried.
struct Trial : Seen
{
    double power = 0, gain = 0;
    double gain_before = 0;   // with the power that it had
    bool is_laid_out = false; // whether there are columns

    explicit Trial(int L) : Seen(L, n_nodes) {}
};

// Λ(p) = Σ p z/(1 + pλ) − M log(1 + pλ), what a power gains: λ the eigenvalues of BᴴΣ₀⁻¹B, z the energies of
// BᴴΣ₀⁻¹Y along its eigenvectors.
class PowerGain
{
public:
    PowerGain(const SmallMatrix& gram, const SmallMatrix& match, int M) : M_(M)
    {
        SmallMatrix values = gram, seen = match;
        if (gram.rows() > 1) {
            diagonalize_pair(values, seen);
        }
        for (int i = 0; i < gram.rows(); ++i) {
            top_ = std::max(top_, values(i, i).real());
        }
        for (int i = 0; i < gram.rows(); ++i) {
            if (values(i, i).real() > least_share * top_) {
                own_[count_] = values(i, i).real();
                energy_[count_] = seen.row_energy(i);
                ++count_;
            }
        }
    }

    double at(double power) const
    {
        double gain = 0;
        for (int i = 0; i < count_; ++i) {
            const double d = 1 + power * own_[i];
            gain += power * energy_[i] / d - M_ * std::log(d);
        }
        return gain;
    }

    // The best power, found from that on; of a single column in one step.
    double best(double start) const
    {
        if (count_ == 1) {
            return std::max((energy_[0] / M_ - own_[0]) / (own_[0] * own_[0]), 0.0);
        }
        if (count_ == 0 || (start <= 0 && slope() <= 0)) {
            return 0;
        }
        return by_newton(start > 0 ? start : first_guess());
    }

private:
    double slope() const
    {
        double slope = 0;
        for (int i = 0; i < count_; ++i) {
            slope += energy_[i] - M_ * own_[i];
        }
        return slope;
    }

    double first_guess() const
    {
        const auto strongest = std::size_t(std::max_element(own_, own_ + count_) - own_);
        return energy_[strongest] / (M_ * own_[strongest] * own_[strongest]);
    }

    // Steps in log p.
    double by_newton(double power) const
    {
        const double low = 1e-9 / top_, high = 1e9 / top_;
        power = std::clamp(power, low, high);
        for (int step = 0; step < 8; ++step) {
            double first = 0, second = 0;
            for (int i = 0; i < count_; ++i) {
                const double d = 1 + power * own_[i], a = M_ * own_[i] / d, b = energy_[i] / (d * d);
                first += power * (b - a);
                second += power * (b - a) + power * power * own_[i] * (a - 2 * b) / d;
            }
            const double by = second < 0 ? std::clamp(-first / second, -1.5, 1.5) : (first > 0 ? 1.5 : -1.5);
            power = std::clamp(power * std::exp(by), low, high);
            if (std::abs(by) < 1e-3) {
                break;
            }
        }
        return power;
    }

    const int M_;
    int count_ = 0;
    double own_[n_nodes], energy_[n_nodes], top_ = 0;
};

// The power that makes the frame likeliest, and what it gains; and what the power does that it has.
inline void fit_power(double start, int M, Trial& trial)
{
    const PowerGain gain(trial.gram, trial.match, M);
    trial.gain_before = start > 0 ? gain.at(start) : 0;
    trial.power = gain.best(start);
    trial.gain = trial.power > 0 ? gain.at(trial.power) : 0;
    if (trial.gain <= 0) {
        trial.power = trial.gain = 0;
    }
}

} // namespace jadce
