// SPDX-License-Identifier: GPL-3.0-or-later
// Pilots that are rows of a Hadamard matrix, by a fast Walsh-Hadamard transform.
#pragma once

#include "pilots/transform.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <type_traits>
#include <vector>

namespace jadce {

// The butterflies within vectors: lane i and lane i ^ bit.
template <class T, int bit>
inline Vec<T> butterfly(Vec<T> v)
{
    using Index = std::conditional_t<sizeof(T) == 4, std::int32_t, std::int64_t>;
    typedef Index Indices __attribute__((vector_size(vector_bytes)));
    Indices other;
    Vec<T> sign;
    for (int i = 0; i < lanes<T>; ++i) {
        other[i] = i ^ bit;
        sign[i] = i & bit ? T(-1) : T(1);
    }
    const Vec<T> sum = __builtin_shuffle(v, other) + sign * v;
    if constexpr (2 * bit < lanes<T>) {
        return butterfly<T, 2 * bit>(sum);
    }
    return sum;
}

// In place; the size is a power of two of at least a vector's.
template <class T>
void walsh_hadamard(T* x, int size)
{
    for (int i = 0; i < size; i += lanes<T>) {
        vec(x + i) = butterfly<T, 1>(vec(x + i));
    }
    int step = lanes<T>;
    for (; 4 * step <= size; step *= 4) { // two stages in one pass
        for (int block = 0; block < size; block += 4 * step) {
            for (int i = block; i < block + step; i += lanes<T>) {
                const Vec<T> a = vec(x + i), b = vec(x + i + step);
                const Vec<T> c = vec(x + i + 2 * step), d = vec(x + i + 3 * step);
                vec(x + i) = (a + b) + (c + d);
                vec(x + i + step) = (a - b) + (c - d);
                vec(x + i + 2 * step) = (a + b) - (c + d);
                vec(x + i + 3 * step) = (a - b) - (c - d);
            }
        }
    }
    if (step < size) {
        for (int i = 0; i < step; i += lanes<T>) {
            const Vec<T> a = vec(x + i), b = vec(x + i + step);
            vec(x + i) = a + b;
            vec(x + i + step) = a - b;
        }
    }
}

template <class T>
class Hadamard : public Transform<T>
{
public:
    explicit Hadamard(const FastBook& book)
        : devices_(book.devices), rows_(book.index.begin(), book.index.end()),
          scale_(T(1 / std::sqrt(double(book.length))))
    {
        for (order_ = lanes<T>; order_ < devices_;) { // a smaller order is its corner
            order_ *= 2;
        }
        products_ = Array<T>(order_);
        for (const int row : rows_) {
            products_[row] = 1;
        }
        walsh_hadamard(products_.data(), order_); // whole numbers
        for (int n = 0; n < order_; ++n) {
            products_[n] /= T(book.length);
        }
    }
    std::size_t scratch() const override { return order_; }

    void forward(
        const T* re, const T* im, const int* list, int count, T* out_re, T* out_im, T* data) const override
    {
        forward_part(re, list, count, out_re, data);
        forward_part(im, list, count, out_im, data);
    }

    void adjoint(const T* re, const T* im, T* out_re, T* out_im, T* data) const override
    {
        adjoint_part(re, out_re, data);
        adjoint_part(im, out_im, data);
    }

    bool has_gram() const override { return true; }

    void gram(const int* list, int count, T* re, T* im, int stride) const override
    {
        for (int j = 0; j < count; ++j, re += stride, im += stride) {
            for (int i = 0; i < count; ++i) {
                re[i] = products_[list[i] ^ list[j]];
                im[i] = 0;
            }
        }
    }

private:
    void forward_part(const T* x, const int* list, int count, T* out, T* data) const
    {
        std::fill(data, data + order_, T(0));
        for (int i = 0; i < count; ++i) {
            const int n = list ? list[i] : i;
            data[n] = x[n];
        }
        walsh_hadamard(data, order_);
        for (std::size_t l = 0; l < rows_.size(); ++l) {
            out[l] = data[rows_[l]] * scale_;
        }
    }

    void adjoint_part(const T* y, T* out, T* data) const
    {
        std::fill(data, data + order_, T(0));
        for (std::size_t l = 0; l < rows_.size(); ++l) {
            data[rows_[l]] = y[l] * scale_;
        }
        walsh_hadamard(data, order_);
        std::copy(data, data + devices_, out);
    }

    const int devices_;
    const std::vector<int> rows_;
    const T scale_;
    int order_;
    Array<T> products_; // a_mᴴ a_n by the exclusive or of m and n
};

} // namespace jadce
