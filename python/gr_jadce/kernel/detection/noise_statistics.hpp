// SPDX-License-Identifier: GPL-3.0-or-later
// What the covariance of the antennas in a frame says of the noise: noise_statistics of noise/covariance.py,
// which gives the equations.
#pragma once

#include "detection/hermitian.hpp"

#include <algorithm>
#include <cfloat>
#include <cmath>
#include <cstddef>
#include <vector>

namespace jadce {

// ψ(x), x > 0, by its asymptotic series.
inline double digamma(double x)
{
    double before = 0;
    for (; x < 10; ++x) {
        before -= 1 / x;
    }
    const double r = 1 / x, s = r * r;
    return before + std::log(x) - r / 2 -
           s * (1.0 / 12 - s * (1.0 / 120 - s * (1.0 / 252 - s * (1.0 / 240 - s / 132))));
}

class NoiseStatistics
{
public:
    explicit NoiseStatistics(std::size_t n_antennas) : M_(n_antennas), scale_(n_antennas) {}

    // Of a covariance (M, M), measured on so many rows, to two numbers.
    void measure(const Complex* covariance, double rows, double* statistics)
    {
        constexpr double min_rows_per_antenna = 2;
        const double M = double(M_);
        statistics[0] = statistics[1] = 0;
        if (M_ == 1 || rows < min_rows_per_antenna * M) {
            return;
        }
        double logs = 0, total = 0, mean_correlated = 0;
        for (std::size_t m = 0; m < M_; ++m) {
            const double power = std::max(covariance[m * M_ + m].real(), DBL_MIN);
            scale_[m] = 1 / std::sqrt(power);
            logs += std::log(power);
            total += power;
            mean_correlated += m ? (M - double(m)) / (rows - double(m)) : 0;
        }
        const double uneven = M * std::log(total / M) - logs;
        const double mean_uneven = M * (digamma(M * rows) - std::log(M) - digamma(rows));
        statistics[0] = M * (M - 1) * std::max(log_ratio(covariance), 0.0) / mean_correlated;
        statistics[1] = (M - 1) * std::max(uneven, 0.0) / mean_uneven;
    }

private:
    // −log det of the correlation matrix.
    double log_ratio(const Complex* covariance)
    {
        constexpr double min_eigenvalue = 1e-9; // what is far from it is no less, what is not counts as that
        correlation_.resize(M_);
        for (std::size_t a = 0; a < M_; ++a) {
            for (std::size_t b = 0; b < M_; ++b) {
                const double scale = scale_[a] * scale_[b];
                correlation_.real(a)[b] = covariance[a * M_ + b].real() * scale;
                correlation_.imag(a)[b] = covariance[a * M_ + b].imag() * scale;
            }
            correlation_.real(a)[a] += min_eigenvalue;
        }
        return -correlation_.log_determinant(min_eigenvalue);
    }

    const std::size_t M_;
    std::vector<double> scale_; // 1/√Ψ_mm
    Hermitian correlation_;
};

} // namespace jadce
