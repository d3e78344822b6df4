// SPDX-License-Identifier: GPL-3.0-or-later
// The likeliest exchanges of one device for another: the compiled form of gr_jadce.solvers.exchanges, which
// gives the equations.
#pragma once

#include "arithmetic/threads.hpp"
#include "covariance/inverse.hpp"
#include "covariance/inverse_factor.hpp"
#include "covariance/pilot_planes.hpp"
#include "covariance/power_descent.hpp"
#include "covariance/slopes.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

namespace jadce {

// One frame's at a time; each thread has one.
class Exchanges
{
public:
    Exchanges(const PilotPlanes& pilots, int M)
        : pilots_(pilots), M_(M), factor_(pilots), inverse_(pilots, M), slopes_(pilots, M), members_(pilots.N)
    {
    }

    void find(int frame, const ExchangeFrames& frames, const ExchangeResults& results)
    {
        power_ = frames.power + std::ptrdiff_t(frame) * pilots_.N;
        allowed_ = frames.allowed + std::ptrdiff_t(frame) * pilots_.N;
        least_ = frames.least;
        count_ = list_where(pilots_.N, members_.data(), [this](int n) { return power_[n] > 0; });
        found_.clear();
        if (count_ > 0) {
            factor_.factor(power_, members_.data(), count_, frames.noise_var[frame]);
            invert_columns(frames.received + std::ptrdiff_t(frame) * pilots_.L * M_);
            measure_members();
            compare_all();
        }
        write(frame * std::ptrdiff_t(frames.count), frames.count, results);
    }

private:
    static constexpr int lane_count = lanes<double>;
    static constexpr double min_share_without = 1e-12;

    struct Exchange
    {
        double gain;
        int leaves, enters;
        double power;
    };

    struct Member
    {
        double weight, loss; // w_k, and what ln p(Y) falls by without it
    };

    int n_columns() const { return count_ + M_; }
    double* column(int i) { return columns_.data() + std::ptrdiff_t(2) * i * pilots_.stride; }
    double* product(int i) { return products_.data() + std::ptrdiff_t(2) * i * lane_count; }

    // Σ⁻¹ [A_S, Y], column by column in planes, and s of all devices.
    void invert_columns(const Complex* received)
    {
        const int stride = pilots_.stride, antennas = inverse_.antenna_stride();
        columns_ = Array<double>(std::size_t(2) * n_columns() * stride);
        products_ = Array<double>(std::size_t(2) * n_columns() * lane_count);
        received_ = Array<double>(std::size_t(2) * pilots_.L * antennas);
        for (int l = 0; l < pilots_.L; ++l) {
            for (int m = 0; m < M_; ++m) {
                column(count_ + m)[l] = received_[2 * l * antennas + m] = received[l * M_ + m].real();
                column(count_ + m)[stride + l] = received_[(2 * l + 1) * antennas + m] =
                    received[l * M_ + m].imag();
            }
        }
        for (int k = 0; k < count_; ++k) {
            std::copy_n(pilots_.column(members_[k]), 2 * stride, column(k));
        }
        for (int i = 0; i < n_columns(); ++i) {
            invert(factor_, column(i));
        }
        inverse_.whiten(factor_, received_.data());
        slopes_.measure(factor_, inverse_.whitened(), antennas);
    }

    // x becomes Tᴴ T x.
    void invert(const InverseFactor& factor, double* x)
    {
        const int stride = pilots_.stride;
        solution_ = Array<double>(std::size_t(2) * stride);
        for (int l = 0; l < pilots_.L; ++l) {
            const double* t = factor.row(l);
            Vec<double> re = {}, im = {};
            for (int j = 0; j <= l; j += lane_count) {
                const Vec<double> tr = vec(t + j), ti = vec(t + stride + j);
                const Vec<double> xr = vec(x + j), xi = vec(x + stride + j);
                re += tr * xr - ti * xi;
                im += tr * xi + ti * xr;
            }
            const double yr = sum<double>(re), yi = sum<double>(im);
            for (int j = 0; j <= l; j += lane_count) {
                const Vec<double> tr = vec(t + j), ti = vec(t + stride + j);
                vec(&solution_[j]) += tr * yr + ti * yi;
                vec(&solution_[stride + j]) += tr * yi - ti * yr;
            }
        }
        std::copy_n(solution_.data(), 2 * stride, x);
    }

    // Σ⁻¹Y correlated with the members' pilots, and what each of them is worth.
    void measure_members()
    {
        worth_.resize(count_);
        along_.resize(std::size_t(count_) * M_);
        for (int k = 0; k < count_; ++k) {
            const int n = members_[k];
            double energy = 0;
            for (int m = 0; m < M_; ++m) {
                along_[k * M_ + m] = dot(pilots_.column(n), column(count_ + m));
                energy += energy_of(along_[k * M_ + m]);
            }
            const double without = std::max(1 - power_[n] * slopes_.s(n), min_share_without);
            const double weight = power_[n] / without, part = 1 + weight * slopes_.s(n);
            const double x = power_[n] * slopes_.s(n) * part, match = energy * part * part / M_;
            worth_[k] = {weight, power_[n] * match / (1 + x) - std::log1p(x)};
        }
    }

