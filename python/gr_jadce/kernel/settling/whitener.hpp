// SPDX-License-Identifier: GPL-3.0-or-later
// What whitens the antennas of a frame: Whitener of detection/noise/covariance.py, compiled.
#pragma once

#include "arithmetic/small_matrix.hpp"

#include <algorithm>
#include <cfloat>
#include <cmath>
#include <complex>
#include <cstddef>

namespace jadce {

class Whitener
{
public:
    explicit Whitener(std::size_t n_antennas) : M_(int(n_antennas)), factor_(M_, M_), inverse_(M_, M_) {}

    // By the covariance of the noise, but for a factor that makes its mean power 1.
    void take(const SmallMatrix& covariance)
    {
        double mean = 0;
        for (int m = 0; m < M_; ++m) {
            mean += covariance(m, m).real() / M_;
        }
        mean = std::max(mean, DBL_MIN);
        for (int a = 0; a < M_; ++a) {
            for (int b = 0; b <= a; ++b) {
                take_entry(a, b, covariance, mean);
            }
        }
        for (int a = 0; a < M_; ++a) {
            const double level = level_of(covariance, a, mean);
            for (int b = 0; b <= a; ++b) {
                factor_(a, b) *= level;
            }
            invert_row(a);
        }
    }

    // A frame with white noise.
    template <class Sample>
    void whiten(const std::complex<Sample>* frame, std::size_t length, std::complex<Sample>* whitened) const
    {
        for (std::size_t l = 0; l < length; ++l, frame += M_, whitened += M_) {
            for (int a = 0; a < M_; ++a) {
                Complex sum = 0;
                for (int b = 0; b <= a; ++b) {
                    sum += times(Complex(frame[b]), std::conj(inverse_(a, b)));
                }
                whitened[a] = std::complex<Sample>(sum);
            }
        }
    }

    // The covariance at the antennas of one that was measured in a whitened frame.
    SmallMatrix restored(const SmallMatrix& covariance) const
    {
        SmallMatrix adjoint(M_, M_);
        for (int a = 0; a < M_; ++a) {
            for (int b = 0; b <= a; ++b) {
                adjoint(b, a) = std::conj(factor_(a, b));
            }
        }
        return product(product(factor_, covariance), adjoint);
    }

    // The logarithm of the determinant of what the frame is whitened by.
    double log_determinant() const
    {
        double sum = 0;
        for (int m = 0; m < M_; ++m) {
            sum += 2 * std::log(factor_(m, m).real());
        }
        return sum;
    }

private:
    double level_of(const SmallMatrix& covariance, int m, double mean) const
    {
        constexpr double min_variance = 1e-15; // of an antenna, over the mean of all
        return std::sqrt(std::max(covariance(m, m).real() / mean, min_variance));
    }

    // Of Cholesky's factor of the correlation matrix, its earlier rows and entries done.
    void take_entry(int a, int b, const SmallMatrix& covariance, double mean)
    {
        constexpr double min_eigenvalue = 1e-9;
        const double scale = mean * level_of(covariance, a, mean) * level_of(covariance, b, mean);
        Complex left = covariance(a, b) / scale;
        for (int j = 0; j < b; ++j) {
            left -= times(factor_(a, j), std::conj(factor_(b, j)));
        }
        if (a == b) {
            factor_(a, a) = std::sqrt(std::max(left.real() + min_eigenvalue, min_eigenvalue));
        } else {
            factor_(a, b) = left / factor_(b, b).real();
        }
    }

    void invert_row(int a)
    {
        const double pivot = factor_(a, a).real();
        for (int b = 0; b < a; ++b) {
            Complex sum = 0;
            for (int j = b; j < a; ++j) {
                sum += times(factor_(a, j), inverse_(j, b));
            }
            inverse_(a, b) = -sum / pivot;
        }
        inverse_(a, a) = 1 / pivot;
    }

    int M_;
    SmallMatrix factor_, inverse_; // lower triangular
};

} // namespace jadce
