// SPDX-License-Identifier: GPL-3.0-or-later
// s_n = a_nᴴΣ⁻¹a_n = ‖T a_n‖² and q_n = ‖a_nᴴΣ⁻¹Y‖²/M = ‖(T a_n)ᴴ T Y‖²/M of all devices.
#pragma once

#include "covariance/inverse_factor.hpp"

#include <algorithm>

namespace jadce {

class Slopes
{
public:
    Slopes(const PilotPlanes& pilots, int M)
        : pilots_(pilots), M_(M), s_(padded<double>(pilots.N)), q_(padded<double>(pilots.N)),
          whitened_(std::size_t(2 * width) * (pilots.L + InverseFactor::row_group))
    {
    }

    // `filtered` is T Y: row by row the real parts of all antennas, then from `stride` on the imaginary ones.
    void measure(const InverseFactor& factor, const double* filtered, int stride)
    {
        int tile = 0;
        for (; tile + 2 <= pilots_.n_tiles(); tile += 2) {
            measure_tiles<2>(tile, factor, filtered, stride);
        }
        if (tile < pilots_.n_tiles()) {
            measure_tiles<1>(tile, factor, filtered, stride);
        }
    }

    double s(int n) const { return s_[n]; }
    double q(int n) const { return q_[n]; }

private:
    static constexpr int lane_count = lanes<double>, width = 2 * lane_count, rows = InverseFactor::row_group;

    template <int W>
    void measure_tiles(int tile, const InverseFactor& factor, const double* filtered, int stride)
    {
        Vec<double> s[W] = {}, q[W] = {};
        for (int l = 0; l < pilots_.L; l += rows) {
            whiten<W>(l, tile, factor, s);
        }
        int m = 0;
        for (; m + 2 <= M_; m += 2) {
            match<W, 2>(m, filtered, stride, q);
        }
        if (m < M_) {
            match<W, 1>(m, filtered, stride, q);
        }
        for (int w = 0; w < W; ++w) {
            vec(s_.data() + (tile + w) * lane_count) = s[w];
            vec(q_.data() + (tile + w) * lane_count) = q[w] / double(M_);
        }
    }

    // Rows l, l + 1, … of T a for the devices of W tiles; adds their energies to s.
    template <int W>
    void whiten(int l, int tile, const InverseFactor& factor, Vec<double> (&s)[W])
    {
        Vec<double> re[rows][W] = {}, im[rows][W] = {};
        const std::ptrdiff_t tile_size = pilots_.tile_size();
        const int end = std::min(l + rows, pilots_.L), begin = factor.is_diagonal() ? l : 0;
        const double *a = pilots_.tile(tile) + std::ptrdiff_t(2) * lane_count * begin, *t = factor.row(l);
        for (int j = begin; j < end; ++j, a += 2 * lane_count) {
            for (int r = 0; r < rows; ++r) {
                const double* row = t + std::ptrdiff_t(2) * r * factor.stride() + j;
                const double tr = row[0], ti = row[factor.stride()];
                for (int w = 0; w < W; ++w) {
                    const Vec<double> ar = vec(a + w * tile_size), ai = vec(a + w * tile_size + lane_count);
                    re[r][w] += tr * ar;
                    im[r][w] += tr * ai;
                    re[r][w] -= ti * ai;
                    im[r][w] += ti * ar;
                }
            }
        }
        double* place = whitened_.data() + std::ptrdiff_t(2) * width * l;
        for (int r = 0; r < rows; ++r, place += 2 * width) {
            for (int w = 0; w < W; ++w) {
                vec(place + w * lane_count) = re[r][w];
                vec(place + width + w * lane_count) = im[r][w];
                s[w] += re[r][w] * re[r][w] + im[r][w] * im[r][w];
            }
        }
    }

    // Adds the energies of (T a)ᴴ T Y at antennas m, m + 1, … to q.
    template <int W, int C>
    void match(int m, const double* filtered, int stride, Vec<double> (&q)[W])
    {
        Vec<double> re[C][W] = {}, im[C][W] = {};
        const double *u = whitened_.data(), *v = filtered + m;
        for (int l = 0; l < pilots_.L; ++l, u += 2 * width, v += 2 * stride) {
            for (int c = 0; c < C; ++c) {
                const double vr = v[c], vi = v[stride + c];
                for (int w = 0; w < W; ++w) {
                    const Vec<double> ur = vec(u + w * lane_count), ui = vec(u + width + w * lane_count);
                    re[c][w] += vr * ur;
                    im[c][w] += vi * ur;
                    re[c][w] += vi * ui;
                    im[c][w] -= vr * ui;
                }
            }
        }
        for (int c = 0; c < C; ++c) {
            for (int w = 0; w < W; ++w) {
                q[w] += re[c][w] * re[c][w] + im[c][w] * im[c][w];
            }
        }
    }

    const PilotPlanes& pilots_;
    const int M_;
    Array<double> s_, q_, whitened_;
};

} // namespace jadce
