// SPDX-License-Identifier: GPL-3.0-or-later
// Structured pilots as fast transforms: the members of DensePilots, and nothing of size L × N.
#pragma once

#include "pilots/transform.hpp"

#include <algorithm>
#include <memory>

namespace jadce {

template <class T>
class FastPilots
{
public:
    using Scalar = T;
    struct Scratch
    {
        Scratch(const FastPilots& pilots, int /*antennas*/) : data(pilots.transform_->scratch()) {}
        Array<T> data;
    };
    static constexpr bool selects = false;

    explicit FastPilots(const FastBook& book)
        : length(book.length), devices(book.devices), energy(1), largest_norm(1),
          spectrum(padded<T>(book.length)), transform_(make_transform<T>(book))
    {
        std::fill(spectrum.data(), spectrum.data() + length, T(book.bound));
    }

    void rotate(const T* y, int M, T* out, Scratch&) const
    {
        std::copy(y, y + std::ptrdiff_t(2 * M) * padded<T>(length), out);
    }

    void forward(const T* x, const int* list, int count, int M, T* out, Scratch& scratch) const
    {
        const std::ptrdiff_t in_stride = padded<T>(devices), out_stride = padded<T>(length);
        const bool sparse = count < devices / 4;
        for (int m = 0; m < M; ++m, x += 2 * in_stride, out += 2 * out_stride) {
            transform_->forward(x,
                                x + in_stride,
                                sparse ? list : nullptr,
                                sparse ? count : devices,
                                out,
                                out + out_stride,
                                scratch.data.data());
        }
    }

    void adjoint(const T* y, int M, T* out, Scratch& scratch) const
    {
        const std::ptrdiff_t in_stride = padded<T>(length), out_stride = padded<T>(devices);
        for (int m = 0; m < M; ++m, y += 2 * in_stride, out += 2 * out_stride) {
            transform_->adjoint(y, y + in_stride, out, out + out_stride, scratch.data.data());
        }
    }

    void select(const int*, int, Scratch&) const {}
    void forward_selected(const T*, int, const int*, int, int, T*, Scratch&) const {}
    void adjoint_selected(const T*, int, int, T*, Scratch&) const {}

    bool has_gram() const { return transform_->has_gram(); }

    void gram(const int* list, int count, T* re, T* im, int stride) const
    {
        transform_->gram(list, count, re, im, stride);
    }

    const int length, devices;
    const double energy, largest_norm;
    Array<T> spectrum; // padded with zeros

private:
    std::unique_ptr<const Transform<T>> transform_;
};

} // namespace jadce
