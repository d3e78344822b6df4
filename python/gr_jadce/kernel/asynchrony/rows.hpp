// SPDX-License-Identifier: GPL-3.0-or-later
// A frame and columns side by side, row by row: products with columns need no sums across lanes.
#pragma once

#include "arithmetic/simd.hpp"
#include "asynchrony/columns.hpp"

#include <algorithm>
#include <cstddef>
#include <utility>

namespace jadce {

// Real and imaginary parts apart, what is beyond the last column is zero.
class Rows
{
public:
    Rows(int L, int M) : L_(L), first_(padded<double>(M)) { make_room(0); }

    int first() const { return first_; } // of the columns, behind the frame's antennas
    std::size_t size() const { return std::size_t(first_ + count_); }
    const double* real(std::size_t l) const { return values_.data() + 2 * l * std::size_t(stride_); }
    const double* imag(std::size_t l) const { return real(l) + stride_; }

    void load(const Columns& frame)
    {
        for (int m = 0; m < frame.count(); ++m) {
            set_lane(m, frame, m);
        }
    }

    void set(int place, const Columns& x, int column) { set_lane(first_ + place, x, column); }

    // Keeps the columns before `first`, and those from `last` on after them; has `count` then, new ones zero.
    void resize(int first, int last, int count)
    {
        make_room(count);
        if (first < last) {
            for (int l = 0; l < 2 * L_; ++l) {
                double* own = values_.data() + std::ptrdiff_t(l) * stride_ + first_;
                double* end = std::copy(own + last, own + count_, own + first);
                std::fill(end, own + count_, 0.0);
            }
        }
        count_ = count;
    }

private:
    void make_room(int count)
    {
        if (first_ + count <= stride_) {
            return;
        }
        const int stride = padded<double>(2 * (first_ + count));
        Array<double> more(std::size_t(2) * std::size_t(L_) * std::size_t(stride));
        for (int l = 0; l < 2 * L_; ++l) {
            std::copy_n(values_.data() + std::ptrdiff_t(l) * stride_,
                        stride_,
                        more.data() + std::ptrdiff_t(l) * stride);
        }
        values_ = std::move(more);
        stride_ = stride;
    }

    void set_lane(int lane, const Columns& x, int column)
    {
        double* own = values_.data() + lane;
        for (int l = 0; l < L_; ++l, own += 2 * stride_) {
            own[0] = x.column(column)[l];
            own[stride_] = x.column(column)[x.plane() + l];
        }
    }

    const int L_, first_;
    int count_ = 0, stride_ = 0;
    Array<double> values_;
};

} // namespace jadce
