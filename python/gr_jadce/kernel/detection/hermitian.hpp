// SPDX-License-Identifier: GPL-3.0-or-later
// Inverses of small Hermitian matrices, a few for each frame: not worth LAPACK, whose threads and rounding
// depend on which one is installed.
#pragma once

#include "arithmetic/complex.hpp"
#include "arithmetic/simd.hpp"

#include <algorithm>
#include <cfloat>
#include <cmath>
#include <cstddef>

namespace jadce {

// A Hermitian matrix, or a factor of one, its rows in planes of real and imaginary parts, padded with zeros.
class Hermitian
{
public:
    void resize(std::size_t size)
    {
        size_ = size;
        stride_ = std::size_t(padded<double>(int(size)));
        if (2 * size_ * stride_ > values_.size()) {
            values_ = Array<double>(3 * size_ * stride_); // a few more are to come
        }
        for (std::size_t i = 0; i < 2 * size_; ++i) {
            std::fill_n(values_.data() + i * stride_ + size_, stride_ - size_, 0.0);
        }
    }

    std::size_t size() const { return size_; }
    double* real(std::size_t i) { return values_.data() + 2 * i * stride_; }
    double* imag(std::size_t i) { return real(i) + stride_; }
    const double* real(std::size_t i) const { return values_.data() + 2 * i * stride_; }
    const double* imag(std::size_t i) const { return real(i) + stride_; }
    std::size_t stride() const { return stride_; } // of a row's real parts

    // Becomes its inverse B, by Gauss and Jordan, and `factor` the lower triangular T with TᴴT = B, whose
    // upper half is not written; returns the logarithm of the determinant.
    double invert(Hermitian& factor)
    {
        double log_determinant = 0;
        factor.resize(size_);
        for (std::size_t k = 0; k < size_; ++k) {
            const double pivot = std::max(real(k)[k], DBL_MIN);
            log_determinant += std::log(pivot);
            factor.take_row(k, *this, 1 / std::sqrt(pivot));
            real(k)[k] = 1;
            imag(k)[k] = 0;
            scale(k, 1 / pivot);
            for (std::size_t i = 0; i < size_; ++i) {
                if (i != k) {
                    eliminate(i, k);
                }
            }
        }
        return log_determinant;
    }

    // The logarithm of its determinant, no pivot of it taken for less than `least`; it is overwritten.
    double log_determinant(double least)
    {
        double sum = 0;
        for (std::size_t k = 0; k < size_; ++k) {
            const double pivot = std::max(real(k)[k], least);
            sum += std::log(pivot);
            scale(k, 1 / pivot);
            for (std::size_t i = k + 1; i < size_; ++i) {
                eliminate(i, k);
            }
        }
        return sum;
    }

private:
    // The row before its pivot: so far only rows below were eliminated from it.
    void take_row(std::size_t k, const Hermitian& from, double factor)
    {
        for (std::size_t j = 0; j < k; ++j) {
            real(k)[j] = factor * from.real(k)[j];
            imag(k)[j] = factor * from.imag(k)[j];
        }
        real(k)[k] = factor;
        imag(k)[k] = 0;
    }

    void scale(std::size_t k, double factor)
    {
        for (std::size_t j = 0; j < 2 * stride_; j += lanes<double>) {
            vec(real(k) + j) *= factor;
        }
    }

    // Row i less its entry k times row k.
    void eliminate(std::size_t i, std::size_t k)
    {
        double *re = real(i), *im = imag(i);
        const double *pivot_re = real(k), *pivot_im = imag(k), a = re[k], b = im[k];
        re[k] = im[k] = 0;
        for (std::size_t j = 0; j < stride_; j += lanes<double>) {
            const Vec<double> p = vec(pivot_re + j), q = vec(pivot_im + j);
            vec(re + j) -= a * p - b * q;
            vec(im + j) -= a * q + b * p;
        }
    }

    Array<double> values_;
    std::size_t size_ = 0, stride_ = 0;
};

} // namespace jadce
