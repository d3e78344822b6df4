// SPDX-License-Identifier: GPL-3.0-or-later
// Scores of devices, −log10 of p-values, accurate far into the tails: log10_p_… of gr_jadce.detection.
#pragma once

#include <algorithm>
#include <cfloat>
#include <cmath>
#include <cstddef>

namespace jadce {

inline double safe_log(double value) { return std::log(std::max(value, DBL_MIN)); }

// log Σ_{j<count} t_j, t_0 = 1, t_j = t_{j-1} ratio(j).
template <typename Ratio>
inline double log_series(std::size_t count, Ratio ratio)
{
    double term = 1, total = 1, log_scale = 0;
    for (size_t j = 1; j < count; ++j) {
        term *= ratio(double(j));
        total += term;
        if (total > 1e250) {
            log_scale += std::log(total);
            term /= total;
            total = 1;
        }
    }
    return log_scale + std::log(total);
}

// −log10 P(Gamma(M, 1) ≥ energy).
inline double score_known(double energy, std::size_t n_antennas)
{
    return (energy - log_series(n_antennas, [=](double k) { return energy / k; })) / M_LN10;
}

// −log10 P(F ≥ (energy/M) / (rest/dof)), F of 2M and 2·dof degrees of freedom.
inline double score_unknown(double energy, double rest, std::size_t n_antennas, double dof)
{
    if (dof <= 0) {
        return 0;
    }
    dof = std::max(dof, 1.0);
    const double both = std::max(energy + rest, DBL_MIN);
    const double y = std::max(energy, DBL_MIN) / both;
    const double total = log_series(n_antennas, [=](double j) { return y * ((dof + j - 1) / j); });
    return -std::min(total + dof * (safe_log(rest) - std::log(both)), 0.0) / M_LN10;
}

} // namespace jadce
