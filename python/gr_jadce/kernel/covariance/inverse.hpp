// SPDX-License-Identifier: GPL-3.0-or-later
// Σ⁻¹ and Σ⁻¹Y, changed as single powers change.
//
// Devices are looked at a few at a time, so that one pass over Σ⁻¹ serves them all; each is still looked at
// with the changes of those before it.
#pragma once

#include "covariance/inverse_factor.hpp"

#include <algorithm>

namespace jadce {

class Inverse
{
public:
    static constexpr int block = 4; // devices at a time

    Inverse(const PilotPlanes& pilots, int M)
        : pilots_(pilots), M_(M), tiles_(pilots.stride / lane_count), antenna_stride_(padded<double>(M)),
          inverse_(std::size_t(tiles_) * tile_size()), whitened_(std::size_t(2) * pilots.L * antenna_stride_),
          filtered_(std::size_t(2) * pilots.L * antenna_stride_),
          directions_(std::size_t(2) * block * pilots.stride), along_(std::size_t(2) * antenna_stride_)
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
                add_outer(tile, vec(part), -vec(part + factor.stride()), t, first, l + 1);
            }
        }
    }

    // Σ⁻¹a of up to `block` devices.
    void look(const int* devices, int count)
    {
        devices_ = devices;
        count_ = count;
        n_moved_ = 0;
        switch (count) {
        case 1:
            return multiply_all<1>();
        case 2:
            return multiply_all<2>();
        case 3:
            return multiply_all<3>();
        default:
            return multiply_all<4>();
        }
    }

    // aᴴΣ⁻¹a of the k-th device looked at.
    double spread(int k) const
    {
        const double *a = pilots_.column(devices_[k]), *d = direction(k);
        Vec<double> spread = {};
        for (int l = 0; l < 2 * pilots_.stride; l += lane_count) {
            spread += vec(a + l) * vec(d + l);
        }
        return sum<double>(spread);
    }

    // ‖aᴴΣ⁻¹Y‖²/M of a device.
    double match(int device)
    {
        correlate(device);
        return energy(along_) / M_;
    }

    // aᴴΣ⁻¹Y of a device, to `along`.
    void correlate(int device)
    {
        for (int m = 0; m < antenna_stride_; m += lane_count) {
            correlate(m, pilots_.column(device));
        }
    }

    // After the power of the k-th device has changed by `step`, and `match` was its; Σ⁻¹ follows by `apply`.
    void move(int k, double step, double spread)
    {
        const double weight = -step / (1 + step * spread), *d = direction(k);
        for (int l = 0; l < pilots_.L; ++l) {
            add(row(filtered_, l), along_.data(), weight * d[l], weight * d[pilots_.stride + l]);
        }
        for (int later = k + 1; later < count_; ++later) {
            turn(later, k, weight);
        }
        weights_[n_moved_] = weight;
        moved_[n_moved_++] = k;
    }

    // What has moved since `look`, to Σ⁻¹.
    void apply()
    {
        switch (n_moved_) {
        case 0:
            return;
        case 1:
            return update<1>();
        case 2:
            return update<2>();
        case 3:
            return update<3>();
        default:
            return update<4>();
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

    // tr(Yᴴ Σ⁻¹Y)/M
    double fit(const double* received) const
    {
        Vec<double> total = {};
        for (std::size_t i = 0; i < filtered_.size(); i += lane_count) {
            total += vec(received + i) * vec(filtered_.data() + i);
        }
        return sum<double>(total) / M_;
    }

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

    double* direction(int k) { return directions_.data() + std::ptrdiff_t(2) * k * pilots_.stride; }
    const double* direction(int k) const
    {
        return directions_.data() + std::ptrdiff_t(2) * k * pilots_.stride;
    }

    // Columns `begin` … `end` of a tile of rows += x yᵀ.
    void add_outer(int tile, Vec<double> re, Vec<double> im, const double* y, int begin, int end)
    {
        double* place = inverse_.data() + tile * tile_size() + std::ptrdiff_t(2) * lane_count * begin;
        for (int j = begin; j < end; ++j, place += 2 * lane_count) {
            const double yr = y[j], yi = y[pilots_.stride + j];
            vec(place) += re * yr - im * yi;
            vec(place + lane_count) += re * yi + im * yr;
        }
    }

    template <int C>
    void multiply_all()
    {
        constexpr int most = vector_bytes == 64 ? 2 : 1; // tiles at a time, as far as there are registers
        int tile = 0;
        for (; tile + most <= tiles_; tile += most) {
            multiply<C, most>(tile);
        }
        for (; tile < tiles_; ++tile) {
            multiply<C, 1>(tile);
        }
    }

    // W tiles of Σ⁻¹a for C devices.
    template <int C, int W>
    void multiply(int tile)
    {
        const double* a[C];
        for (int c = 0; c < C; ++c) {
            a[c] = pilots_.column(devices_[c]);
        }
        Vec<double> re[C][W] = {}, im[C][W] = {};
        const double* column = inverse_.data() + tile * tile_size();
        for (int j = 0; j < pilots_.L; ++j, column += 2 * lane_count) {
            for (int w = 0; w < W; ++w) {
                const double* part = column + w * tile_size();
                const Vec<double> pr = vec(part), pi = vec(part + lane_count);
                for (int c = 0; c < C; ++c) {
                    const double ar = a[c][j], ai = a[c][pilots_.stride + j];
                    re[c][w] += ar * pr;
                    im[c][w] += ar * pi;
                    re[c][w] -= ai * pi;
                    im[c][w] += ai * pr;
                }
            }
        }
        for (int c = 0; c < C; ++c) {
            for (int w = 0; w < W; ++w) {
                vec(direction(c) + (tile + w) * lane_count) = re[c][w];
                vec(direction(c) + pilots_.stride + (tile + w) * lane_count) = im[c][w];
            }
        }
    }

    // The Σ⁻¹a of a later device, after that of device k has moved Σ⁻¹: d += weight d_k (d_kᴴ a).
    void turn(int later, int k, double weight)
    {
        const double *d = direction(k), *a = pilots_.column(devices_[later]);
        const int stride = pilots_.stride;
        Vec<double> re = {}, im = {};
        for (int l = 0; l < stride; l += lane_count) {
            const Vec<double> dr = vec(d + l), di = vec(d + stride + l);
            const Vec<double> ar = vec(a + l), ai = vec(a + stride + l);
            re += dr * ar + di * ai;
            im += dr * ai - di * ar;
        }
        const double cr = weight * sum<double>(re), ci = weight * sum<double>(im);
        double* to = direction(later);
        for (int l = 0; l < stride; l += lane_count) {
            const Vec<double> dr = vec(d + l), di = vec(d + stride + l);
            vec(to + l) += cr * dr - ci * di;
            vec(to + stride + l) += cr * di + ci * dr;
        }
    }

    // Σ⁻¹ += Σ_c weight d_c d_cᴴ.
    template <int C>
    void update()
    {
        for (int tile = 0; tile < tiles_; ++tile) {
            const double* d[C];
            Vec<double> re[C], im[C];
            for (int c = 0; c < C; ++c) {
                d[c] = direction(moved_[c]);
                re[c] = weights_[c] * vec(d[c] + tile * lane_count);
                im[c] = weights_[c] * vec(d[c] + pilots_.stride + tile * lane_count);
            }
            double* place = inverse_.data() + tile * tile_size();
            for (int j = 0; j < pilots_.L; ++j, place += 2 * lane_count) {
                Vec<double> pr = vec(place), pi = vec(place + lane_count);
                for (int c = 0; c < C; ++c) {
                    const double dr = d[c][j], di = d[c][pilots_.stride + j];
                    pr += dr * re[c];
                    pi += dr * im[c];
                    pr += di * im[c];
                    pi -= di * re[c];
                }
                vec(place) = pr;
                vec(place + lane_count) = pi;
            }
        }
    }

    // aᴴΣ⁻¹Y at the antennas from m on, in sums that do not wait for each other.
    void correlate(int m, const double* a)
    {
        constexpr int width = 4;
        Vec<double> re[width] = {}, im[width] = {};
        const double* f = filtered_.data() + m;
        int l = 0;
        for (; l + width <= pilots_.L; l += width) {
            for (int i = 0; i < width; ++i, f += 2 * antenna_stride_) {
                add_match(a + l + i, f, re[i], im[i]);
            }
        }
        for (; l < pilots_.L; ++l, f += 2 * antenna_stride_) {
            add_match(a + l, f, re[0], im[0]);
        }
        vec(along_.data() + m) = (re[0] + re[1]) + (re[2] + re[3]);
        vec(along_.data() + antenna_stride_ + m) = (im[0] + im[1]) + (im[2] + im[3]);
    }

    void add_match(const double* a, const double* f, Vec<double>& re, Vec<double>& im) const
    {
        const Vec<double> fr = vec(f), fi = vec(f + antenna_stride_);
        const double ar = a[0], ai = a[pilots_.stride];
        re += ar * fr;
        im += ar * fi;
        re += ai * fi;
        im -= ai * fr;
    }

    const PilotPlanes& pilots_;
    const int M_, tiles_, antenna_stride_;
    Array<double> inverse_, whitened_, filtered_, directions_, along_;
    const int* devices_ = nullptr;
    int count_ = 0, n_moved_ = 0;
    int moved_[block] = {};
    double weights_[block] = {};
};

} // namespace jadce
