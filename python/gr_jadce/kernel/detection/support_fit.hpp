// SPDX-License-Identifier: GPL-3.0-or-later
// Least squares on a support whose devices come and go, and what it leaves of all devices' pilots.
#pragma once

#include "detection/detection.hpp"

#include <algorithm>
#include <cmath>

namespace jadce {

constexpr double ridge = 1e-9;       // keeps equal pilots from making a singular system
constexpr double independent = 1e-6; // least share of a pilot's energy off the span of the others
constexpr double rounding = 1e-12;   // of a frame's energy: what its residual is known to

// Without the checks for infinities that operator* makes.
inline cplx times(cplx a, cplx b)
{
    return {a.real() * b.real() - a.imag() * b.imag(), a.real() * b.imag() + a.imag() * b.real()};
}

inline double energy_of(cplx a) { return a.real() * a.real() + a.imag() * a.imag(); }

inline double energy_of(const cplx* row, size_t count)
{
    double sum = 0;
    for (size_t i = 0; i < count; ++i)
        sum += energy_of(row[i]);
    return sum;
}

// Brought up to date by one-rank updates.
class SupportFit
{
public:
    SupportFit(const Gram& gram, const Rule& rule)
        : gram(gram), n_antennas(rule.n_antennas), pilot_length(rule.pilot_length),
          is_member(gram.n_devices()), d_inverse_real(rule.pilot_length * rule.pilot_length),
          d_inverse_imag(d_inverse_real.size()), d_column_real(rule.pilot_length),
          d_column_imag(rule.pilot_length), d_inner(rule.pilot_length),
          d_channel(rule.pilot_length * n_antennas), d_step(n_antennas), d_share(gram.stride()),
          d_left(2 * n_antennas * gram.stride()), d_rows(2 * rule.pilot_length * 4 * lanes<double>)
    {
    }

    const Gram& gram;
    const size_t n_antennas, pilot_length;
    std::vector<size_t> members;
    std::vector<char> is_member;

    void start(const Frame& frame)
    {
        d_frame = &frame;
        members.clear();
        std::fill(is_member.begin(), is_member.end(), 0);
        d_residual = frame.energy;
        d_follows_all = false;
    }

    size_t size() const { return members.size(); }
    double residual() const { return std::max(d_residual, rounding * d_frame->energy); }
    double dof() const { return double(n_antennas * std::max<size_t>(pilot_length - size(), 1)); }
    const cplx* channel(size_t k) const { return &d_channel[k * n_antennas]; }
    // Variance over σ² of a member's channel.
    double variance(size_t k) const { return d_inverse_real[k * pilot_length + k]; }
    double own_statistic(size_t k) const { return energy_of(channel(k), n_antennas) / variance(k); }

    // From here on, keep what `statistics` needs up to date. The least squares are done anew, which
    // forgets the rounding of devices that came and went.
    void follow_all()
    {
        if (d_follows_all)
            return;
        d_follows_all = true;
        for (size_t n = 0; n < gram.n_devices(); ++n)
            d_share[n] = gram.norm(n);
        std::copy_n(d_frame->correlation, d_left.size(), d_left.data());
        factorise();
        fit_factors();
        project(d_factor.data(), size(), d_steps.data(), -1);
    }

    // t_n of every device, members left out of the support that they are tested against.
    void statistics(double* t) const
    {
        const size_t N = gram.n_devices();
        std::fill(t, t + N, 0.0);
        for (size_t m = 0; m < n_antennas; ++m) {
            const double *re = left(m), *im = re + gram.stride();
            for (size_t n = 0; n < N; ++n)
                t[n] += re[n] * re[n] + im[n] * im[n];
        }
        for (size_t n = 0; n < N; ++n)
            t[n] = d_share[n] > independent * gram.norm(n) ? t[n] / d_share[n] : 0;
        for (size_t k = 0; k < size(); ++k)
            t[members[k]] = own_statistic(k);
    }

