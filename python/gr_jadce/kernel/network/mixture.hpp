// SPDX-License-Identifier: GPL-3.0-or-later
// The gate of a layer: what a device's energy says of it, over a spread of three powers.
#pragma once

#include "arithmetic/elementary.hpp"

#include <cmath>

namespace jadce {

// Gauss-Legendre nodes and weights on three points in ln power.
struct Mixture
{
    // vx: the mean power, t2: the variance of the effective noise, half_width: of the spread in ln power.
    Mixture(float M, float vx, float t2, float slope, float half_width, float prior)
        : M(M), t2(t2), slope(slope), prior(prior)
    {
        constexpr float node = 0.7745967f;
        constexpr float outer = -1.2809338f, middle = -0.8109302f; // ln 5/18, ln 8/18
        const float v0 = vx * std::exp(-node * half_width), v1 = vx, v2 = vx * std::exp(node * half_width);
        b0 = slope / (v0 + t2), b1 = slope / (v1 + t2), b2 = slope / (v2 + t2);
        g0 = v0 / (v0 + t2), g1 = v1 / (v1 + t2), g2 = v2 / (v2 + t2);
        c0 = outer - M * std::log(1 + v0 / t2), c1 = middle - M * std::log(1 + v1 / t2);
        c2 = outer - M * std::log(1 + v2 / t2);
    }
    float M, t2, slope, prior, b0, b1, b2, g0, g1, g2, c0, c1, c2;
};

// Of a device: the gain, the log odds of being active, their probability, the gain's slope, and the
// energy it is seen with.
struct Gate
{
    float gain, score, active, slope, seen;
};

// e^x of a share of a mixture, beside one of 1: none so small that its products are not normal numbers, which
// some processors take a hundred cycles for.
inline float share_of(float x)
{
    constexpr float least = -46; // e^x is below what rounding takes off 1, squared
    return fast_exp_within(x < least ? least : x);
}

// Without branches, so that compilers make vector code of a loop over devices.
inline Gate gate_of(const Mixture& m, float n)
{
    const float l0 = m.c0 - m.M * m.b0 * n, l1 = m.c1 - m.M * m.b1 * n, l2 = m.c2 - m.M * m.b2 * n;
    float peak = l0 > l1 ? l0 : l1;
    peak = peak > l2 ? peak : l2;
    const float p0 = share_of(l0 - peak), p1 = share_of(l1 - peak), p2 = share_of(l2 - peak);
    const float total = p0 + p1 + p2, each = 1 / total;
    const float shrink = (p0 * m.g0 + p1 * m.g1 + p2 * m.g2) * each;
    const float loss = (p0 * m.b0 + p1 * m.b1 + p2 * m.b2) * n * each;
    const float covariance =
        (p0 * m.g0 * (loss - m.b0 * n) + p1 * m.g1 * (loss - m.b1 * n) + p2 * m.g2 * (loss - m.b2 * n)) *
        each;
    const float score = m.M * m.slope * n / m.t2 + peak + fast_log(total) + m.prior;
    float bounded = score < -60.0f ? -60.0f : score;
    bounded = bounded > 60.0f ? 60.0f : bounded;
    const float odds = fast_exp_within(-bounded), active = 1 / (1 + odds), idle = odds * active;
    const float slope = active * (shrink * (1 + idle * (m.slope * n / m.t2 - loss)) + covariance);
    return {active * shrink, score, active, slope, active * (n - m.t2)};
}

} // namespace jadce
