// SPDX-License-Identifier: GPL-3.0-or-later
// Least squares on a support whose devices come and go, brought up to date by updates of rank one.
//
// Not by Eigen or LAPACK: their factorisations are of a whole matrix, and one anew for every device that
// comes or goes would take as many times longer as there are devices in the support.
#pragma once

#include "detection/detection.hpp"
#include "detection/off_support.hpp"

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

namespace jadce {

constexpr double ridge = 1e-9;     // keeps equal pilots from making a singular system
constexpr double rounding = 1e-12; // of a frame's energy: what its residual is known to

class SupportFit
{
public:
    SupportFit(const Gram& gram, const Rule& rule)
        : gram(gram), n_antennas(rule.n_antennas), pilot_length(rule.pilot_length),
          is_member(gram.n_devices()), off_support_(gram, rule.n_antennas, rule.pilot_length),
          inverse_real_(rule.pilot_length * rule.pilot_length), inverse_imag_(inverse_real_.size()),
          column_real_(rule.pilot_length), column_imag_(rule.pilot_length), inner_(rule.pilot_length),
          channel_(rule.pilot_length * n_antennas), step_(n_antennas)
    {
    }

    const Gram& gram;
    const std::size_t n_antennas, pilot_length;
    std::vector<std::size_t> members;
    std::vector<char> is_member;

    void start(const Frame& frame)
    {
        frame_ = &frame;
        members.clear();
        std::fill(is_member.begin(), is_member.end(), 0);
        residual_ = frame.energy;
        follows_all_ = false;
    }

    std::size_t size() const { return members.size(); }
    double residual() const { return std::max(residual_, rounding * frame_->energy); }
    double dof() const { return double(n_antennas * std::max<std::size_t>(pilot_length - size(), 1)); }
    const Complex* channel(std::size_t k) const { return &channel_[k * n_antennas]; }
    // Variance over σ² of a member's channel.
    double variance(std::size_t k) const { return inverse_real_[k * pilot_length + k]; }
    double own_statistic(std::size_t k) const { return energy_of(channel(k), n_antennas) / variance(k); }

    // From here on, keep what `statistics` needs up to date. The least squares are done anew, which
    // forgets the rounding of devices that came and went.
    void follow_all()
    {
        if (follows_all_) {
            return;
        }
        follows_all_ = true;
        off_support_.start(frame_->correlation);
        factorise();
        fit_factors();
        off_support_.project({members, factor_.data(), size(), steps_.data()}, -1);
    }

    // t_n of every device, members left out of the support that they are tested against.
    void statistics(double* t) const
    {
        off_support_.statistics(t);
        for (std::size_t k = 0; k < size(); ++k) {
            t[members[k]] = own_statistic(k);
        }
    }

    void add(std::size_t device)
    {
        const std::size_t K = size(), M = n_antennas;
        const double share = leave_step(device);
        members.push_back(device);
        is_member[device] = 1;
        if (follows_all_) {
            factor_.resize(K + 1);
            for (std::size_t k = 0; k < K; ++k) {
                factor_[k] = {-column_real_[k], column_imag_[k]};
            }
            factor_[K] = 1;
            project_one(-1 / share);
        }
        for (std::size_t i = 0; i < K; ++i) {
            const Complex b(column_real_[i] / share, column_imag_[i] / share);
            add_column_to_inverse(i, b, K);
            set_inverse(i, K, -b);
            set_inverse(K, i, -std::conj(b));
            move_channel(i, b);
        }
        set_inverse(K, K, 1 / share);
        for (std::size_t m = 0; m < M; ++m) {
            channel_[K * M + m] = step_[m] / share;
        }
        residual_ -= energy_of(step_.data(), M) / share;
    }

    void remove(std::size_t index)
    {
        const std::size_t last = size() - 1;
        swap_members(index, last);
        const double v = variance(last);
        std::copy_n(channel(last), n_antennas, step_.begin());
        if (follows_all_) {
            factor_.resize(last + 1);
            for (std::size_t k = 0; k <= last; ++k) {
                factor_[k] = inverse(last, k);
            }
            project_one(1 / v);
        }
        for (std::size_t k = 0; k < last; ++k) {
            column_real_[k] = inverse(last, k).real();
            column_imag_[k] = -inverse(last, k).imag();
        }
        for (std::size_t i = 0; i < last; ++i) {
            const Complex b = inverse(i, last) / v;
            add_column_to_inverse(i, -b, last + 1);
            move_channel(i, b);
        }
        residual_ += energy_of(step_.data(), n_antennas) / v;
        is_member[members[last]] = 0;
        members.pop_back();
    }

    Complex correlation(std::size_t n, std::size_t m) const
    {
        const double* plane = frame_->correlation + 2 * m * gram.stride();
        return {plane[n], plane[gram.stride() + n]};
    }

private:
    Complex inverse(std::size_t i, std::size_t k) const
    {
        return {inverse_real_[i * pilot_length + k], inverse_imag_[i * pilot_length + k]};
    }

    void set_inverse(std::size_t i, std::size_t k, Complex value)
    {
        inverse_real_[i * pilot_length + k] = value.real();
        inverse_imag_[i * pilot_length + k] = value.imag();
    }

    // What the members leave of a device's pilot, as its energy, and of the frame along it, in step_; the
    // column of the inverse that it takes, in column_.
    double leave_step(std::size_t device)
    {
        const std::size_t M = n_antennas;
        double share = gram.norm(device) * (1 + ridge);
        for (std::size_t m = 0; m < M; ++m) {
            step_[m] = correlation(device, m);
        }
        for (std::size_t k = 0; k < size(); ++k) {
            inner_[k] = gram.at(device, members[k]);
        }
        solve_column();
        for (std::size_t i = 0; i < size(); ++i) {
            share -= inner_[i].real() * column_real_[i] - inner_[i].imag() * column_imag_[i];
            for (std::size_t m = 0; m < M; ++m) {
                step_[m] -= times(inner_[i], channel(i)[m]);
            }
        }
        return std::max(share, ridge * gram.norm(device));
    }

