// SPDX-License-Identifier: GPL-3.0-or-later
#include "sampling/sweep.hpp"
#include "arithmetic/threads.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

namespace jadce {
namespace {

// One frame's at a time; each thread has one.
class Sweep
{
public:
    explicit Sweep(const SweepSizes& sizes)
        : s_(sizes), direction_(sizes.L), match_(sizes.M), log_odds_(sizes.P)
    {
    }

    // Visits the devices of frame b in their order.
    void run(std::size_t b, const SweepModel& all, const SweepState& states)
    {
        SweepModel model = all;
        model.power += b * s_.P;
        model.share += b * s_.P;
        model.logit += b;
        const SweepState state = {states.kind + b * s_.N,
                                  states.variance + b * s_.N,
                                  states.chance + b * s_.N,
                                  states.inverse + b * s_.L * s_.L,
                                  states.filtered + b * s_.L * s_.M};
        for (std::size_t i = 0; i < s_.N; ++i) {
            const std::size_t n = std::size_t(model.order[i]);
            if (state.kind[n] >= 0 || state.chance[n] > model.least_chance) {
                visit(n, model, state);
            }
        }
    }

private:
    void visit(std::size_t n, const SweepModel& model, const SweepState& state)
    {
        const double spread = filter(model.pilots + n * s_.L, state), old = state.variance[n];
        state.chance[n] = odds(spread, old, model);
        const bool active = model.uniform[n] < state.chance[n];
        const std::size_t kind = pick(model.uniform[s_.N + n]);
        state.kind[n] = active ? std::int64_t(kind) : -1;
        state.variance[n] = active ? model.power[kind] : 0;
        const double change = state.variance[n] - old;
        if (change != 0) {
            update(change / (1 + change * spread), state);
        }
    }

    // Σ⁻¹a and aᴴΣ⁻¹Y; returns aᴴΣ⁻¹a.
    double filter(const Complex* pilot, const SweepState& state)
    {
        std::fill(direction_.begin(), direction_.end(), Complex());
        std::fill(match_.begin(), match_.end(), Complex());
        for (std::size_t j = 0; j < s_.L; ++j) {
            const Complex a = pilot[j], *row = state.inverse + j * s_.L; // its conjugate is column j
            for (std::size_t l = 0; l < s_.L; ++l) {
                direction_[l] += times(std::conj(row[l]), a);
            }
            for (std::size_t m = 0; m < s_.M; ++m) {
                match_[m] += times(std::conj(a), state.filtered[j * s_.M + m]);
            }
        }
        double spread = 0;
        for (std::size_t j = 0; j < s_.L; ++j) {
            spread += times(std::conj(pilot[j]), direction_[j]).real();
        }
        return spread;
    }

    // The chance of being active given all others; leaves the shares of the powers in log_odds_.
    double odds(double spread, double variance, const SweepModel& model)
    {
        double match = 0, sum = 0;
        for (const Complex& value : match_) {
            match += std::norm(value);
        }
        const double without = std::max(1 - variance * spread, 1e-9); // leaves the device's own part out
        for (std::size_t p = 0; p < s_.P; ++p) {
            const double x = model.power[p] * (spread / without);
            log_odds_[p] = match / (without * without) * model.power[p] / (1 + x) -
                           double(s_.M) * std::log1p(x) + model.share[p];
        }
        const double peak = *std::max_element(log_odds_.begin(), log_odds_.end());
        for (double& value : log_odds_) {
            sum += value = std::exp(value - peak);
        }
        return 1 / (1 + std::exp(-std::clamp(*model.logit + peak + std::log(sum), -50.0, 50.0)));
    }

    // Σ⁻¹ and Σ⁻¹Y after the variance of a device has changed.
    void update(double step, const SweepState& state) const
    {
        for (std::size_t l = 0; l < s_.L; ++l) {
            const Complex weighted = step * direction_[l];
            for (std::size_t j = 0; j < s_.L; ++j) {
                state.inverse[l * s_.L + j] -= times(weighted, std::conj(direction_[j]));
            }
            for (std::size_t m = 0; m < s_.M; ++m) {
                state.filtered[l * s_.M + m] -= times(weighted, match_[m]);
            }
        }
    }

    // The power that a uniform number picks, by the shares in log_odds_.
    std::size_t pick(double uniform) const
    {
        double total = 0, below = 0;
        for (double share : log_odds_) {
            total += share;
        }
        for (std::size_t p = 0; p + 1 < log_odds_.size(); ++p) {
            below += log_odds_[p];
            if (uniform * total < below) {
                return p;
            }
        }
        return log_odds_.size() - 1;
    }

    const SweepSizes s_;
    std::vector<Complex> direction_, match_;
    std::vector<double> log_odds_;
};

} // namespace

void sweep_all(const SweepSizes& sizes, const SweepModel& model, const SweepState& state, int threads)
{
    for_each_frame(
        int(sizes.B),
        threads,
        [&] { return Sweep(sizes); },
        [&](int frame, Sweep& sweep) { sweep.run(std::size_t(frame), model, state); });
}

} // namespace jadce
