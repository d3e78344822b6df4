// SPDX-License-Identifier: GPL-3.0-or-later
// A few columns, and products with them. Rows are in the lanes, real and imaginary parts apart.
#pragma once

#include "arithmetic/simd.hpp"
#include "arithmetic/small_matrix.hpp"
#include "detection/hermitian.hpp"

#include <algorithm>
#include <cstddef>
#include <utility>
#include <vector>

namespace jadce {

class Columns
{
public:
    Columns() = default;
    Columns(int L, int most)
        : L_(L), plane_(padded<double>(L)), count_(most), values_(std::size_t(2) * most * std::size_t(plane_))
    {
    }

    void resize(int count) { count_ = count; }

    // Becomes `count` columns of L zeros.
    void shape(int L, int count)
    {
        allot(L, count);
        std::fill_n(values_.data(), std::size_t(2) * std::size_t(count) * std::size_t(plane_), 0.0);
    }

    // Becomes `count` columns of L values, any of which may be anything.
    void allot(int L, int count)
    {
        L_ = L;
        plane_ = padded<double>(L);
        count_ = count;
        const std::size_t size = std::size_t(2) * std::size_t(count) * std::size_t(plane_);
        if (size > values_.size()) {
            values_ = Array<double>(2 * size); // more are to come
        }
    }

    Complex operator()(int l, int i) const { return {column(i)[l], column(i)[plane_ + l]}; }
    void set(int l, int i, Complex value)
    {
        column(i)[l] = value.real();
        column(i)[plane_ + l] = value.imag();
    }
    int rows() const { return L_; }
    int count() const { return count_; }
    int plane() const { return plane_; }
    double* column(int i) { return values_.data() + std::ptrdiff_t(2) * i * plane_; }
    const double* column(int i) const { return values_.data() + std::ptrdiff_t(2) * i * plane_; }

    double energy(int i) const { return along(i, *this); }

    double energy() const
    {
        double energy = 0;
        for (int i = 0; i < count_; ++i) {
            energy += this->energy(i);
        }
        return energy;
    }

    // Re x_iᴴy_i, y_i another's.
    double along(int i, const Columns& y) const
    {
        Vec<double> sums = {};
        for (int l = 0; l < 2 * plane_; l += lanes<double>) {
            sums += vec(column(i) + l) * vec(y.column(i) + l);
        }
        return sum<double>(sums);
    }

    // Becomes Pᴴx, P in rows of planes.
    template <class RowsOfPlanes>
    void become_product(const RowsOfPlanes& P, const Columns& x)
    {
        allot(int(P.size()), x.count());
        const int all = plane_ / lanes<double>, turns = (all + width - 1) / width;
        const int step = turns ? (all + turns - 1) / turns * lanes<double> : 1;
        for (int i = 0; i < count_; ++i) {
            for (int l = 0; l < plane_; l += step) {
                multiply<width>(P, x.L_, x.column(i), x.plane_, column(i), l, std::min(step, plane_ - l));
            }
        }
    }

    // Becomes some rows of others, from one on that begins a vector.
    void copy_rows(const Columns& x, int first, int rows)
    {
        allot(rows, x.count());
        for (int i = 0; i < count_; ++i) {
            std::copy_n(x.column(i) + first, plane_, column(i));
            std::copy_n(x.column(i) + x.plane_ + first, plane_, column(i) + plane_);
        }
    }

    // Keeps the columns before `first`, and those from `last` on after them; has `count` then.
    void resize(int first, int last, int count)
    {
        const std::size_t size = std::size_t(2) * std::size_t(count) * std::size_t(plane_);
        if (size > values_.size()) {
            Array<double> more(2 * size);
            std::copy_n(values_.data(), std::ptrdiff_t(2) * count_ * plane_, more.data());
            values_ = std::move(more);
        }
        std::copy(column(last), column(count_), column(first));
        count_ = count;
    }

    // Keeps the rows before `first`, and those from `last` on after them; has `rows` then, new ones zero.
    void resize_rows(int first, int last, int rows, Columns& work)
    {
        std::swap(*this, work);
        shape(rows, work.count_);
        for (int i = 0; i < 2 * count_; ++i) {
            const double* from = work.values_.data() + std::ptrdiff_t(i) * work.plane_;
            double* to = values_.data() + std::ptrdiff_t(i) * plane_;
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
    static constexpr int width = 3; // vectors at a time

    // (Pᴴx)_l = Σ_j conj(P_jl) x_j of x_j from symbol `first` on, `count` of them.
    template <int vectors, class RowsOfPlanes>
    void multiply(
        const RowsOfPlanes& P, int size, const double* x, int plane, double* y, int first, int count) const
    {
        if (vectors > 1 && count < vectors * lanes<double>) {
            multiply<std::max(vectors - 1, 1)>(P, size, x, plane, y, first, count);
            return;
        }
        Vec<double> re[vectors] = {}, im[vectors] = {}, re_by_im[vectors] = {}, im_by_re[vectors] = {};
        for (int j = 0; j < size; ++j) {
            const double *pr = P.real(std::size_t(j)) + first, *pi = P.imag(std::size_t(j)) + first;
            const double a = x[j], b = x[plane + j];
            for (int v = 0; v < vectors; ++v) {
                const Vec<double> r = vec(pr + v * lanes<double>), i = vec(pi + v * lanes<double>);
                re[v] += a * r;
                re_by_im[v] += b * i;
                im[v] += b * r;
                im_by_re[v] += a * i;
            }
        }
        for (int v = 0; v < vectors; ++v) {
            vec(y + first + v * lanes<double>) = re[v] + re_by_im[v];
            vec(y + plane_ + first + v * lanes<double>) = im[v] - im_by_re[v];
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

// Some rows of columns, conjugated: a row of the result of each column.
inline SmallMatrix conjugate_rows(const Columns& x, const std::vector<int>& rows)
{
    SmallMatrix result(x.count(), int(rows.size()));
    for (int j = 0; j < x.count(); ++j) {
        for (std::size_t i = 0; i < rows.size(); ++i) {
            result(j, int(i)) = std::conj(x(rows[i], j));
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

// A row and its column become zero.
inline void clear(Hermitian& P, std::size_t place)
{
    std::fill_n(P.real(place), 2 * P.stride(), 0.0);
    for (std::size_t i = 0; i < P.size(); ++i) {
        P.real(i)[place] = P.imag(i)[place] = 0;
    }
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
