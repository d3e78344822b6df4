// SPDX-License-Identifier: GPL-3.0-or-later
// The covariance model of one frame on a support of K devices, fitted by likelihood: the compiled form of
// support_fit.py, which gives its equations.
#pragma once

#include "detection/detection.hpp"
#include "detection/hermitian.hpp"
#include "detection/member_channels.hpp"
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

class SupportFit
{
public:
    SupportFit(const BookArrays& book, const Rule& rule)
        : gram(book.gram), n_antennas(rule.n_antennas), pilot_length(rule.pilot_length),
          is_member(gram.n_devices()), off_support_(book, rule.n_antennas),
          frame_left_(book, rule.n_antennas), statistics_(gram.n_devices())
    {
    }

    const Gram& gram;
    const std::size_t n_antennas, pilot_length;
    std::vector<std::size_t> members; // ascending
    std::vector<char> is_member;
    std::vector<double> power; // γ
    double noise_var = 0;      // σ²

    // The frame of the fits from now on.
    void take(const Frame& frame)
    {
        frame_ = frame;
        energy_ = jadce::energy_of(frame, n_antennas);
        frame_left_.take(frame.samples);
    }

    // The fit on some devices, ascending, with powers of their own, from `powers` on if they are given; with
    // a `level` of 0, σ² is fitted as well.
    void start(const std::vector<std::size_t>& devices, double level, const std::vector<double>& powers = {})
    {
        constexpr double start_noise_share = 0.1; // of a frame's energy, σ² where it is unknown
        members = devices;
        std::fill(is_member.begin(), is_member.end(), 0);
        double norms = 0;
        for (std::size_t device : members) {
            is_member[device] = 1;
            norms += gram.norm(device);
        }
        noise_var = level > 0 ? level : std::max(start_noise_share * mean_energy(), DBL_MIN);
        const double signal = std::max(mean_energy() - noise_var, 0.1 * noise_var) * double(pilot_length);
        power = powers;
        power.resize(members.size(), signal / std::max(norms, min_snr));
        solve();
        settle(level > 0);
    }

    // What a fit is resumed from.
    struct State
    {
        std::vector<std::size_t> members;
        std::vector<double> power;
        double noise_var;
    };
    State state() const { return {members, power, noise_var}; }
    void resume(const State& state)
    {
        std::fill(is_member.begin(), is_member.end(), 0);
        for (std::size_t device : state.members) {
            is_member[device] = 1;
        }
        members = state.members;
        power = state.power;
        noise_var = state.noise_var;
        solve();
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
                next_[k] = bounded_power(members[k], likely_power(own_energy(k), own_share(k), level), level);
                const double added = (level / next_[k] - ratio_[k]) * variance(k);
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
        const double likely = power_outside(device, t);
        const auto place = std::lower_bound(members.begin(), members.end(), device) - members.begin();
        members.insert(members.begin() + place, device);
        power.insert(power.begin() + place, likely);
        is_member[device] = 1;
        solve();
    }

    // The likely power of a device outside of statistic t.
    double power_outside(std::size_t device, double t) const
    {
        const double share = off_support_.share(device);
        return bounded_power(device, likely_power(t * share, share, noise_var), noise_var);
    }

    std::size_t size() const { return members.size(); }
    // Of a device among the members, from place k on.
    std::size_t place_of(std::size_t device, std::size_t k) const
    {
        while (members[k] != device) {
            ++k;
        }
        return k;
    }
    Complex channel(std::size_t k, std::size_t m) const
    {
        return {*channel_of(m, k), *(channel_of(m, k) + inverse_.stride())};
    }
    // σ² by what the support leaves over.
    double noise_left() const { return residual_ / (double(n_antennas) * trace_); }
    // As many of the L rows as bear witness of the noise, (tr P)²/tr P².
    double rows() const
    {
        Vec<double> square = {};
        for (std::size_t i = 0; i < size(); ++i) {
            for (std::size_t k = 0; k < inverse_.stride(); k += lanes<double>) {
                const Vec<double> re = vec(inverse_.real(i) + k), im = vec(inverse_.imag(i) + k);
                square += ratio_[i] * (re * re + im * im) * vec(&ratio_[k]);
            }
        }
        const double known = double(pilot_length) - double(size()) + sum<double>(square);
        return trace_ * trace_ / std::max(known, independent * independent);
    }

