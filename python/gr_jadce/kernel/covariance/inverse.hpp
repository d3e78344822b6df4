// SPDX-License-Identifier: GPL-3.0-or-later
// Σ⁻¹ and Σ⁻¹Y, changed as single powers change.
#pragma once

#include "covariance/inverse_factor.hpp"

#include <algorithm>

namespace jadce {

class Inverse
{
public:
    Inverse(const PilotPlanes& pilots, int M)
        : pilots_(pilots), M_(M), tiles_(pilots.stride / lane_count), antenna_stride_(padded<double>(M)),
          inverse_(std::size_t(tiles_) * tile_size()), whitened_(std::size_t(2) * pilots.L * antenna_stride_),
          filtered_(std::size_t(2) * pilots.L * antenna_stride_), direction_(std::size_t(2) * pilots.stride),
          along_(std::size_t(2) * antenna_stride_)
    {
    }

    // Of this factor T and frame Y (rows in planes): T Y, Σ⁻¹Y = Tᴴ T Y, and Σ⁻¹ = TᴴT.
    void whiten(const InverseFactor& factor, const double* received)
    {
        clear(whitened_);
        clear(filtered_);
        for (int l = 0; l < pilots_.L; ++l) {
            const double* t = factor.row(l);
            for (int j = factor.is_diagonal() ? l : 0; j <= l; ++j) {
                add(row(whitened_, l), received + row_offset(j), t[j], t[factor.stride() + j]);
            }
            for (int j = factor.is_diagonal() ? l : 0; j <= l; ++j) {
                add(row(filtered_, j), row(whitened_, l), t[j], -t[factor.stride() + j]);
            }
        }
    }

    void square(const InverseFactor& factor)
    {
        clear(inverse_);
        for (int l = 0; l < pilots_.L; ++l) {
            const double* t = factor.row(l);
            const int first = factor.is_diagonal() ? l : 0;
            for (int tile = first / lane_count; tile <= l / lane_count; ++tile) {
                const double* part = t + tile * lane_count;
                add_outer(tile, vec(part), -vec(part + factor.stride()), t, 1, first, l + 1);
            }
        }
    }

    // Σ⁻¹a and aᴴΣ⁻¹Y of a device; returns aᴴΣ⁻¹a.
    double look(int n)
    {
        const double* a = pilots_.column(n);
        for (int tile = 0, left = (tiles_ + 2) / 3; tile < tiles_; --left) {
            const int width = (tiles_ - tile + left - 1) / left; // passes of even width
            width == 3 ? multiply<3>(tile, a) : width == 2 ? multiply<2>(tile, a) : multiply<1>(tile, a);
            tile += width;
        }
        correlate_all(n);
        Vec<double> spread = {};
        for (int l = 0; l < 2 * pilots_.stride; l += lane_count) {
            spread += vec(a + l) * vec(direction_.data() + l);
        }
        return sum<double>(spread);
    }

    // aᴴΣ⁻¹Y of a device.
    void correlate_all(int n)
    {
        for (int m = 0; m < antenna_stride_; m += lane_count) {
            correlate(m, pilots_.column(n));
        }
    }

    // ‖aᴴΣ⁻¹Y‖²/M of the device looked at.
    double match() const { return energy(along_) / M_; }

    // After its power has changed by `step`; `spread` is its aᴴΣ⁻¹a.
    void update(double step, double spread)
    {
        const double weight = -step / (1 + step * spread);
        const double* d = direction_.data();
        for (int tile = 0; tile < tiles_; ++tile) {
            const double* part = d + tile * lane_count;
            add_outer(tile, weight * vec(part), weight * vec(part + pilots_.stride), d, -1, 0, pilots_.L);
        }
        for (int l = 0; l < pilots_.L; ++l) {
            add(row(filtered_, l), along_.data(), weight * d[l], weight * d[pilots_.stride + l]);
        }
    }

