// SPDX-License-Identifier: GPL-3.0-or-later
// Vectors of the width that the kernel is compiled for, and aligned arrays of them.
//
// By GCC's vector extensions: the same source gives AVX-512, AVX, SSE or NEON code. Not by xsimd, which
// would be one more dependency for what takes a hundred lines here.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdlib>
#include <limits>
#include <memory>
#include <new>
#if defined(__AVX512F__)
#include <immintrin.h>
#endif

#ifdef JADCE_BINDINGS
#error                                                                                                       \
    "the bindings are compiled once, for all instruction sets: nothing that they include may know of vectors"
#endif

namespace jadce {

#if defined(__AVX512F__)
constexpr std::size_t vector_bytes = 64;
#elif defined(__AVX__)
constexpr std::size_t vector_bytes = 32;
#else
constexpr std::size_t vector_bytes = 16;
#endif

template <class T>
constexpr int lanes = vector_bytes / sizeof(T);

template <class T>
struct VectorOf
{
    typedef T type __attribute__((vector_size(vector_bytes), may_alias));
};

template <class T>
using Vec = typename VectorOf<T>::type;

template <class T>
inline Vec<T>& vec(T* address)
{
    return *reinterpret_cast<Vec<T>*>(address);
}

template <class T>
inline const Vec<T>& vec(const T* address)
{
    return *reinterpret_cast<const Vec<T>*>(address);
}

template <class T>
inline T sum(Vec<T> v)
{
    T half[lanes<T>];
    __builtin_memcpy(half, &v, sizeof v);
    for (int width = lanes<T> / 2; width; width /= 2) {
        for (int i = 0; i < width; ++i) {
            half[i] += half[i + width];
        }
    }
    return half[0];
}

#if defined(__AVX__)
// Per 128 bits, where shuffles are fast: a0 + a1, a2 + a3, b0 + b1, b2 + b3.
inline Vec<float> sum_pairs(Vec<float> a, Vec<float> b)
{
#if defined(__AVX512F__)
    typedef int Index __attribute__((vector_size(64)));
    const Index even = {0, 2, 16, 18, 4, 6, 20, 22, 8, 10, 24, 26, 12, 14, 28, 30};
#else
    typedef int Index __attribute__((vector_size(32)));
    const Index even = {0, 2, 8, 10, 4, 6, 12, 14};
#endif
    return __builtin_shuffle(a, b, even) + __builtin_shuffle(a, b, even + 1);
}
#endif

// 1/√x of every lane, to the precision of T; large for zero.
template <class T>
inline Vec<T> inverse_root(Vec<T> x)
{
    x += std::numeric_limits<T>::min();
#if defined(__AVX512F__)
    if constexpr (sizeof(T) == sizeof(float)) { // by one step of Newton's, faster than division
        const Vec<T> y = Vec<T>(_mm512_maskz_rsqrt14_ps(0xffff, __m512(x)));
        return y * (T(1.5) - T(0.5) * x * y * y);
    }
#endif
    T parts[lanes<T>];
    __builtin_memcpy(parts, &x, sizeof x);
    for (T& part : parts) {
        part = 1 / std::sqrt(part);
    }
    __builtin_memcpy(&x, parts, sizeof x);
    return x;
}

// The sums of four vectors, to four neighbours.
template <class T>
inline void sums(Vec<T> a, Vec<T> b, Vec<T> c, Vec<T> d, T* place)
{
#if defined(__AVX__)
    if constexpr (sizeof(T) == sizeof(float)) {
        const Vec<T> all = sum_pairs(sum_pairs(a, b), sum_pairs(c, d));
        auto total = __builtin_shufflevector(all, all, 0, 1, 2, 3);
        total += __builtin_shufflevector(all, all, 4, 5, 6, 7);
#if defined(__AVX512F__)
        total += __builtin_shufflevector(all, all, 8, 9, 10, 11);
        total += __builtin_shufflevector(all, all, 12, 13, 14, 15);
#endif
        __builtin_memcpy(place, &total, sizeof total);
        return;
    }
#endif
    place[0] = sum<T>(a);
    place[1] = sum<T>(b);
    place[2] = sum<T>(c);
    place[3] = sum<T>(d);
}

// `count` rounded up to whole vectors.
template <class T>
constexpr int padded(int count)
{
    return (count + lanes<T> - 1) / lanes<T> * lanes<T>;
}

// The numbers below `count` of which `keep` is true, to `list`; returns how many.
template <class Keep>
inline int list_where(int count, int* list, Keep keep)
{
    int found = 0;
    for (int n = 0; n < count; ++n) { // without branches
        list[found] = n;
        found += keep(n);
    }
    return found;
}

// An array of zeros at a vector's alignment.
template <class T>
class Array
{
public:
    Array() = default;
    explicit Array(std::size_t size)
        : size_(size), data_(static_cast<T*>(
                           ::operator new(size * sizeof(T) + vector_bytes, std::align_val_t(vector_bytes))))
    {
        for (std::size_t i = 0; i < size; ++i) {
            data_[i] = T();
        }
    }
    T* data() { return data_.get(); }
    const T* data() const { return data_.get(); }
    std::size_t size() const { return size_; }
    T& operator[](std::size_t i) { return data_[i]; }
    const T& operator[](std::size_t i) const { return data_[i]; }

private:
    struct Free
    {
        void operator()(T* data) const { ::operator delete(data, std::align_val_t(vector_bytes)); }
    };
    std::size_t size_ = 0;
    std::unique_ptr<T[], Free> data_;
};

} // namespace jadce