    // channel −= b · step of a member.
    void move_channel(std::size_t i, Complex b)
    {
        for (std::size_t m = 0; m < n_antennas; ++m) {
            channel_[i * n_antennas + m] -= times(b, step_[m]);
        }
    }

    void project_one(double weight)
    {
        off_support_.project({members, factor_.data(), 1, step_.data()}, weight);
    }

    // column = (A_SᴴA_S)⁻¹ conj(inner), by the rows of the inverse, which is Hermitian.
    void solve_column()
    {
        const std::size_t K = size();
        double *column_re = column_real_.data(), *column_im = column_imag_.data();
        std::fill_n(column_re, K, 0.0);
        std::fill_n(column_im, K, 0.0);
        for (std::size_t k = 0; k < K; ++k) {
            const double a = inner_[k].real(), b = inner_[k].imag();
            const double *re = &inverse_real_[k * pilot_length], *im = &inverse_imag_[k * pilot_length];
            for (std::size_t i = 0; i < K; ++i) {
                column_re[i] += re[i] * a - im[i] * b;
                column_im[i] -= re[i] * b + im[i] * a;
            }
        }
    }

    // The first entries of row i of the inverse += factor · columnᴴ.
    void add_column_to_inverse(std::size_t i, Complex factor, std::size_t count)
    {
        const double a = factor.real(), b = factor.imag();
        const double *column_re = column_real_.data(), *column_im = column_imag_.data();
        double *re = &inverse_real_[i * pilot_length], *im = &inverse_imag_[i * pilot_length];
        for (std::size_t k = 0; k < count; ++k) {
            re[k] += a * column_re[k] + b * column_im[k];
            im[k] += b * column_re[k] - a * column_im[k];
        }
    }

    // The lower triangular T with TᴴT = (A_SᴴA_S)⁻¹: the inverse of the Cholesky factor R, in its place.
    void factorise()
    {
        const std::size_t K = size();
        factor_.resize(K * K);
        for (std::size_t i = 0; i < K; ++i) {
            Complex* row = &factor_[i * K];
            double pivot = gram.norm(members[i]) * (1 + ridge);
            for (std::size_t j = 0; j < i; ++j) { // R_ij = Σ_{k<=j} G_ik conj(T_jk)
                Complex sum = 0;
                for (std::size_t k = 0; k <= j; ++k) {
                    sum += times(gram.at(members[i], members[k]), std::conj(factor_[j * K + k]));
                }
                row[j] = sum;
                pivot -= energy_of(sum);
            }
            const double scale = 1 / std::sqrt(std::max(pivot, ridge * gram.norm(members[i])));
            for (std::size_t j = 0; j < i; ++j) { // T_ij = −Σ_{j<=k<i} R_ik T_kj / R_ii
                Complex sum = 0;
                for (std::size_t k = j; k < i; ++k) {
                    sum -= times(row[k], factor_[k * K + j]);
                }
                row[j] = sum * scale;
            }
            row[i] = scale;
        }
    }

    // The least squares by the factor T: steps T A_Sᴴ Y, channels Tᴴ T A_Sᴴ Y, and (A_SᴴA_S)⁻¹ = Tᴴ T.
    void fit_factors()
    {
        const std::size_t K = size(), M = n_antennas;
        steps_.assign(K * M, 0);
        residual_ = frame_->energy;
        std::fill_n(inverse_real_.begin(), K * pilot_length, 0.0);
        std::fill_n(inverse_imag_.begin(), K * pilot_length, 0.0);
        std::fill_n(channel_.begin(), K * M, Complex(0));
        for (std::size_t i = 0; i < K; ++i) {
            const Complex* factors = &factor_[i * K];
            Complex* step = &steps_[i * M];
            for (std::size_t k = 0; k <= i; ++k) {
                for (std::size_t m = 0; m < M; ++m) {
                    step[m] += times(factors[k], correlation(members[k], m));
                }
                column_real_[k] = factors[k].real();
                column_imag_[k] = -factors[k].imag();
            }
            for (std::size_t k = 0; k <= i; ++k) {
                add_column_to_inverse(k, std::conj(factors[k]), i + 1);
                for (std::size_t m = 0; m < M; ++m) {
                    channel_[k * M + m] += times(std::conj(factors[k]), step[m]);
                }
            }
            residual_ -= energy_of(step, M);
        }
    }

    void swap_members(std::size_t a, std::size_t b)
    {
        if (a == b) {
            return;
        }
        for (std::vector<double>* part : {&inverse_real_, &inverse_imag_}) {
            double* values = part->data();
            for (std::size_t k = 0; k < size(); ++k) {
                std::swap(values[a * pilot_length + k], values[b * pilot_length + k]);
            }
            for (std::size_t k = 0; k < size(); ++k) {
                std::swap(values[k * pilot_length + a], values[k * pilot_length + b]);
            }
        }
        std::swap_ranges(
            &channel_[a * n_antennas], &channel_[a * n_antennas] + n_antennas, &channel_[b * n_antennas]);
        std::swap(members[a], members[b]);
    }

    const Frame* frame_ = nullptr;
    double residual_ = 0;
    bool follows_all_ = false;
    OffSupport off_support_;
    std::vector<double> inverse_real_, inverse_imag_, column_real_, column_imag_;
    std::vector<Complex> inner_, channel_, step_, factor_, steps_;
};

} // namespace jadce
