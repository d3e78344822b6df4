// SPDX-License-Identifier: GPL-3.0-or-later
// When devices of a frame arrive, and a test of others that arrive alike:
// gr_jadce.detection.asynchrony.last_look.
#pragma once

#include "asynchrony/arrival_table.hpp"
#include "asynchrony/cluster.hpp"
#include "asynchrony/search_rule.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <vector>

namespace jadce {

// How a device may arrive.
struct Prior
{
    std::vector<double> delays, shares;
    double trust = 0;
};

class DelayProfile
{
public:
    DelayProfile(const ArrivalTable& table, const LookRule& rule, const std::vector<Cluster>& clusters)
        : table_(table), rule_(rule), count_(table.n_half_symbols())
    {
        for (const Cluster& cluster : clusters) {
            if (cluster.power > 0) {
                std::vector<double>& own = power_[cluster.device];
                own.resize(std::size_t(count_));
                spread(cluster, own);
            }
        }
    }

    // What all devices but one tell of it; of no delays if there are no others, or they have nothing in
    // common.
    Prior prior(int but = -1) const
    {
        std::vector<double> share(std::size_t(count_), rule_.flat / count_);
        int others = 0;
        for (const auto& [device, power] : power_) {
            if (device != but) {
                const double total = std::accumulate(power.begin(), power.end(), 0.0);
                for (int g = 0; g < count_; ++g) {
                    share[std::size_t(g)] += power[std::size_t(g)] / total;
                }
                ++others;
            }
        }
        Prior prior;
        if (others > 0 && effective_number(share) <= rule_.columns) {
            for (int g : strongest(share)) {
                const double own = share[std::size_t(g)] / (others + rule_.flat);
                if (own > rule_.least_share) {
                    prior.delays.push_back(table_.half_symbol(g));
                    prior.shares.push_back(own);
                }
            }
            prior.trust = others / (others + rule_.flat);
        }
        return prior;
    }

private:
    // A cluster's power, at the delays next to its own.
    void spread(const Cluster& cluster, std::vector<double>& own) const
    {
        for (int i = 0; i < cluster.n_columns(); ++i) {
            const double power = cluster.power * cluster.column_share(i);
            const double place =
                std::clamp(2 * (cluster.column_delay(i) - table_.half_symbol(0)), 0.0, double(count_ - 1));
            const int before = std::min(int(place), count_ - 2);
            own[std::size_t(before)] += power * (1 - (place - before));
            own[std::size_t(before) + 1] += power * (place - before);
        }
    }

    static double effective_number(const std::vector<double>& share)
    {
        double total = 0, squares = 0;
        for (const double own : share) {
            total += own;
            squares += own * own;
        }
        return total * total / squares;
    }

    // As many delays as a prior has at most, in order.
    std::vector<int> strongest(const std::vector<double>& share) const
    {
        std::vector<int> order(share.size());
        std::iota(order.begin(), order.end(), 0);
        std::stable_sort(order.begin(), order.end(), [&](int a, int b) {
            return share[std::size_t(a)] > share[std::size_t(b)];
        });
        order.resize(std::min(order.size(), std::size_t(rule_.columns)));
        std::sort(order.begin(), order.end());
        return order;
    }

    const ArrivalTable& table_;
    const LookRule& rule_;
    int count_;
    std::map<int, std::vector<double>> power_; // of devices
};

// Weights of independent Gamma(M, 1) in a statistic.
struct Weights
{
    int M = 0;
    std::vector<double> of;

    // Σ w^power / (1 − w tilt)^power
    double sum(double tilt, int power) const
    {
        double total = 0;
        for (const double weight : of) {
            const double w = weight / (1 - weight * tilt);
            total += power == 1 ? w : w * w;
        }
        return M * total;
    }
};

// Where the derivative of the cumulant generating function is 0; 0 where the energy is hardly above its mean,
// which says nothing, and where the approximation is a difference of large numbers.
inline double saddle(double energy, const Weights& weights, double dof)
{
    constexpr double hardly_above = 0.01;
    if (energy <= (1 + hardly_above) * weights.sum(0, 1)) {
        return 0;
    }
    double low = 0, high = (1 - 1e-12) / *std::max_element(weights.of.begin(), weights.of.end());
    for (int i = 0; i < 60; ++i) {
        const double tilt = (low + high) / 2;
        (weights.sum(tilt, 1) > energy / (1 + energy * tilt / dof) ? high : low) = tilt;
    }
    return low;
}

// Mills' ratio, less 1/x.
inline double mills_excess(double x)
{
    if (x < 15) {
        return std::sqrt(M_PI / 2) * std::exp(x * x / 2) * std::erfc(x * M_SQRT1_2) - 1 / x;
    }
    const double y = 1 / (x * x);
    return -y / x * (1 - 3 * y * (1 - 5 * y * (1 - 7 * y)));
}

// −log10 P(Σ w_i Gamma(M, 1) ≥ energy Gamma(d, 1)/d), at its maximum over `width` widths of correlation.
inline double score_weighted(double energy, const Weights& weights, double dof, double width)
{
    const double tilt = saddle(energy, weights, dof);
    if (tilt <= 0) {
        return 0;
    }
    const double share = energy * tilt / dof, own = energy / (1 + share);
    double exponent = -dof * std::log1p(share);
    for (const double weight : weights.of) {
        exponent -= weights.M * std::log(1 - weight * tilt);
    }
    const double root = std::sqrt(-2 * exponent);
    const double slope = tilt * std::sqrt(weights.sum(tilt, 2) + own * own / dof);
    const double log_p = exponent - 0.5 * std::log(2 * M_PI) + std::log(mills_excess(root) + 1 / slope) +
                         std::log1p(width * std::sqrt((tilt * energy + weights.M) / M_PI));
    return std::max(-log_p / M_LN10, 0.0);
}

} // namespace jadce
