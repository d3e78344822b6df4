// SPDX-License-Identifier: GPL-3.0-or-later
// The covariance model of one frame on a support of K devices, fitted by likelihood: the compiled form of
// support_fit.py, which gives its equations.
#pragma once

#include "detection/detection.hpp"
#include "detection/hermitian.hpp"
#include "detection/off_support.hpp"

#include <algorithm>
#include <cfloat>
#include <cmath>
#include <utility>
#include <vector>

namespace jadce {

constexpr double ridge = 1e-9;     // keeps equal pilots from making a singular system
constexpr double rounding = 1e-12; // of a frame's energy: what its residual is known to
constexpr double min_snr = 1e-3;   // γ_k ‖a_k‖²/σ² of a member at least

// ‖Y‖².
inline double energy_of(const Frame& frame, std::size_t n_antennas)
{
    double energy = 0;
    for (std::size_t m = 0; m < n_antennas; ++m) {
        energy += frame.moment[m * n_antennas + m].real();
    }
    return energy;
}

class SupportFit
{
public:
    SupportFit(const Gram& gram, const Rule& rule)
        : gram(gram), n_antennas(rule.n_antennas), pilot_length(rule.pilot_length),
          is_member(gram.n_devices()), off_support_(gram, rule.n_antennas, rule.n_members + 1),
          inverse_(rule.n_members + 1)
    {
    }

    const Gram& gram;
    const std::size_t n_antennas, pilot_length;
    std::vector<std::size_t> members; // ascending
    std::vector<char> is_member;
    std::vector<double> power; // γ
    double noise_var = 0;      // σ²

    // The fit on some devices, ascending, with powers of their own; with a `level` of 0, σ² is fitted as
    // well.
    void start(const Frame& frame, const std::vector<std::size_t>& devices, double level)
    {
        constexpr double start_noise_share = 0.1; // of a frame's energy, σ² where it is unknown
        frame_ = &frame;
        energy_ = jadce::energy_of(frame, n_antennas);
        members = devices;
        std::fill(is_member.begin(), is_member.end(), 0);
        double norms = 0;
        for (std::size_t device : members) {
            is_member[device] = 1;
            norms += gram.norm(device);
        }
        noise_var = level > 0 ? level : std::max(start_noise_share * mean_energy(), DBL_MIN);
        const double signal = std::max(mean_energy() - noise_var, 0.1 * noise_var) * double(pilot_length);
        power.assign(members.size(), signal / std::max(norms, min_snr));
        solve();
        settle(level > 0);
    }

    // Moves the powers, and σ² unless it is `fixed`, until they have come to rest.
    void settle(bool fixed)
    {
        constexpr double tolerance = 0.02; // relative change of every channel, and of σ²
        constexpr int max_passes = 8;
        for (int pass = 0; pass < max_passes; ++pass) {
            const double level =
                fixed ? noise_var : std::max({noise_left(), rounding * mean_energy(), DBL_MIN});
            double change = std::abs(level / noise_var - 1);
            next_.resize(size());
            for (std::size_t k = 0; k < size(); ++k) {
                next_[k] = bounded_power(members[k], likely_power(own_energy(k), own_share(k)));
                const double added = (level / next_[k] - noise_var / power[k]) * variance(k);
                change = std::max(change, std::abs(added / (1 + added)));
            }
            if (change < tolerance) {
                break;
            }
            std::swap(power, next_);
            noise_var = level;
            solve();
        }
    }

    // Drops the members at which `leaves` is true.
    void drop(const std::vector<char>& leaves)
    {
        std::size_t kept = 0;
        for (std::size_t k = 0; k < size(); ++k) {
            is_member[members[k]] = !leaves[k];
            members[kept] = members[k];
            power[kept] = power[k];
            kept += !leaves[k];
        }
        members.resize(kept);
        power.resize(kept);
        solve();
    }