    void add(size_t device)
    {
        const size_t K = size(), M = n_antennas;
        double share = gram.norm(device) * (1 + ridge);
        for (size_t m = 0; m < M; ++m)
            d_step[m] = correlation(device, m);
        for (size_t k = 0; k < K; ++k)
            d_inner[k] = gram.at(device, members[k]);
        solve_column();
        for (size_t i = 0; i < K; ++i) {
            share -= d_inner[i].real() * d_column_real[i] - d_inner[i].imag() * d_column_imag[i];
            for (size_t m = 0; m < M; ++m)
                d_step[m] -= times(d_inner[i], channel(i)[m]);
        }
        share = std::max(share, ridge * gram.norm(device));
        members.push_back(device);
        is_member[device] = 1;
        if (d_follows_all) {
            d_factor.resize(K + 1);
            for (size_t k = 0; k < K; ++k)
                d_factor[k] = {-d_column_real[k], d_column_imag[k]};
            d_factor[K] = 1;
            project(d_factor.data(), 1, d_step.data(), -1 / share);
        }
        for (size_t i = 0; i < K; ++i) {
            const cplx b(d_column_real[i] / share, d_column_imag[i] / share);
            add_column_to_inverse(i, b, K);
            set_inverse(i, K, -b);
            set_inverse(K, i, -std::conj(b));
            for (size_t m = 0; m < M; ++m)
                d_channel[i * M + m] -= times(b, d_step[m]);
        }
        set_inverse(K, K, 1 / share);
        for (size_t m = 0; m < M; ++m)
            d_channel[K * M + m] = d_step[m] / share;
        d_residual -= energy_of(d_step.data(), M) / share;
    }

    void remove(size_t index)
    {
        const size_t last = size() - 1, M = n_antennas;
        swap_members(index, last);
        const double v = variance(last);
        for (size_t m = 0; m < M; ++m)
            d_step[m] = d_channel[last * M + m];
        if (d_follows_all) {
            d_factor.resize(last + 1);
            for (size_t k = 0; k <= last; ++k)
                d_factor[k] = inverse(last, k);
            project(d_factor.data(), 1, d_step.data(), 1 / v);
        }
        for (size_t k = 0; k < last; ++k) {
            d_column_real[k] = inverse(last, k).real();
            d_column_imag[k] = -inverse(last, k).imag();
        }
        for (size_t i = 0; i < last; ++i) {
            const cplx b = inverse(i, last) / v;
            add_column_to_inverse(i, -b, last + 1);
            for (size_t m = 0; m < M; ++m)
                d_channel[i * M + m] -= times(b, d_step[m]);
        }
        d_residual += energy_of(d_step.data(), M) / v;
        is_member[members[last]] = 0;
        members.pop_back();
    }

    cplx correlation(size_t n, size_t m) const
    {
        const double* plane = d_frame->correlation + 2 * m * gram.stride();
        return {plane[n], plane[gram.stride() + n]};
    }

private:
    cplx inverse(size_t i, size_t k) const
    {
        return {d_inverse_real[i * pilot_length + k], d_inverse_imag[i * pilot_length + k]};
    }

    void set_inverse(size_t i, size_t k, cplx value)
    {
        d_inverse_real[i * pilot_length + k] = value.real();
        d_inverse_imag[i * pilot_length + k] = value.imag();
    }

    // column = (A_SᴴA_S)⁻¹ conj(inner), by the rows of the inverse, which is Hermitian.
    void solve_column()
    {
        const size_t K = size();
        double *column_re = d_column_real.data(), *column_im = d_column_imag.data();
        std::fill_n(column_re, K, 0.0);
        std::fill_n(column_im, K, 0.0);
        for (size_t k = 0; k < K; ++k) {
            const double a = d_inner[k].real(), b = d_inner[k].imag();
            const double *re = &d_inverse_real[k * pilot_length], *im = &d_inverse_imag[k * pilot_length];
            for (size_t i = 0; i < K; ++i) {
                column_re[i] += re[i] * a - im[i] * b;
                column_im[i] -= re[i] * b + im[i] * a;
            }
        }
    }

