// SPDX-License-Identifier: GPL-3.0-or-later
// A few columns of L symbols, and products with them. Symbols are in the lanes, real and imaginary parts
// apart.
#pragma once

#include "arithmetic/simd.hpp"
#include "asynchrony/small_matrix.hpp"
#include "detection/hermitian.hpp"

#include <algorithm>
#include <cstddef>

namespace jadce {

class Columns
{
public:
    Columns() = default;
    Columns(int L, int most)
        : L_(L), plane_(padded<double>(L)), values_(std::size_t(2) * most * std::size_t(plane_))
    {
    }

    void resize(int count) { count_ = count; }

    // Becomes `count` columns of L zeros.
    void shape(int L, int count)
    {
        L_ = L;
        plane_ = padded<double>(L);
        count_ = count;
        const std::size_t size = std::size_t(2) * std::size_t(count) * std::size_t(plane_);
        if (size > values_.size()) {
            values_ = Array<double>(2 * size); // more are to come
        }
        std::fill_n(values_.data(), size, 0.0);
    }

    Complex operator()(int l, int i) const { return {column(i)[l], column(i)[plane_ + l]}; }
    void set(int l, int i, Complex value)
    {
        column(i)[l] = value.real();
        column(i)[plane_ + l] = value.imag();
    }
    int count() const { return count_; }
    int plane() const { return plane_; }
    double* column(int i) { return values_.data() + std::ptrdiff_t(2) * i * plane_; }
    const double* column(int i) const { return values_.data() + std::ptrdiff_t(2) * i * plane_; }

    // Becomes P x, of a Hermitian matrix P.
    void become_product(const Hermitian& P, const Columns& x)
    {
        shape(x.L_, x.count());
        for (int i = 0; i < count_; ++i) {
            for (int l = 0; l < plane_; l += width * lanes<double>) {
                multiply(P, x.column(i), column(i), l);
            }
        }
    }

    // Adds x T, T a small matrix.
    void add_product(const Columns& x, const SmallMatrix& T)
    {
        for (int j = 0; j < T.columns(); ++j) {
            for (int i = 0; i < T.rows(); ++i) {
                add(column(j), x.column(i), T(i, j));
            }
        }
    }

    void add(double* y, const double* x, Complex factor) const
    {
        const double a = factor.real(), b = factor.imag();
        for (int l = 0; l < plane_; l += lanes<double>) {
            const Vec<double> re = vec(x + l), im = vec(x + plane_ + l);
            vec(y + l) += a * re - b * im;
            vec(y + plane_ + l) += a * im + b * re;
        }
    }

private:
    static constexpr int width = 4; // vectors at a time

    // (P x)_l = Σ_j conj(P_jl) x_j, from symbol `first` on.
    void multiply(const Hermitian& P, const double* x, double* y, int first) const
    {
        const int vectors = std::min(width, (plane_ - first) / lanes<double>);
        Vec<double> re[width] = {}, im[width] = {};
        for (int j = 0; j < L_; ++j) {
            const double *pr = P.real(std::size_t(j)) + first, *pi = P.imag(std::size_t(j)) + first;
            const double a = x[j], b = x[plane_ + j];
            for (int v = 0; v < width; ++v) {
                if (v < vectors) {
                    const Vec<double> r = vec(pr + v * lanes<double>), i = vec(pi + v * lanes<double>);
                    re[v] += a * r + b * i;
                    im[v] += b * r - a * i;
                }
            }
        }
        for (int v = 0; v < vectors; ++v) {
            vec(y + first + v * lanes<double>) = re[v];
            vec(y + plane_ + first + v * lanes<double>) = im[v];
        }
    }

    int L_ = 0, plane_ = 0, count_ = 0;
    Array<double> values_;
};

// xᴴy of two columns.
inline Complex inner(const double* x, const double* y, int plane)
{
    Vec<double> re = {}, im = {};
    for (int l = 0; l < plane; l += lanes<double>) {
        const Vec<double> a = vec(x + l), b = vec(x + plane + l), c = vec(y + l), d = vec(y + plane + l);
        re += a * c + b * d;
        im += a * d - b * c;
    }
    return {sum<double>(re), sum<double>(im)};
}

// xᴴy
inline SmallMatrix inner(const Columns& x, const Columns& y)
{
    SmallMatrix result(x.count(), y.count());
    for (int i = 0; i < x.count(); ++i) {
        for (int j = 0; j < y.count(); ++j) {
            result(i, j) = inner(x.column(i), y.column(j), x.plane());
        }
    }
    return result;
}

// P += x T xᴴ, Hermitian.
inline void add_outer(Hermitian& P, const Columns& x, const SmallMatrix& T, Columns& work)
{
    work.shape(int(P.size()), x.count());
    work.add_product(x, T);
    const int plane = x.plane();
    for (std::size_t l = 0; l < P.size(); ++l) { // row l += Σ_j (xT)_lj conj(x_j)
        for (int j = 0; j < x.count(); ++j) {
            const double a = work.column(j)[l], b = work.column(j)[plane + std::ptrdiff_t(l)];
            const double* own = x.column(j);
            double *re = P.real(l), *im = P.imag(l);
            for (int k = 0; k < plane; k += lanes<double>) {
                const Vec<double> c = vec(own + k), d = vec(own + plane + k);
                vec(re + k) += a * c + b * d;
                vec(im + k) += b * c - a * d;
            }
        }
    }
}

} // namespace jadce
