// SPDX-License-Identifier: GPL-3.0-or-later
// LMMSE channels on a decided support. The systems are small, and solved once a frame: not worth LAPACK,
// whose threads and rounding depend on which one is installed.
#pragma once

#include "detection/support_fit.hpp"

#include <algorithm>
#include <cfloat>
#include <cmath>
#include <vector>

namespace jadce {

class Refit
{
public:
    explicit Refit(const SupportFit& fit) : fit_(fit) {}

    // All devices are given the same mean power, estimated from the frame. Returns the energy of the signal
    // that the channels explain.
    double solve(double noise_var)
    {
        noise_ratio_ = noise_ratio(noise_var);
        fill();
        factorise();
        for (std::size_t m = 0; m < fit_.n_antennas; ++m) {
            substitute(m);
        }
        return explained();
    }

    const Complex* row(std::size_t k) const { return &rows_[k * fit_.n_antennas]; }

private:
    // σ² over the mean power of a device.
    double noise_ratio(double noise_var) const
    {
        const std::size_t K = fit_.size(), M = fit_.n_antennas;
        double power = 0;
        for (std::size_t k = 0; k < K; ++k) {
            power += energy_of(fit_.channel(k), M) / double(M) - fit_.variance(k) * noise_var;
        }
        power /= double(std::max<std::size_t>(K, 1));
        return noise_var / std::max(power, 1e-3 * noise_var + DBL_MIN);
    }

    // What the regular matrix has on its diagonal besides the Gram matrix.
    double added(std::size_t k) const { return ridge * fit_.gram.norm(fit_.members[k]) + noise_ratio_; }

    // The lower half of the regular matrix, and the correlations as its right-hand sides.
    void fill()
    {
        const std::size_t K = fit_.size(), M = fit_.n_antennas;
        regular_.resize(K * K);
        rows_.resize(K * M);
        for (std::size_t i = 0; i < K; ++i) {
            for (std::size_t k = 0; k <= i; ++k) {
                regular_[i * K + k] = fit_.gram.at(fit_.members[i], fit_.members[k]);
            }
            regular_[i * K + i] += added(i);
            for (std::size_t m = 0; m < M; ++m) {
                rows_[i * M + m] = fit_.correlation(fit_.members[i], m);
            }
        }
    }

    // Cholesky factorisation in place.
    void factorise()
    {
        const std::size_t K = fit_.size();
        for (std::size_t j = 0; j < K; ++j) {
            double pivot = regular_[j * K + j].real();
            for (std::size_t k = 0; k < j; ++k) {
                pivot -= energy_of(regular_[j * K + k]);
            }
            pivot = std::sqrt(std::max(pivot, DBL_MIN));
            regular_[j * K + j] = pivot;
            for (std::size_t i = j + 1; i < K; ++i) {
                Complex sum = regular_[i * K + j];
                for (std::size_t k = 0; k < j; ++k) {
                    sum -= times(regular_[i * K + k], std::conj(regular_[j * K + k]));
                }
                regular_[i * K + j] = sum / pivot;
            }
        }
    }

    // Solves for the rows of antenna m, forward and back.
    void substitute(std::size_t m)
    {
        const std::size_t K = fit_.size(), M = fit_.n_antennas;
        for (std::size_t i = 0; i < K; ++i) {
            Complex sum = rows_[i * M + m];
            for (std::size_t k = 0; k < i; ++k) {
                sum -= times(regular_[i * K + k], rows_[k * M + m]);
            }
            rows_[i * M + m] = sum / regular_[i * K + i].real();
        }
        for (std::size_t i = K; i-- > 0;) {
            Complex sum = rows_[i * M + m];
            for (std::size_t k = i + 1; k < K; ++k) {
                sum -= times(std::conj(regular_[k * K + i]), rows_[k * M + m]);
            }
            rows_[i * M + m] = sum / regular_[i * K + i].real();
        }
    }

    // xᴴGx of the rows x, for which (G + D)x is the correlation.
    double explained() const
    {
        const std::size_t M = fit_.n_antennas;
        double signal = 0;
        for (std::size_t k = 0; k < fit_.size(); ++k) {
            for (std::size_t m = 0; m < M; ++m) {
                signal += times(std::conj(row(k)[m]), fit_.correlation(fit_.members[k], m)).real();
            }
            signal -= added(k) * energy_of(row(k), M);
        }
        return signal;
    }

    const SupportFit& fit_;
    std::vector<Complex> regular_, rows_;
    double noise_ratio_ = 0;
};

} // namespace jadce