    // The first entries of row i of the inverse += factor · columnᴴ.
    void add_column_to_inverse(size_t i, cplx factor, size_t count)
    {
        const double a = factor.real(), b = factor.imag();
        const double *column_re = d_column_real.data(), *column_im = d_column_imag.data();
        double *re = &d_inverse_real[i * pilot_length], *im = &d_inverse_imag[i * pilot_length];
        for (size_t k = 0; k < count; ++k) {
            re[k] += a * column_re[k] + b * column_im[k];
            im[k] += b * column_re[k] - a * column_im[k];
        }
    }

    // The lower triangular T with TᴴT = (A_SᴴA_S)⁻¹: the inverse of the Cholesky factor R, in its place.
    void factorise()
    {
        const size_t K = size();
        d_factor.resize(K * K);
        for (size_t i = 0; i < K; ++i) {
            cplx* row = &d_factor[i * K];
            double pivot = gram.norm(members[i]) * (1 + ridge);
            for (size_t j = 0; j < i; ++j) { // R_ij = Σ_{k<=j} G_ik conj(T_jk)
                cplx sum = 0;
                for (size_t k = 0; k <= j; ++k)
                    sum += times(gram.at(members[i], members[k]), std::conj(d_factor[j * K + k]));
                row[j] = sum;
                pivot -= energy_of(sum);
            }
            const double scale = 1 / std::sqrt(std::max(pivot, ridge * gram.norm(members[i])));
            for (size_t j = 0; j < i; ++j) { // T_ij = −Σ_{j<=k<i} R_ik T_kj / R_ii
                cplx sum = 0;
                for (size_t k = j; k < i; ++k)
                    sum -= times(row[k], d_factor[k * K + j]);
                row[j] = sum * scale;
            }
            row[i] = scale;
        }
    }

    // The least squares by the factor T: steps T A_Sᴴ Y, channels Tᴴ T A_Sᴴ Y, and (A_SᴴA_S)⁻¹ = Tᴴ T.
    void fit_factors()
    {
        const size_t K = size(), M = n_antennas;
        d_steps.assign(K * M, 0);
        d_residual = d_frame->energy;
        std::fill_n(d_inverse_real.begin(), K * pilot_length, 0.0);
        std::fill_n(d_inverse_imag.begin(), K * pilot_length, 0.0);
        std::fill_n(d_channel.begin(), K * M, cplx(0));
        for (size_t i = 0; i < K; ++i) {
            const cplx* factors = &d_factor[i * K];
            cplx* step = &d_steps[i * M];
            for (size_t k = 0; k <= i; ++k) {
                for (size_t m = 0; m < M; ++m)
                    step[m] += times(factors[k], correlation(members[k], m));
                d_column_real[k] = factors[k].real();
                d_column_imag[k] = -factors[k].imag();
            }
            for (size_t k = 0; k <= i; ++k) {
                add_column_to_inverse(k, std::conj(factors[k]), i + 1);
                for (size_t m = 0; m < M; ++m)
                    d_channel[k * M + m] += times(std::conj(factors[k]), step[m]);
            }
            d_residual -= energy_of(step, M);
        }
    }

    void swap_members(size_t a, size_t b)
    {
        if (a == b)
            return;
        for (std::vector<double>* part : {&d_inverse_real, &d_inverse_imag}) {
            double* values = part->data();
            for (size_t k = 0; k < size(); ++k)
                std::swap(values[a * pilot_length + k], values[b * pilot_length + k]);
            for (size_t k = 0; k < size(); ++k)
                std::swap(values[k * pilot_length + a], values[k * pilot_length + b]);
        }
        std::swap_ranges(
            &d_channel[a * n_antennas], &d_channel[a * n_antennas] + n_antennas, &d_channel[b * n_antennas]);
        std::swap(members[a], members[b]);
    }

