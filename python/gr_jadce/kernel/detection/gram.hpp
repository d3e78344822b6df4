// SPDX-License-Identifier: GPL-3.0-or-later
// The inner products of the pilots.
#pragma once

#include "arithmetic/complex.hpp"
#include "arithmetic/simd.hpp"

#include <algorithm>
#include <cfloat>
#include <cstddef>

namespace jadce {

// The Gram matrix AᴴA (N × N) of a pilot book, its rows in planes of real and imaginary parts, padded.
class Gram
{
public:
    Gram(const Complex* values, std::size_t n_devices)
        : n_devices_(n_devices), stride_(padded<double>(int(n_devices))),
          single_stride_(padded<float>(int(n_devices))), norms_(stride_), values_(2 * n_devices * stride_),
          single_(2 * n_devices * single_stride_)
    {
        for (std::size_t n = 0; n < n_devices; ++n) {
            norms_[n] = values[n * n_devices + n].real();
            scale_ = std::max(scale_, norms_[n]);
        }
        for (std::size_t m = 0; m < n_devices; ++m) {
            double* row = &values_[2 * m * stride_];
            float* single = &single_[2 * m * single_stride_];
            for (std::size_t n = 0; n < n_devices; ++n) {
                row[n] = values[m * n_devices + n].real();
                row[stride_ + n] = values[m * n_devices + n].imag();
                single[n] = float(row[n] / scale_);
                single[single_stride_ + n] = float(row[stride_ + n] / scale_);
            }
        }
    }

    std::size_t n_devices() const { return n_devices_; }
    std::size_t stride() const { return stride_; }
    Complex at(std::size_t m, std::size_t n) const { return {real(m)[n], imag(m)[n]}; }
    double norm(std::size_t n) const { return norms_[n]; }
    const double* real(std::size_t m) const { return values_.data() + 2 * m * stride_; }
    const double* imag(std::size_t m) const { return real(m) + stride_; }
    // The same in single precision, over the largest norm, with a stride of its own.
    double scale() const { return scale_; }
    std::size_t single_stride() const { return single_stride_; }
    const float* single(std::size_t m) const { return single_.data() + 2 * m * single_stride_; }

private:
    std::size_t n_devices_, stride_, single_stride_;
    double scale_ = DBL_MIN;
    Array<double> norms_; // the diagonal, side by side
    Array<double> values_;
    Array<float> single_;
};

} // namespace jadce
