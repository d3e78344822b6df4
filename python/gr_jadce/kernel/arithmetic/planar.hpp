// SPDX-License-Identifier: GPL-3.0-or-later
// Planar arrays: frames from and to their callers' layout, and inner products.
#pragma once

#include "arithmetic/simd.hpp"

#include <algorithm>
#include <cmath>
#include <complex>
#include <numeric>

namespace jadce {

// The power of two that brings the largest real or imaginary part into [1/2, 1); 1 for zeros.
template <class Sample>
double scale_of(const std::complex<Sample>* samples, std::size_t count)
{
    const Sample* values = reinterpret_cast<const Sample*>(samples);
    Sample peak = 0;
    for (std::size_t i = 0; i < 2 * count; ++i) {
        const Sample size = std::abs(values[i]);
        peak = peak < size ? size : peak;
    }
    int exponent = 0;
    std::frexp(double(peak), &exponent);
    return std::ldexp(1.0, std::min(-exponent, 1000));
}

// (rows, M) interleaved → planar, times a factor; only the rows, never the padding.
template <class T, class Sample>
void to_planar(const std::complex<Sample>* in, int rows, int M, double factor, T* out)
{
    const int stride = padded<T>(rows);
    for (int row = 0; row < rows; ++row) {
        for (int m = 0; m < M; ++m) {
            out[std::ptrdiff_t(2 * m) * stride + row] = T(in[row * M + m].real() * factor);
            out[std::ptrdiff_t(2 * m + 1) * stride + row] = T(in[row * M + m].imag() * factor);
        }
    }
}

template <class T, class Sample>
void from_planar(const T* in, int rows, int M, double factor, std::complex<Sample>* out)
{
    const int stride = padded<T>(rows);
    for (int row = 0; row < rows; ++row) {
        for (int m = 0; m < M; ++m) {
            out[std::ptrdiff_t(row) * M + m] = {
                Sample(in[std::ptrdiff_t(2 * m) * stride + row] * factor),
                Sample(in[std::ptrdiff_t(2 * m + 1) * stride + row] * factor)};
        }
    }
}

// The same of the rows listed only; `out` is zero.
template <class T, class Sample>
void some_from_planar(
    const T* in, int rows, const int* list, int count, int M, double factor, std::complex<Sample>* out)
{
    const int stride = padded<T>(rows);
    for (int i = 0; i < count; ++i) {
        const int row = list[i];
        for (int m = 0; m < M; ++m) {
            out[std::ptrdiff_t(row) * M + m] = {
                Sample(in[std::ptrdiff_t(2 * m) * stride + row] * factor),
                Sample(in[std::ptrdiff_t(2 * m + 1) * stride + row] * factor)};
        }
    }
}

// Σ a b over planar arrays, in double whatever they are.
template <class T>
double inner(const T* a, const T* b, std::size_t size)
{
    typedef double Wide __attribute__((vector_size(lanes<T> * sizeof(double))));
    Wide total = {};
    for (std::size_t i = 0; i < size; i += lanes<T>) { // padding is zero
        total += __builtin_convertvector(vec(a + i), Wide) * __builtin_convertvector(vec(b + i), Wide);
    }
    double part[lanes<T>];
    __builtin_memcpy(part, &total, sizeof total);
    return std::accumulate(part, part + lanes<T>, 0.0);
}

} // namespace jadce