    double* left(size_t m) { return &d_left[2 * m * gram.stride()]; }
    const double* left(size_t m) const { return &d_left[2 * m * gram.stride()]; }

    // Take directions u_i = Σ_k conj(factor_ik) a_k, sums of members, off what is left of all pilots and
    // of the frame (weight < 0), or put one back (weight > 0). Steps (i, m) are u_iᴴ Y. One direction is
    // of all members, of several the i-th is of the first i + 1.
    void project(const cplx* factors, size_t directions, const cplx* steps, double weight)
    {
        const size_t stride = gram.stride();
        size_t n = 0;
        for (; n + 4 * lanes<double> <= stride; n += 4 * lanes<double>)
            project_part<4>(n, factors, directions, steps, weight);
        for (; n < stride; n += lanes<double>)
            project_part<1>(n, factors, directions, steps, weight);
    }

    // The same of W vectors of devices, from device n on.
    template <int W>
    void project_part(size_t n, const cplx* factors, size_t directions, const cplx* steps, double weight)
    {
        constexpr size_t width = W * lanes<double>;
        for (size_t i = 0; i < directions; ++i)
            add_members<W>(n, factors + i * size(), directions == 1 ? size() : i + 1, &d_rows[2 * i * width]);
        for (int w = 0; w < W; ++w) {
            Vec<double>& share = vec(&d_share[n + w * lanes<double>]);
            for (size_t i = 0; i < directions; ++i) {
                const Vec<double> re = row<W>(2 * i, w), im = row<W>(2 * i + 1, w);
                share += weight * (re * re + im * im);
            }
        }
        for (size_t m = 0; m < n_antennas; ++m) {
            for (int w = 0; w < W; ++w) {
                double* place = left(m) + n + w * lanes<double>;
                Vec<double> left_re = vec(place), left_im = vec(place + gram.stride());
                for (size_t i = 0; i < directions; ++i) {
                    const cplx step = weight * steps[i * n_antennas + m];
                    const Vec<double> re = row<W>(2 * i, w), im = row<W>(2 * i + 1, w);
                    left_re += step.real() * re + step.imag() * im;
                    left_im += step.imag() * re - step.real() * im;
                }
                vec(place) = left_re;
                vec(place + gram.stride()) = left_im;
            }
        }
    }

    template <int W>
    const Vec<double>& row(size_t plane, int w) const
    {
        return vec(&d_rows[(plane * W + w) * lanes<double>]);
    }

    // u_iᴴ a_n of W vectors of devices: real parts, then imaginary ones.
    template <int W>
    void add_members(size_t n, const cplx* factors, size_t count, double* row) const
    {
        Vec<double> re[W], im[W];
        for (int w = 0; w < W; ++w)
            re[w] = im[w] = Vec<double>{};
        for (size_t k = 0; k < count; ++k) {
            const double a = factors[k].real(), b = factors[k].imag();
            const double *gram_re = gram.real(members[k]) + n, *gram_im = gram.imag(members[k]) + n;
            for (int w = 0; w < W; ++w) {
                const Vec<double> g = vec(gram_re + w * lanes<double>), h = vec(gram_im + w * lanes<double>);
                re[w] += a * g - b * h;
                im[w] += a * h + b * g;
            }
        }
        for (int w = 0; w < W; ++w) {
            vec(row + w * lanes<double>) = re[w];
            vec(row + (W + w) * lanes<double>) = im[w];
        }
    }

    const Frame* d_frame = nullptr;
    double d_residual = 0;
    bool d_follows_all = false;
    std::vector<double> d_inverse_real, d_inverse_imag, d_column_real, d_column_imag;
    std::vector<cplx> d_inner, d_channel, d_step, d_factor, d_steps;
    Array<double> d_share, d_left; // (N,), and (M, 2, N) in planes, padded
    Array<double> d_rows;          // of `project`
};

} // namespace jadce
