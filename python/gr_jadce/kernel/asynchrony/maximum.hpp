// SPDX-License-Identifier: GPL-3.0-or-later
// Scores of a statistic at its maximum over delays and offsets: gr_jadce.detection.asynchrony.maximum.
#pragma once

#include "detection/p_values.hpp"

#include <algorithm>
#include <cmath>

namespace jadce {

struct Extent
{
    double delay, offset;
};

inline double log_sum(double a, double b)
{
    const double top = std::max(a, b);
    return top + std::log1p(std::exp(std::min(a, b) - top));
}

// −log10 of P + (a + b) ρ₁ + a b ρ₂; log_moment(k) is the logarithm of what is t^k e^−t for a known σ².
template <class Moment>
double score_anywhere(double score, Moment log_moment, int M, Extent extent)
{
    const double scale = std::lgamma(M), excess = std::log(M - 0.5) + log_moment(M - 1) - log_moment(M);
    const double line =
        safe_log(extent.delay + extent.offset) + log_moment(M - 0.5) - 0.5 * std::log(M_PI) - scale;
    double log_p = log_sum(-score * M_LN10, line);
    if (excess < 0) {
        const double area =
            safe_log(extent.delay * extent.offset) + log_moment(M) + std::log(-std::expm1(excess));
        log_p = log_sum(log_p, area - std::log(M_PI) - scale);
    }
    return std::max(-log_p / M_LN10, 0.0);
}

inline double score_known_anywhere(double energy, int M, Extent extent)
{
    const double log_t = safe_log(energy);
    const auto moment = [=](double k) { return k * log_t - energy; };
    return score_anywhere(score_known(energy, std::size_t(M)), moment, M, extent);
}

inline double score_unknown_anywhere(double energy, double rest, int M, double dof, Extent extent)
{
    dof = std::max(dof, 1.0);
    const double log_x = safe_log(energy) - safe_log(rest), log_all = log_sum(0, log_x);
    const auto moment = [=](double k) {
        return std::lgamma(dof + k) - std::lgamma(dof) + k * log_x - (dof + k) * log_all;
    };
    return score_anywhere(score_unknown(energy, rest, std::size_t(M), dof), moment, M, extent);
}

} // namespace jadce