    // Adds a device of statistic t, with its likely power.
    void add(std::size_t device, double t)
    {
        const double share = off_support_.share(device);
        const double likely = bounded_power(device, likely_power(t * share, share));
        const auto place = std::lower_bound(members.begin(), members.end(), device) - members.begin();
        members.insert(members.begin() + place, device);
        power.insert(power.begin() + place, likely);
        is_member[device] = 1;
        solve();
    }

    std::size_t size() const { return members.size(); }
    const Complex* channel(std::size_t k) const { return &channel_[k * n_antennas]; }
    // σ² by what the support leaves over.
    double noise_left() const { return residual_ / (double(n_antennas) * trace_); }
    // As many of the L rows as bear witness of the noise, (tr P)²/tr P².
    double rows() const
    {
        double square = double(pilot_length) - double(size());
        for (std::size_t i = 0; i < size(); ++i) {
            double sum = 0;
            for (std::size_t k = 0; k < size(); ++k) {
                sum += energy_of(inverse(i, k)) * ratio(k);
            }
            square += ratio(i) * sum;
        }
        return trace_ * trace_ / std::max(square, independent * independent);
    }

    // t_k of a member, tested against the others.
    double own_statistic(std::size_t k) const { return own_energy(k) / own_share(k); }

    // t_n of every device, members left out of the support that they are tested against.
    void statistics(double* t)
    {
        follow_all();
        off_support_.statistics(t);
        for (std::size_t k = 0; k < size(); ++k) {
            t[members[k]] = own_statistic(k);
        }
    }

    // Squared error expected of the channels, all together.
    double uncertainty() const
    {
        double sum = 0;
        for (std::size_t k = 0; k < size(); ++k) {
            sum += variance(k);
        }
        return noise_var * double(n_antennas) * sum;
    }

    // Log-likelihood of the frame over that of noise alone at its likeliest σ².
    double log_evidence() const
    {
        const double M = double(n_antennas);
        double log_det = log_det_, distance = energy_;
        for (std::size_t k = 0; k < size(); ++k) {
            log_det -= std::log(ratio(k));
            for (std::size_t m = 0; m < n_antennas; ++m) {
                distance -= times(std::conj(correlation(members[k], m)), channel(k)[m]).real();
            }
        }
        distance /= noise_var * M; // tr(Σ⁻¹YYᴴ)/M
        const double gain = double(pilot_length) * (std::log(mean_energy() / noise_var) + 1);
        return M * (gain - log_det - distance);
    }

    // Energy of the signal that the channels explain, and covariance of the antennas (M, M) in what is left.
    double explained(Complex* noise_cov) const
    {
        const std::size_t M = n_antennas;
        double signal = 0;
        for (std::size_t a = 0; a < M; ++a) {
            for (std::size_t b = 0; b < M; ++b) {
                Complex target = 0, added = 0;
                for (std::size_t k = 0; k < size(); ++k) {
                    target += times(std::conj(correlation(members[k], a)), channel(k)[b]);
                    added += added_to(k) * times(std::conj(channel(k)[a]), channel(k)[b]);
                }
                noise_cov[a * M + b] = (frame_->moment[a * M + b] - target - added) / trace_;
                signal += a == b ? (target - added).real() : 0;
            }
        }
        return signal;
    }

    Complex correlation(std::size_t n, std::size_t m) const
    {
        const double* plane = frame_->correlation + 2 * m * gram.stride();
        return {plane[n], plane[gram.stride() + n]};
    }

private:
    Complex inverse(std::size_t i, std::size_t k) const { return {inverse_.real(i)[k], inverse_.imag(i)[k]}; }
    double variance(std::size_t k) const { return inverse_.real(k)[k]; }
    double mean_energy() const { return energy_ / double(pilot_length * n_antennas); }
    double ratio(std::size_t k) const { return noise_var / power[k]; }
    double added_to(std::size_t k) const { return ratio(k) + ridge * gram.norm(members[k]); }