    Complex dot(const double* a, const double* x) const
    {
        const int stride = pilots_.stride;
        Vec<double> re = {}, im = {};
        for (int l = 0; l < stride; l += lane_count) {
            const Vec<double> ar = vec(a + l), ai = vec(a + stride + l);
            const Vec<double> xr = vec(x + l), xi = vec(x + stride + l);
            re += ar * xr + ai * xi;
            im += ar * xi - ai * xr;
        }
        return {sum<double>(re), sum<double>(im)};
    }

    // Products with the pilots of a tile of devices, of all columns.
    void correlate(int tile)
    {
        constexpr int width = 4;
        int i = 0;
        for (; i + width <= n_columns(); i += width) {
            correlate_columns<width>(tile, i);
        }
        for (; i < n_columns(); ++i) {
            correlate_columns<1>(tile, i);
        }
    }

    template <int W>
    void correlate_columns(int tile, int i)
    {
        const double *a = pilots_.tile(tile), *x[W];
        Vec<double> re[W] = {}, im[W] = {};
        for (int w = 0; w < W; ++w) {
            x[w] = column(i + w);
        }
        for (int l = 0; l < pilots_.L; ++l, a += 2 * lane_count) {
            const Vec<double> ar = vec(a), ai = vec(a + lane_count);
            for (int w = 0; w < W; ++w) {
                const double xr = x[w][l], xi = x[w][pilots_.stride + l];
                re[w] += xr * ar;
                im[w] += xi * ar;
                re[w] += xi * ai;
                im[w] -= xr * ai;
            }
        }
        for (int w = 0; w < W; ++w) {
            vec(product(i + w)) = re[w];
            vec(product(i + w) + lane_count) = im[w];
        }
    }

    void compare_all()
    {
        for (int tile = 0; tile < pilots_.n_tiles(); ++tile) {
            correlate(tile);
            for (int k = 0; k < count_; ++k) {
                compare(tile, k);
            }
        }
    }

    // A tile of devices in place of member k.
    void compare(int tile, int k)
    {
        const Vec<double> between_re = vec(product(k)), between_im = vec(product(k) + lane_count);
        Vec<double> s, q = {};
        for (int lane = 0; lane < lane_count; ++lane) {
            s[lane] = slopes_.s(tile * lane_count + lane);
        }
        s += worth_[k].weight * (between_re * between_re + between_im * between_im);
        for (int m = 0; m < M_; ++m) {
            const Complex along = worth_[k].weight * along_[k * M_ + m];
            const double* own = product(count_ + m);
            const Vec<double> re = vec(own) + along.real() * between_re - along.imag() * between_im;
            const Vec<double> im =
                vec(own + lane_count) + along.real() * between_im + along.imag() * between_re;
            q += re * re + im * im;
        }
        q /= double(M_);
        const double needed = worth_[k].loss + least_ / M_;
        for (int lane = 0; lane < lane_count; ++lane) {
            const double excess = q[lane] / s[lane] - 1;
            if (excess > 0 && std::min(excess, excess * excess / 2) > needed) { // ≥ r − 1 − ln r
                add(k, tile * lane_count + lane, s[lane], q[lane]);
            }
        }
    }

    void add(int k, int n, double s, double q)
    {
        if (n < pilots_.N && allowed_[n] && power_[n] == 0) {
            const double ratio = q / s;
            const double gain = M_ * (ratio - 1 - std::log(ratio) - worth_[k].loss);
            if (gain > least_) {
                found_.push_back({gain, members_[k], n, (q - s) / (s * s)});
            }
        }
    }

    void write(std::ptrdiff_t place, int count, const ExchangeResults& results)
    {
        const std::size_t kept = std::min(found_.size(), std::size_t(count));
        std::partial_sort(
            found_.begin(), found_.begin() + kept, found_.end(), [](const Exchange& a, const Exchange& b) {
                return a.gain != b.gain       ? a.gain > b.gain
                       : a.leaves != b.leaves ? a.leaves < b.leaves
                                              : a.enters < b.enters;
            });
        found_.resize(kept);
        found_.resize(count, {-std::numeric_limits<double>::infinity(), 0, 0, 0});
        for (const Exchange& exchange : found_) {
            results.gain[place] = exchange.gain;
            results.leaves[place] = exchange.leaves;
            results.enters[place] = exchange.enters;
            results.power[place++] = exchange.power;
        }
    }

    const PilotPlanes& pilots_;
    const int M_;
    InverseFactor factor_;
    Inverse inverse_;
    Slopes slopes_;
    std::vector<int> members_;
    Array<double> columns_, products_, received_, solution_;
    std::vector<Member> worth_;
    std::vector<Complex> along_;
    std::vector<Exchange> found_;
    const double* power_ = nullptr;
    const bool* allowed_ = nullptr;
    double least_ = 0;
    int count_ = 0;
};

inline void exchange_all(const PilotPlanes& pilots,
                         const ExchangeFrames& frames,
                         int threads,
                         const ExchangeResults& results)
{
    for_each_frame(
        frames.B,
        threads,
        [&] { return Exchanges(pilots, frames.M); },
        [&](int frame, Exchanges& exchanges) { exchanges.find(frame, frames, results); });
}

} // namespace jadce
