// SPDX-License-Identifier: GPL-3.0-or-later
// What a device's statistic is compared with where σ² is unknown: the compiled form of noise/scale.py.
#pragma once

#include "detection/detection.hpp"

#include <algorithm>
#include <cstddef>
#include <limits>
#include <vector>

namespace jadce {

constexpr std::size_t min_devices_for_scale = 100; // of a tight frame
constexpr int scale_rounds = 20;

// Energy that tells how loud the noise is that a device is tested against, and its degrees of freedom.
struct Rest
{
    double energy, dof;
};

// What `rows` rows of noise of variance `noise_left` say to a device, which has a statistic of t if it is
// outside the support, and of 0 in it.
inline Rest left_over(const Rule& rule, double noise_left, double rows, double t, bool outside)
{
    const double M = double(rule.n_antennas), energy = noise_left * M * rows, out = outside ? 1 : 0;
    if (rule.scale == Scale::spatial) {
        return {std::max(energy / M - out * t, 0.0), rows - M + 1 - out};
    }
    const double part = rule.scale == Scale::white ? 1 : (M + 1) / (2 * M);
    const double estimated = rule.scale == Scale::white ? 0 : (M - 1) / 2;
    return {std::max(part * energy - out * t, 0.0), part * M * (rows - out) - estimated};
}

inline double mean_below(const std::vector<double>& statistics, double limit)
{
    double sum = 0;
    std::size_t count = 0;
    for (double t : statistics) {
        if (t <= limit) {
            sum += t;
            ++count;
        }
    }
    return sum / double(count);
}

// The scale of the lower of the statistics of devices outside the support.
inline double lower_scale(const Rule& rule, const std::vector<double>& outside)
{
    double scale = mean_below(outside, std::numeric_limits<double>::infinity()) / double(rule.n_antennas);
    for (int round = 0; round < scale_rounds; ++round) {
        scale = mean_below(outside, rule.lower.limit * scale) / rule.lower.mean;
    }
    return scale;
}

} // namespace jadce
