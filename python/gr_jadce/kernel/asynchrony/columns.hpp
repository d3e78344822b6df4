// SPDX-License-Identifier: GPL-3.0-or-later
// A few columns, and products with them. Rows are in the lanes, real and imaginary parts apart.
#pragma once

#include "arithmetic/simd.hpp"
#include "arithmetic/small_matrix.hpp"
#include "detection/hermitian.hpp"

#include <algorithm>
#include <cstddef>

namespace jadce {

template <class Real>
class Columns
{
public:
    Columns() = default;
    Columns(int L, int most)
        : L_(L), plane_(padded<Real>(L)), count_(most), values_(std::size_t(2) * most * std::size_t(plane_))
    {
    }

    void resize(int count) { count_ = count; }

    // Becomes `count` columns of L zeros.
    void shape(int L, int count)
    {
        allot(L, count);
        std::fill_n(values_.data(), std::size_t(2) * std::size_t(count) * std::size_t(plane_), Real());
    }

    // Becomes `count` columns of L values, any of which may be anything.
    void allot(int L, int count)
    {
        L_ = L;
        plane_ = padded<Real>(L);
        count_ = count;
        const std::size_t size = std::size_t(2) * std::size_t(count) * std::size_t(plane_);
        if (size > values_.size()) {
            values_ = Array<Real>(2 * size); // more are to come
        }
    }

    Complex operator()(int l, int i) const { return {column(i)[l], column(i)[plane_ + l]}; }
    void set(int l, int i, Complex value)
    {
        column(i)[l] = Real(value.real());
        column(i)[plane_ + l] = Real(value.imag());
    }
    int count() const { return count_; }
    int plane() const { return plane_; }
    Real* column(int i) { return values_.data() + std::ptrdiff_t(2) * i * plane_; }
    const Real* column(int i) const { return values_.data() + std::ptrdiff_t(2) * i * plane_; }

    double energy(int i) const
    {
        Vec<Real> energy = {};
        for (int l = 0; l < 2 * plane_; l += lanes<Real>) {
            energy += vec(column(i) + l) * vec(column(i) + l);
        }
        return double(sum<Real>(energy));
    }

    // Becomes P x, of a Hermitian matrix P.
    void become_product(const Hermitian& P, const Columns& x)
    {
        allot(x.L_, x.count());
        for (int i = 0; i < count_; ++i) {
            for (int l = 0; l < plane_; l += width * lanes<Real>) {
                multiply<width>(P, x.column(i), column(i), l);
            }
        }
    }

    // Keeps the rows before `first`, and those from `last` on after them; has `rows` then, new ones zero.
    void resize_rows(int first, int last, int rows, Columns& work)
    {
        std::swap(*this, work);
        shape(rows, work.count_);
        for (int i = 0; i < 2 * count_; ++i) {
            const Real* from = work.values_.data() + std::ptrdiff_t(i) * work.plane_;
            Real* to = values_.data() + std::ptrdiff_t(i) * plane_;
            std::copy(from + last, from + work.L_, std::copy_n(from, first, to));
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

    void add(Real* y, const Real* x, Complex factor) const
    {
        const Real a = Real(factor.real()), b = Real(factor.imag());
        for (int l = 0; l < plane_; l += lanes<Real>) {
            const Vec<Real> re = vec(x + l), im = vec(x + plane_ + l);
            vec(y + l) += a * re - b * im;
            vec(y + plane_ + l) += a * im + b * re;
        }
    }

private:
    static constexpr int width = 6; // vectors at a time

    // (P x)_l = Σ_j conj(P_jl) x_j, from symbol `first` on.
    template <int vectors>
    void multiply(const Hermitian& P, const Real* x, Real* y, int first) const
    {
        if (vectors > 1 && plane_ < first + vectors * lanes<Real>) {
            multiply<std::max(vectors - 1, 1)>(P, x, y, first);
            return;
        }
        Vec<Real> re[vectors] = {}, im[vectors] = {};
        for (int j = 0; j < L_; ++j) {
            const double *pr = P.real(std::size_t(j)) + first, *pi = P.imag(std::size_t(j)) + first;
            const double a = x[j], b = x[plane_ + j];
            for (int v = 0; v < vectors; ++v) {
                const Vec<Real> r = vec(pr + v * lanes<Real>), i = vec(pi + v * lanes<Real>);
                re[v] += a * r + b * i;
                im[v] += b * r - a * i;
            }
        }
        for (int v = 0; v < vectors; ++v) {
            vec(y + first + v * lanes<Real>) = re[v];
            vec(y + plane_ + first + v * lanes<Real>) = im[v];
        }
    }

    int L_ = 0, plane_ = 0, count_ = 0;
    Array<Real> values_;
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
template <int count, class Real>
inline void inner_few(const Real* x, const Real* const* y, int plane, Complex* result)
{
    Vec<Real> re[count] = {}, im[count] = {};
    for (int l = 0; l < plane; l += lanes<Real>) {
        const Vec<Real> a = vec(x + l), b = vec(x + plane + l);
        for (int k = 0; k < count; ++k) {
            const Vec<Real> c = vec(y[k] + l), d = vec(y[k] + plane + l);
            re[k] += a * c + b * d;
            im[k] += a * d - b * c;
        }
    }
    for (int k = 0; k < count; ++k) {
        result[k] = total(re[k], im[k]);
    }
}

// The same of any number, four at a time: the sums of one would wait for each other.
template <class Real>
inline void inner(const Real* x, const Real* const* y, int count, int plane, Complex* result)
{
    int k = 0;
    for (; k + 4 <= count; k += 4) {
        inner_few<4>(x, y + k, plane, result + k);
    }
    for (; k < count; ++k) {
        inner_few<1>(x, y + k, plane, result + k);
    }
}

// xᴴy
template <class Real>
inline SmallMatrix inner(const Columns<Real>& x, const Columns<Real>& y)
{
    constexpr int most = 8; // at a time
    SmallMatrix result(x.count(), y.count());
    for (int first = 0; first < y.count(); first += most) {
        const Real* columns[most];
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

// Keeps the rows and columns before `first`, and those from `last` on after them; has `size` then, new ones
// zero.
inline void resize(Hermitian& P, int first, int last, int size, Hermitian& work)
{
    std::swap(P, work);
    P.resize(std::size_t(size));
    const int old = int(work.size());
    for (int i = 0; i < size; ++i) {
        double* to = P.real(std::size_t(i));
        std::fill_n(to, 2 * P.stride(), 0.0);
        const int row = i < first ? i : i - first + last;
        if (row < old) {
            const double *re = work.real(std::size_t(row)), *im = work.imag(std::size_t(row));
            std::copy(re + last, re + old, std::copy_n(re, first, to));
            std::copy(im + last, im + old, std::copy_n(im, first, to + P.stride()));
        }
    }
}

// P += x T xᴴ, Hermitian.
inline void add_outer(Hermitian& P, const Columns<double>& x, const SmallMatrix& T, Columns<double>& work)
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
