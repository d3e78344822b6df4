// SPDX-License-Identifier: GPL-3.0-or-later
// The inner products of the pilots.
#pragma once

#include "arithmetic/complex.hpp"
#include "arithmetic/simd.hpp"

#include <cstddef>

namespace jadce {

// The Gram matrix AᴴA (N × N) of a pilot book, its rows in planes of real and imaginary parts, padded.
class Gram
{
public:
    Gram(const Complex* values, std::size_t n_devices)
        : n_devices_(n_devices), stride_(padded<double>(int(n_devices))), values_(2 * n_devices * stride_)
    {
        for (std::size_t m = 0; m < n_devices; ++m) {
            double* row = &values_[2 * m * stride_];
            for (std::size_t n = 0; n < n_devices; ++n) {
                row[n] = values[m * n_devices + n].real();
                row[stride_ + n] = values[m * n_devices + n].imag();
            }
        }
    }

    std::size_t n_devices() const { return n_devices_; }
    std::size_t stride() const { return stride_; }
    Complex at(std::size_t m, std::size_t n) const { return {real(m)[n], imag(m)[n]}; }
    double norm(std::size_t n) const { return real(n)[n]; }
    const double* real(std::size_t m) const { return values_.data() + 2 * m * stride_; }
    const double* imag(std::size_t m) const { return real(m) + stride_; }

private:
    std::size_t n_devices_, stride_;
    Array<double> values_;
};

} // namespace jadce
