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

    // Becomes its inverse B, and `factor` the lower triangular T with TᴴT = B, whose upper half is not
    // written; of the matrix itself the lower half counts, the other is finite. Returns the logarithm of the
    // determinant.
    //
    // By bordering: with row and column k, B grows by v vᴴ/s, v = (B c, −1), s = d − cᴴ B c, c and d the
    // column.
    void invert(Hermitian& factor)
    {
        factor.resize(size_);
        if (2 * stride_ > border_.size()) {
            border_ = Array<double>(3 * stride_);
        }
        for (std::size_t k = 0; k < size_; ++k) {
            const double pivot = std::max(real(k)[k] - explain_border(k), DBL_MIN);
            factor.take_border(k, border_, 1 / std::sqrt(pivot));
            add_border(k, 1 / pivot);
        }
    }

    // The logarithm of the determinant of TᴴT, of such a factor T.
    double log_determinant_of_product() const
    {
        double sum = 0;
        for (std::size_t k = 0; k < size_; ++k) {
            sum += 2 * std::log(real(k)[k]);
        }
        return sum;
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
    // v = (B c, −1) of row k, the rows before which are B; returns cᴴ B c.
    double explain_border(std::size_t k)
    {
        std::fill_n(border_.data(), 2 * stride_, 0.0);
        std::size_t i = 0;
        for (; i + 2 * lanes<double> <= k; i += 2 * lanes<double>) {
            multiply_border<2>(i, k);
        }
        for (; i < k; i += lanes<double>) {
            multiply_border<1>(i, k);
        }
        Vec<double> explained = {};
        for (i = 0; i < k; i += lanes<double>) {
            explained += vec(real(k) + i) * vec(&border_[i]);
            explained -= vec(imag(k) + i) * vec(&border_[stride_ + i]);
        }
        border_[k] = -1;
        return sum<double>(explained);
    }

    // W vectors of B c, from entry i on; c is the conjugated row k.
    template <int W>
    void multiply_border(std::size_t i, std::size_t k)
    {
        Vec<double> re[W] = {}, im[W] = {}, re_by_im[W] = {}, im_by_re[W] = {};
        for (std::size_t j = 0; j < k; ++j) {
            const double a = real(k)[j], b = imag(k)[j];
            for (int w = 0; w < W; ++w) { // of conj(B_ji) conj(M_kj)
                const Vec<double> p = vec(real(j) + i + w * lanes<double>),
                                  q = vec(imag(j) + i + w * lanes<double>);
                re[w] += a * p;
                re_by_im[w] += b * q;
                im[w] += a * q;
                im_by_re[w] += b * p;
            }
        }
        for (int w = 0; w < W; ++w) {
            vec(&border_[i + w * lanes<double>]) = re[w] - re_by_im[w];
            vec(&border_[stride_ + i + w * lanes<double>]) = -(im[w] + im_by_re[w]);
        }
    }

    // Row k of T.
    void take_border(std::size_t k, const Array<double>& border, double factor)
    {
        const double *re = border.data(), *im = re + stride_;
        for (std::size_t j = 0; j <= k; j += lanes<double>) {
            vec(real(k) + j) = -factor * vec(re + j);
            vec(imag(k) + j) = factor * vec(im + j);
        }
    }

    // v vᴴ times a factor.
    void add_border(std::size_t k, double factor)
    {
        std::fill_n(real(k), 2 * stride_, 0.0);
        std::size_t i = 0;
        for (; i + 1 <= k; i += 2) {
            add_border_to<2>(i, k, factor);
        }
        for (; i <= k; ++i) {
            add_border_to<1>(i, k, factor);
        }
    }

    // R rows, from row i on.
    template <int R>
    void add_border_to(std::size_t i, std::size_t k, double factor)
    {
        const double *v_re = border_.data(), *v_im = v_re + stride_;
        double a[R], b[R];
        for (int r = 0; r < R; ++r) {
            a[r] = factor * v_re[i + r];
            b[r] = factor * v_im[i + r];
        }
        double* row = real(i);
        for (std::size_t j = 0; j <= k; j += lanes<double>) {
            const Vec<double> p = vec(v_re + j), q = vec(v_im + j);
            for (int r = 0; r < R; ++r) {
                double *re = row + 2 * r * stride_ + j, *im = re + stride_;
                Vec<double> x = vec(re), y = vec(im);
                x += a[r] * p;
                y += b[r] * p;
                x += b[r] * q;
                y -= a[r] * q;
                vec(re) = x;
                vec(im) = y;
            }
        }
    }

    void scale(std::size_t k, double factor)
    {
        for (std::size_t j = 0; j < 2 * stride_; j += lanes<double>) {
            vec(real(k) + j) *= factor;
        }
    }

    // Row i less its entry k times row k, from where it may not be zero.
    void eliminate(std::size_t i, std::size_t k)
    {
        double *re = real(i), *im = imag(i);
        const double *pivot_re = real(k), *pivot_im = imag(k), a = re[k], b = im[k];
        for (std::size_t j = 0; j < stride_; j += lanes<double>) {
            const Vec<double> p = vec(pivot_re + j), q = vec(pivot_im + j);
            vec(re + j) -= a * p - b * q;
            vec(im + j) -= a * q + b * p;
        }
    }

    Array<double> values_, border_; // the latter a column in planes
    std::size_t size_ = 0, stride_ = 0;
};

} // namespace jadce