    // t_k of a member, tested against the others.
    double own_statistic(std::size_t k) const { return own_energy(k) / own_share(k); }

    // s_k of a member, by the others, and s_n of a device that is none, once there are statistics.
    double own_share(std::size_t k) const
    {
        return std::max(1 / variance(k) - ratio_[k], independent * gram.norm(members[k]));
    }
    double share_outside(std::size_t n) const { return std::max(off_support_.share(n), 0.0); }

    // t_n of every device, members left out of the support that they are tested against.
    const std::vector<double>& statistics()
    {
        if (!has_statistics_) {
            has_statistics_ = true;
            off_support_.take_off(
                {members, factor_, channel_.data()}, frame_left_, 2 * size() > pilot_length);
            off_support_.statistics(statistics_.data());
            for (std::size_t k = 0; k < size(); ++k) {
                statistics_[members[k]] = own_statistic(k);
            }
        }
        return statistics_;
    }

    // t of the device outside that explains most in the place of each member.
    void replacement_statistics(std::vector<double>& best)
    {
        statistics();
        off_support_.replacement_statistics({members, factor_, channel_.data()}, inverse_, best);
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
        double log_det = -factor_.log_determinant_of_product(), distance = energy_;
        for (std::size_t k = 0; k < size(); ++k) {
            log_det -= std::log(ratio_[k]);
            distance -= explained_[k];
        }
        distance /= noise_var * M; // tr(Σ⁻¹YYᴴ)/M
        const double gain = double(pilot_length) * (std::log(mean_energy() / noise_var) + 1);
        return M * (gain - log_det - distance);
    }

    // Whether another start may find another support, and costs little.
    bool has_few_samples() const
    {
        constexpr std::size_t few_samples = 32; // of a frame
        return size() > 0 && pilot_length * n_antennas <= few_samples;
    }

    // Energy of the signal that the channels explain.
    double signal() const
    {
        double energy = 0;
        for (std::size_t k = 0; k < size(); ++k) {
            energy += explained_[k] - added_[k] * energies_[k];
        }
        return energy;
    }

    // Covariance of the antennas (M, M) in what is left; no variance is below what rounding leaves.
    void noise_covariance(Complex* covariance) const
    {
        const std::size_t M = n_antennas;
        for (std::size_t a = 0; a < M; ++a) {
            for (std::size_t b = a; b < M; ++b) {
                Complex left = (frame_.moment[a * M + b] - explained(a, b)) / trace_;
                if (a == b) {
                    left = std::max(left.real(), rounding * mean_energy());
                }
                covariance[a * M + b] = left;
                covariance[b * M + a] = std::conj(left);
            }
        }
    }

private:
    double variance(std::size_t k) const { return inverse_.real(k)[k]; }
    double mean_energy() const { return energy_ / double(pilot_length * n_antennas); }

    // Real parts of antenna m in planes of members, from member k on; imaginary ones are a stride behind.
    const double* channel_of(std::size_t m, std::size_t k) const
    {
        return channel_.data() + 2 * m * inverse_.stride() + k;
    }
    const double* target_of(std::size_t m, std::size_t k) const
    {
        return target_.data() + 2 * m * inverse_.stride() + k;
    }

