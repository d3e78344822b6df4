// SPDX-License-Identifier: GPL-3.0-or-later
// What a support leaves of every device's pilot, and of the frame in its direction.
#pragma once

#include "detection/gram.hpp"

#include <algorithm>
#include <vector>

namespace jadce {

constexpr double independent = 1e-6; // least share of a pilot's energy off the span of the others

// Directions u_i = Σ_k conj(factor_ik) a_k, sums of members, and steps (i, m) = u_iᴴ Y. One direction is of
// all members; of several the i-th is of the first i + 1.
struct Directions
{
    const std::vector<std::size_t>& members;
    const Complex* factors; // rows as long as there are members
    std::size_t count;
    const Complex* steps;

    const Complex* factors_of(std::size_t i) const { return factors + i * members.size(); }
    std::size_t members_of(std::size_t i) const { return count == 1 ? members.size() : i + 1; }
};

class OffSupport
{
public:
    OffSupport(const Gram& gram, std::size_t n_antennas, std::size_t most)
        : gram_(gram), n_antennas_(n_antennas), share_(gram.stride()), left_(2 * n_antennas * gram.stride()),
          rows_(2 * most * 4 * lanes<double>)
    {
    }

    // Of no support: correlations in planes, as long as a row of the Gram matrix.
    void start(const double* correlation)
    {
        for (std::size_t n = 0; n < gram_.n_devices(); ++n) {
            share_[n] = gram_.norm(n);
        }
        std::copy_n(correlation, left_.size(), left_.data());
    }

    // a_nᴴ P a_n.
    double share(std::size_t n) const { return share_[n]; }

    // Takes directions off (weight < 0), or puts one back (weight > 0).
    void project(const Directions& directions, double weight)
    {
        const std::size_t stride = gram_.stride();
        std::size_t n = 0;
        for (; n + 4 * lanes<double> <= stride; n += 4 * lanes<double>) {
            project_part<4>(n, directions, weight);
        }
        for (; n < stride; n += lanes<double>) {
            project_part<1>(n, directions, weight);
        }
    }

    // The energy of the frame along what is left of each pilot; 0 where that is next to nothing.
    void statistics(double* t) const
    {
        const std::size_t N = gram_.n_devices();
        std::fill(t, t + N, 0.0);
        for (std::size_t m = 0; m < n_antennas_; ++m) {
            const double *re = left(m), *im = re + gram_.stride();
            for (std::size_t n = 0; n < N; ++n) {
                t[n] += re[n] * re[n] + im[n] * im[n];
            }
        }
        for (std::size_t n = 0; n < N; ++n) {
            t[n] = share_[n] > independent * gram_.norm(n) ? t[n] / share_[n] : 0;
        }
    }

private:
    double* left(std::size_t m) { return &left_[2 * m * gram_.stride()]; }
    const double* left(std::size_t m) const { return &left_[2 * m * gram_.stride()]; }

    // W vectors of devices, from device n on.
    template <int W>
    void project_part(std::size_t n, const Directions& directions, double weight)
    {
        for (std::size_t i = 0; i < directions.count; ++i) {
            add_members<W>(n, directions, i);
        }
        for (int w = 0; w < W; ++w) {
            Vec<double>& share = vec(&share_[n + w * lanes<double>]);
            for (std::size_t i = 0; i < directions.count; ++i) {
                const Vec<double> re = row<W>(2 * i, w), im = row<W>(2 * i + 1, w);
                share += weight * (re * re + im * im);
            }
        }
        for (std::size_t m = 0; m < n_antennas_; ++m) {
            for (int w = 0; w < W; ++w) {
                project_antenna<W>(n, m, w, directions, weight);
            }
        }
    }

    template <int W>
    void project_antenna(std::size_t n, std::size_t m, int w, const Directions& directions, double weight)
    {
        double* place = left(m) + n + w * lanes<double>;
        Vec<double> left_re = vec(place), left_im = vec(place + gram_.stride());
        for (std::size_t i = 0; i < directions.count; ++i) {
            const Complex step = weight * directions.steps[i * n_antennas_ + m];
            const Vec<double> re = row<W>(2 * i, w), im = row<W>(2 * i + 1, w);
            left_re += step.real() * re + step.imag() * im;
            left_im += step.imag() * re - step.real() * im;
        }
        vec(place) = left_re;
        vec(place + gram_.stride()) = left_im;
    }

    template <int W>
    const Vec<double>& row(std::size_t plane, int w) const
    {
        return vec(&rows_[(plane * W + w) * lanes<double>]);
    }

    // u_iᴴ a_n of W vectors of devices: real parts, then imaginary ones.
    template <int W>
    void add_members(std::size_t n, const Directions& directions, std::size_t i)
    {
        const Complex* factors = directions.factors_of(i);
        Vec<double> re[W], im[W];
        for (int w = 0; w < W; ++w) {
            re[w] = im[w] = Vec<double>{};
        }
        for (std::size_t k = 0; k < directions.members_of(i); ++k) {
            const std::size_t member = directions.members[k];
            const double a = factors[k].real(), b = factors[k].imag();
            const double *gram_re = gram_.real(member) + n, *gram_im = gram_.imag(member) + n;
            for (int w = 0; w < W; ++w) {
                const Vec<double> g = vec(gram_re + w * lanes<double>), h = vec(gram_im + w * lanes<double>);
                re[w] += a * g - b * h;
                im[w] += a * h + b * g;
            }
        }
        double* row = &rows_[2 * i * W * lanes<double>];
        for (int w = 0; w < W; ++w) {
            vec(row + w * lanes<double>) = re[w];
            vec(row + (W + w) * lanes<double>) = im[w];
        }
    }

    const Gram& gram_;
    const std::size_t n_antennas_;
    Array<double> share_, left_; // (N,) of energies, and (M, 2, N) in planes, padded
    Array<double> rows_;         // of `project`
};

} // namespace jadce
