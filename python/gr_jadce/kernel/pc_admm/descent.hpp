// SPDX-License-Identifier: GPL-3.0-or-later
// Block coordinate descent for the group LASSO on some devices, given their Gram matrix: where PC-ADMM
// may start for large books. Each row in turn becomes the minimiser, the others held; the correlations
// of all rows with the residual follow from the Gram matrix.
#pragma once

#include "arithmetic/simd.hpp"

#include <algorithm>
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
        steps_.resize(std::size_t(block) * 2 * M);
        list.resize(capacity);
    }

    // Sweeps until the rows move by less than a share of their size; pilots have unit norm.
    void run(T lam, int most_sweeps)
    {
        for (int sweep = 0; sweep < most_sweeps; ++sweep) {
            double moved = 0, size = 0;
            for (int first = 0; first < count; first += block) {
                const int rows = std::min(block, count - first);
                for (int b = 0; b < rows; ++b) {
                    update(first, b, lam, moved, size);
                }
                subtract(first, rows);
            }
            if (moved <= 1e-8 * size) {
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
    static constexpr int block = 8; // rows whose steps are subtracted from all correlations at once

    // Row first + b of a block, whose correlations lack the steps of the block's rows before it.
    void update(int first, int b, T lam, double& moved, double& size)
    {
        const int j = first + b, parts = 2 * M_;
        T *value = steps_.data() + b * parts, squares = 0, moves = 0;
        for (int part = 0; part < parts; ++part) {
            const std::ptrdiff_t place = std::ptrdiff_t(part) * stride_ + j;
            value[part] = correlation[place] + rows[place];
        }
        for (int before = 0; before < b; ++before) {
            subtract_one(first + before, j, steps_.data() + before * parts, value);
        }
        for (int part = 0; part < parts; ++part) {
            squares += value[part] * value[part];
        }
        const T norm = std::sqrt(squares), scale = norm > lam ? (norm - lam) / norm : T(0);
        for (int part = 0; part < parts; ++part) {
            T& row = rows[std::ptrdiff_t(part) * stride_ + j];
            const T step = scale * value[part] - row;
            row += step;
            value[part] = step;
            moves += step * step;
        }
        size += double(scale * norm) * double(scale * norm);
        moved += double(moves);
    }

    // value −= what the step of row `from` takes from the correlation of row `to`.
    void subtract_one(int from, int to, const T* step, T* value) const
    {
        const std::ptrdiff_t place = std::ptrdiff_t(from) * stride_ + to;
        const T g = gram_re[place], h = gram_im[place];
        for (int part = 0; part < 2 * M_; part += 2) {
            value[part] -= step[part] * g - step[part + 1] * h;
            value[part + 1] -= step[part + 1] * g + step[part] * h;
        }
    }

    // correlation −= Gram columns of a block × its steps, those that are not zero.
    void subtract(int first, int block_rows)
    {
        const int parts = 2 * M_;
        int moved = 0;
        for (int b = 0; b < block_rows; ++b) {
            const T* step = steps_.data() + b * parts;
            if (std::any_of(step, step + parts, [](T value) { return value != 0; })) {
                std::copy(step, step + parts, steps_.data() + moved * parts);
                columns_[moved++] = first + b;
            }
        }
        int m = 0;
        for (; m + 4 <= M_; m += 4) {
            subtract_from<4>(m, moved);
        }
        for (; m < M_; ++m) {
            subtract_from<1>(m, moved);
        }
    }

    template <int C> // antennas m to m + C − 1
    void subtract_from(int m, int moved)
    {
        T* out = correlation.data() + std::ptrdiff_t(2 * m) * stride_;
        for (int i = 0; i < count; i += lanes<T>) {
            Vec<T> re[C], im[C];
            for (int c = 0; c < C; ++c) {
                re[c] = vec(out + std::ptrdiff_t(2 * c) * stride_ + i);
                im[c] = vec(out + std::ptrdiff_t(2 * c + 1) * stride_ + i);
            }
            for (int b = 0; b < moved; ++b) {
                const std::ptrdiff_t place = std::ptrdiff_t(columns_[b]) * stride_ + i;
                const Vec<T> g = vec(&gram_re[place]), h = vec(&gram_im[place]);
                const T* step = steps_.data() + b * 2 * M_ + 2 * m;
                for (int c = 0; c < C; ++c) {
                    re[c] -= step[2 * c] * g - step[2 * c + 1] * h;
                    im[c] -= step[2 * c + 1] * g + step[2 * c] * h;
                }
            }
            for (int c = 0; c < C; ++c) {
                vec(out + std::ptrdiff_t(2 * c) * stride_ + i) = re[c];
                vec(out + std::ptrdiff_t(2 * c + 1) * stride_ + i) = im[c];
            }
        }
    }

    int stride_ = 0, M_ = 0;
    std::vector<T> steps_; // of the rows of a block
    int columns_[block] = {};
};

} // namespace jadce