    // Σ_k conj(t_ka + added_k x_ka) x_kb.
    Complex explained(std::size_t a, std::size_t b) const
    {
        const std::size_t stride = inverse_.stride();
        Vec<double> re = {}, im = {};
        for (std::size_t k = 0; k < stride; k += lanes<double>) {
            const double *t = target_of(a, k), *x = channel_of(a, k), *y = channel_of(b, k);
            const Vec<double> added = vec(&added_[k]);
            const Vec<double> p = vec(t) + added * vec(x), q = vec(t + stride) + added * vec(x + stride);
            re += p * vec(y) + q * vec(y + stride);
            im += p * vec(y + stride) - q * vec(y);
        }
        return {sum<double>(re), sum<double>(im)};
    }

    double own_energy(std::size_t k) const { return energies_[k] / (variance(k) * variance(k)); }

    // γ of the greatest likelihood, at this σ².
    double likely_power(double energy, double share, double level) const
    {
        return (energy / double(n_antennas) - level * share) / (share * share);
    }

    double bounded_power(std::size_t device, double likely, double level) const
    {
        return std::max(likely, min_snr * level / gram.norm(device));
    }

    void solve()
    {
        const std::size_t K = size();
        has_statistics_ = false;
        inverse_.resize(K);
        clear_padding();
        for (std::size_t i = 0; i < K; ++i) {
            const double *gram_re = gram.real(members[i]), *gram_im = gram.imag(members[i]);
            double *re = inverse_.real(i), *im = inverse_.imag(i);
            for (std::size_t k = 0; k <= i; ++k) { // as much as counts
                re[k] = gram_re[members[k]];
                im[k] = gram_im[members[k]];
            }
            std::fill(re + i + 1, re + K, 0.0);
            std::fill(im + i + 1, im + K, 0.0);
            ratio_[i] = noise_var / power[i];
            added_[i] = ratio_[i] + ridge * gram.norm(members[i]);
            re[i] += added_[i];
        }
        inverse_.invert(factor_);
        take_targets();
        MemberChannels{inverse_, target_.data(), channel_.data(), explained_.data(), energies_.data()}.fit(
            n_antennas);
        residual_ = energy_;
        trace_ = double(pilot_length) - double(K);
        for (std::size_t k = 0; k < K; ++k) {
            residual_ -= explained_[k] + added_[k] * energies_[k];
            trace_ += ratio_[k] * variance(k);
        }
        residual_ = std::max(residual_, rounding * energy_);
        trace_ = std::max(trace_, independent);
    }

    // Zeros behind the members, and sums over antennas of zero.
    void clear_padding()
    {
        const std::size_t stride = inverse_.stride(), n_planes = 2 * n_antennas;
        if (stride > ratio_.size()) {
            target_ = Array<double>(n_planes * stride);
            channel_ = Array<double>(n_planes * stride);
            for (Array<double>* sums : {&ratio_, &added_, &explained_, &energies_}) {
                *sums = Array<double>(stride);
            }
        }
        std::fill_n(target_.data(), n_planes * stride, 0.0);
        for (Array<double>* sums : {&ratio_, &added_, &explained_, &energies_}) {
            std::fill_n(sums->data(), stride, 0.0);
        }
    }

    // A_SᴴY.
    void take_targets()
    {
        const std::size_t stride = inverse_.stride();
        for (std::size_t k = 0; k < size(); ++k) {
            const Complex* target = frame_left_.correlation(members[k]);
            for (std::size_t m = 0; m < n_antennas; ++m) {
                target_[2 * m * stride + k] = target[m].real();
                target_[(2 * m + 1) * stride + k] = target[m].imag();
            }
        }
    }

    Frame frame_ = {};
    double energy_ = 0, residual_ = 0, trace_ = 0;
    OffSupport off_support_;
    Residual frame_left_;
    bool has_statistics_ = false; // of this fit
    std::vector<double> statistics_, next_;
    Hermitian inverse_, factor_;     // B, and T with TᴴT = B
    Array<double> target_, channel_; // A_SᴴY and X in planes, antenna by antenna
    // Of members: σ²/γ_k, what is added to the diagonal of their Gram matrix, Re Σ_m conj(t_km) x_km, and
    // Σ_m |x_km|².
    Array<double> ratio_, added_, explained_, energies_;
};

} // namespace jadce