    double trace() const
    {
        double trace = 0;
        for (int l = 0; l < pilots_.L; ++l) {
            trace +=
                inverse_[l / lane_count * tile_size() + std::ptrdiff_t(2) * lane_count * l + l % lane_count];
        }
        return trace;
    }

    const double* along() const { return along_.data(); }
    const double* whitened() const { return whitened_.data(); }
    int antenna_stride() const { return antenna_stride_; }
    double filtered_energy() const { return energy(filtered_) / M_; }
    double whitened_energy() const { return energy(whitened_) / M_; }

private:
    static constexpr int lane_count = lanes<double>;

    std::ptrdiff_t tile_size() const { return std::ptrdiff_t(2) * lane_count * pilots_.L; }
    std::ptrdiff_t row_offset(int l) const { return std::ptrdiff_t(2) * l * antenna_stride_; }
    double* row(Array<double>& rows, int l) const { return rows.data() + row_offset(l); }
    static void clear(Array<double>& array) { std::fill(array.data(), array.data() + array.size(), 0.0); }

    // Antennas in the lanes: y += c x.
    void add(double* y, const double* x, double re, double im) const
    {
        for (int m = 0; m < antenna_stride_; m += lane_count) {
            const Vec<double> xr = vec(x + m), xi = vec(x + antenna_stride_ + m);
            vec(y + m) += re * xr - im * xi;
            vec(y + antenna_stride_ + m) += re * xi + im * xr;
        }
    }

    static double energy(const Array<double>& array)
    {
        Vec<double> total = {};
        for (std::size_t i = 0; i < array.size(); i += lane_count) {
            total += vec(array.data() + i) * vec(array.data() + i);
        }
        return sum<double>(total);
    }

    // Columns `begin` … `end` of a tile of rows += x ȳᵀ (sign −1) or x yᵀ.
    void add_outer(int tile, Vec<double> re, Vec<double> im, const double* y, double sign, int begin, int end)
    {
        double* place = inverse_.data() + tile * tile_size() + std::ptrdiff_t(2) * lane_count * begin;
        for (int j = begin; j < end; ++j, place += 2 * lane_count) {
            const double yr = y[j], yi = sign * y[pilots_.stride + j];
            vec(place) += re * yr - im * yi;
            vec(place + lane_count) += re * yi + im * yr;
        }
    }

    template <int W>
    void multiply(int tile, const double* a)
    {
        Vec<double> re[W] = {}, im[W] = {};
        const double* column = inverse_.data() + tile * tile_size();
        for (int j = 0; j < pilots_.L; ++j, column += 2 * lane_count) {
            const double ar = a[j], ai = a[pilots_.stride + j];
            for (int w = 0; w < W; ++w) {
                const double* part = column + w * tile_size();
                re[w] += ar * vec(part);
                im[w] += ar * vec(part + lane_count);
                re[w] -= ai * vec(part + lane_count);
                im[w] += ai * vec(part);
            }
        }
        for (int w = 0; w < W; ++w) {
            vec(direction_.data() + (tile + w) * lane_count) = re[w];
            vec(direction_.data() + pilots_.stride + (tile + w) * lane_count) = im[w];
        }
    }

    // aᴴΣ⁻¹Y at the antennas from m on, in two sums that do not wait for each other.
    void correlate(int m, const double* a)
    {
        Vec<double> re[2] = {}, im[2] = {};
        const double* f = filtered_.data() + m;
        for (int l = 0; l < pilots_.L; ++l, f += 2 * antenna_stride_) {
            const Vec<double> fr = vec(f), fi = vec(f + antenna_stride_);
            const double ar = a[l], ai = a[pilots_.stride + l];
            re[0] += ar * fr;
            im[0] += ar * fi;
            re[1] += ai * fi;
            im[1] -= ai * fr;
        }
        vec(along_.data() + m) = re[0] + re[1];
        vec(along_.data() + antenna_stride_ + m) = im[0] + im[1];
    }

    const PilotPlanes& pilots_;
    const int M_, tiles_, antenna_stride_;
    Array<double> inverse_, whitened_, filtered_, direction_, along_;
};

} // namespace jadce
