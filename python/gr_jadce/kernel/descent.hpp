// SPDX-License-Identifier: GPL-3.0-or-later
// Block coordinate descent for the group LASSO on some devices, given their Gram matrix: where PC-ADMM
// may start for large books. Each row in turn becomes the minimiser, the others held; the correlations
// of all rows with the residual follow from the Gram matrix.
#pragma once

#include "simd.hpp"

#include <cmath>
#include <vector>

namespace jadce {

template <class T>
class Descent
{
public:
    // Planar arrays of rows, as elsewhere, but of `capacity` rows at most.
    void resize(int capacity, int M)
    {
        stride_ = padded<T>(capacity);
        if (gram_re.size() != std::size_t(capacity) * stride_) {
            gram_re = Array<T>(std::size_t(capacity) * stride_);
            gram_im = Array<T>(gram_re.size());
        }
        if (correlation.size() != std::size_t(2) * M * stride_) {
            correlation = Array<T>(std::size_t(2) * M * stride_);
            rows = Array<T>(correlation.size());
        }
        M_ = M;
        list.resize(capacity);
    }

    // Sweeps until the rows move by less than a share of their size; pilots have unit norm.
    void run(T lam, int most_sweeps)
    {
        for (int sweep = 0; sweep < most_sweeps; ++sweep) {
            double moved = 0, size = 0;
            for (int j = 0; j < count; ++j) {
                update(j, lam, moved, size);
            }
            if (moved <= 1e-7 * size) {
                return;
            }
        }
    }

    int stride() const { return stride_; }

    int count = 0;
    std::vector<int> list;      // the devices, `count` of them
    Array<T> gram_re, gram_im;  // [j·stride + i]: a_iᴴ a_j
    Array<T> correlation, rows; // a_iᴴ (Y − A X), and X

private:
    void update(int j, T lam, double& moved, double& size)
    {
        const int parts = 2 * M_;
        T squares = 0;
        for (int part = 0; part < parts; ++part) {
            const std::ptrdiff_t place = std::ptrdiff_t(part) * stride_ + j;
            const T value = correlation[place] + rows[place];
            squares += value * value;
        }
        const T norm = std::sqrt(squares);
        const T scale = norm > lam ? (norm - lam) / norm : T(0);
        T moves = 0;
        std::vector<T>& step = step_;
        step.resize(parts);
        for (int part = 0; part < parts; ++part) {
            const std::ptrdiff_t place = std::ptrdiff_t(part) * stride_ + j;
            const T value = scale * (correlation[place] + rows[place]);
            step[part] = value - rows[place];
            rows[place] = value;
            moves += step[part] * step[part];
        }
        size += double(scale * norm) * double(scale * norm);
        if (moves > 0) {
            moved += double(moves);
            subtract(j);
        }
    }

    // correlation −= Gram column j × step.
    void subtract(int j)
    {
        const T* re = gram_re.data() + std::ptrdiff_t(j) * stride_;
        const T* im = gram_im.data() + std::ptrdiff_t(j) * stride_;
        for (int m = 0; m < M_; ++m) {
            T* out_re = correlation.data() + std::ptrdiff_t(2 * m) * stride_;
            T* out_im = out_re + stride_;
            const T a = step_[2 * m], b = step_[2 * m + 1];
            for (int i = 0; i < count; i += lanes<T>) {
                const Vec<T> g = vec(re + i), h = vec(im + i);
                vec(out_re + i) -= a * g - b * h;
                vec(out_im + i) -= b * g + a * h;
            }
        }
    }

    int stride_ = 0, M_ = 0;
    std::vector<T> step_;
};

} // namespace jadce