    double own_energy(std::size_t k) const
    {
        return energy_of(channel(k), n_antennas) / (variance(k) * variance(k));
    }

    double own_share(std::size_t k) const
    {
        return std::max(1 / variance(k) - ratio(k), independent * gram.norm(members[k]));
    }

    // γ of the greatest likelihood.
    double likely_power(double energy, double share) const
    {
        return (energy / double(n_antennas) - noise_var * share) / (share * share);
    }

    double bounded_power(std::size_t device, double likely) const
    {
        return std::max(likely, min_snr * noise_var / gram.norm(device));
    }

    void solve()
    {
        const std::size_t K = size();
        follows_all_ = false;
        inverse_.resize(K);
        for (std::size_t i = 0; i < K; ++i) {
            for (std::size_t k = 0; k < K; ++k) {
                inverse_.real(i)[k] = gram.real(members[i])[members[k]];
                inverse_.imag(i)[k] = gram.imag(members[i])[members[k]];
            }
            inverse_.real(i)[i] += added_to(i);
        }
        log_det_ = inverse_.invert();
        fit_channels();
        residual_ = energy_;
        trace_ = double(pilot_length) - double(K);
        for (std::size_t k = 0; k < K; ++k) {
            for (std::size_t m = 0; m < n_antennas; ++m) {
                residual_ -= times(std::conj(correlation(members[k], m)), channel(k)[m]).real();
            }
            residual_ -= added_to(k) * energy_of(channel(k), n_antennas);
            trace_ += ratio(k) * variance(k);
        }
        residual_ = std::max(residual_, rounding * energy_);
        trace_ = std::max(trace_, independent);
    }

    // X = B A_Sᴴ Y.
    void fit_channels()
    {
        const std::size_t K = size();
        channel_.resize(K * n_antennas);
        target_real_.resize(K);
        target_imag_.resize(K);
        for (std::size_t m = 0; m < n_antennas; ++m) {
            for (std::size_t k = 0; k < K; ++k) {
                target_real_[k] = correlation(members[k], m).real();
                target_imag_[k] = correlation(members[k], m).imag();
            }
            for (std::size_t i = 0; i < K; ++i) {
                const double *re = inverse_.real(i), *im = inverse_.imag(i);
                double real = 0, imag = 0;
                for (std::size_t k = 0; k < K; ++k) {
                    real += re[k] * target_real_[k] - im[k] * target_imag_[k];
                    imag += re[k] * target_imag_[k] + im[k] * target_real_[k];
                }
                channel_[i * n_antennas + m] = {real, imag};
            }
        }
    }

    // Takes the support off every pilot and off the frame.
    void follow_all()
    {
        if (follows_all_) {
            return;
        }
        follows_all_ = true;
        off_support_.start(frame_->correlation);
        factorise();
        const std::size_t K = size(), M = n_antennas;
        steps_.assign(K * M, 0);
        for (std::size_t i = 0; i < K; ++i) {
            for (std::size_t k = 0; k <= i; ++k) {
                for (std::size_t m = 0; m < M; ++m) {
                    steps_[i * M + m] += times(factor_[i * K + k], correlation(members[k], m));
                }
            }
        }
        off_support_.project({members, factor_.data(), K, steps_.data()}, -1);
    }

    // The lower triangular T with TᴴT = B: the inverse of the Cholesky factor R of B⁻¹, in its place.
    void factorise()
    {
        const std::size_t K = size();
        factor_.resize(K * K);
        for (std::size_t i = 0; i < K; ++i) {
            Complex* row = &factor_[i * K];
            double pivot = gram.norm(members[i]) + added_to(i);
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

    const Frame* frame_ = nullptr;
    double energy_ = 0, residual_ = 0, trace_ = 0, log_det_ = 0;
    bool follows_all_ = false;
    OffSupport off_support_;
    Hermitian inverse_; // B
    std::vector<double> next_, target_real_, target_imag_;
    std::vector<Complex> channel_, factor_, steps_;
};

} // namespace jadce
