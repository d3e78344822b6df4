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

// The sums of real and of imaginary parts.
inline Complex total(Vec<double> re, Vec<double> im)
{
    typedef long long Index __attribute__((vector_size(vector_bytes)));
#if defined(__AVX512F__)
    const Index even = {0, 8, 2, 10, 4, 12, 6, 14};
#elif defined(__AVX__)
    const Index even = {0, 4, 2, 6};
#else
    const Index even = {0, 2};
#endif
    const Vec<double> pairs = __builtin_shuffle(re, im, even) + __builtin_shuffle(re, im, even + 1);
    Complex result = {pairs[0], pairs[1]};
    for (int i = 2; i < lanes<double>; i += 2) {
        result += Complex{pairs[i], pairs[i + 1]};
    }
    return result;
}

// xᴴy_k of a column and a few others.
template <int count>
inline void inner_few(const double* x, const double* const* y, int plane, Complex* result)
{
    Vec<double> re[count] = {}, im[count] = {};
    for (int l = 0; l < plane; l += lanes<double>) {
        const Vec<double> a = vec(x + l), b = vec(x + plane + l);
        for (int k = 0; k < count; ++k) {
            const Vec<double> c = vec(y[k] + l), d = vec(y[k] + plane + l);
            re[k] += a * c + b * d;
            im[k] += a * d - b * c;
        }
    }
    for (int k = 0; k < count; ++k) {
        result[k] = total(re[k], im[k]);
    }
}

// The same of any number, four at a time: the sums of one would wait for each other.
inline void inner(const double* x, const double* const* y, int count, int plane, Complex* result)
{
    int k = 0;
    for (; k + 4 <= count; k += 4) {
        inner_few<4>(x, y + k, plane, result + k);
    }
    for (; k < count; ++k) {
        inner_few<1>(x, y + k, plane, result + k);
    }
}

// xᴴy of two columns.
inline Complex inner(const double* x, const double* y, int plane)
{
    Complex result;
    inner_few<1>(x, &y, plane, &result);
    return result;
}

// xᴴy
inline SmallMatrix inner(const Columns& x, const Columns& y)
{
    constexpr int most = 8; // at a time
    SmallMatrix result(x.count(), y.count());
    for (int first = 0; first < y.count(); first += most) {
        const double* columns[most];
        const int count = std::min(most, y.count() - first);
        for (int j = 0; j < count; ++j) {
            columns[j] = y.column(first + j);
        }
        for (int i = 0; i < x.count(); ++i) {
            inner(x.column(i), columns, count, x.plane(), &result(i, first));
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
