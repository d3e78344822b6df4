// SPDX-License-Identifier: GPL-3.0-or-later
// How sure a decision about a frame is: the compiled form of doubt.py, which gives its equations.
#pragma once

#include "arithmetic/elementary.hpp"
#include "arithmetic/simd.hpp"
#include "detection/support_fit.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

namespace jadce {

// Of a frame that is decided: its fit with the statistics of all devices, σ² and the number of antennas.
class Doubt
{
public:
    // The rule has to outlive it.
    Doubt(std::size_t n_devices, const DoubtRule& rule) : rule_(rule), energy_(n_devices), ratio_(n_devices)
    {
    }

    // Devices outside the support expected to be active.
    double missed(SupportFit& fit, double noise_var)
    {
        if (!can_tell(fit, noise_var)) {
            return 0;
        }
        double power = 0;
        for (const double own : fit.power) {
            power += own;
        }
        power /= double(fit.size()) * noise_var;
        const std::vector<double>& statistic = fit.statistics();
        for (std::size_t n = 0; n < statistic.size(); ++n) {
            energy_[n] = float(statistic[n] / noise_var);
            ratio_[n] = float(power * fit.share_outside(n));
        }
        take_probabilities(float(std::log(prior_odds(fit))), float(fit.n_antennas));
        double sum = 0;
        for (std::size_t n = 0; n < statistic.size(); ++n) {
            sum += fit.is_member[n] ? 0 : double(energy_[n]);
        }
        return sum;
    }

    // As `missed`, with the power of any member, of devices that stand out.
    double missed_unlike(SupportFit& fit, double noise_var)
    {
        if (!can_tell(fit, noise_var)) {
            return 0;
        }
        const std::vector<double>& statistic = fit.statistics();
        take_powers(fit, noise_var);
        const double least = rule_.min_energy * double(fit.n_antennas) * noise_var;
        double sum = 0;
        for (std::size_t n = 0; n < statistic.size(); ++n) {
            if (statistic[n] >= least && !fit.is_member[n]) {
                const double share = std::max(fit.share_outside(n), 0.0);
                sum += probability(fit, statistic[n] / noise_var, share, fit.size());
            }
        }
        return sum;
    }

    // Of the members' powers: standard deviation over mean, times √M.
    static double spread(const SupportFit& fit, double noise_var)
    {
        if (!can_tell(fit, noise_var)) {
            return 0;
        }
        double sum = 0, squares = 0;
        for (const double own : fit.power) {
            sum += own;
        }
        const double mean = sum / double(fit.size());
        for (const double own : fit.power) {
            squares += (own - mean) * (own - mean);
        }
        return std::sqrt(double(fit.n_antennas) * squares / double(fit.size())) / mean;
    }

    // What makes posterior means of the reported members' channels.
    void weigh(ActiveRows& rows, const SupportFit& fit, double noise_var)
    {
        rows.weight.assign(rows.device.size(), 1.0);
        if (!can_tell(fit, noise_var)) {
            return;
        }
        take_powers(fit, noise_var);
        for (std::size_t i = 0, k = 0; i < rows.device.size(); ++i) {
            k = fit.place_of(rows.device[i], k);
            rows.weight[i] = weight(fit, k, noise_var);
        }
    }

    // That member k is active, with the power of any other.
    double of_member(const SupportFit& fit, std::size_t k, double noise_var)
    {
        if (fit.size() < 2 || fit.size() >= fit.gram.n_devices()) {
            return 1;
        }
        take_powers(fit, noise_var);
        return probability(fit, fit.own_statistic(k) / noise_var, fit.own_share(k), k);
    }

private:
    void take_powers(const SupportFit& fit, double noise_var)
    {
        power_.clear();
        for (const double power : fit.power) {
            power_.push_back(float(power / noise_var));
        }
        power_.resize(std::size_t(padded<float>(int(fit.size()))), 0);
        log_ratio_.resize(power_.size());
        shrink_.resize(power_.size());
    }

    // Of member k, by the powers of the others, and any power in place of its own.
    double weight(const SupportFit& fit, std::size_t k, double noise_var)
    {
        const double share = fit.own_share(k), own = fit.power[k] * share / noise_var;
        const double active =
            probability(fit, fit.own_statistic(k) / noise_var, share, k, float(rule_.any_power));
        return active * mean_shrink_ * (1 + own) / own;
    }

    // That a device is active, with the power of any member but k, or as likely as of so many members any
    // power at all, and how much its channel is shrunk then.
    double probability(const SupportFit& fit, double energy, double share, std::size_t k, float any = 0)
    {
        constexpr float never = -1e30f, least = -46; // e^x of which is nothing beside 1, and a normal number
        take_logarithms(float(energy), float(share), float(fit.n_antennas));
        const std::size_t K = fit.size(), padded_size = power_.size();
        float *value = log_ratio_.data(), *shrink = shrink_.data();
        std::fill(value + K, value + padded_size, never);
        if (k < K) {
            const float ratio = power_[k] * float(share);
            value[k] = any > 0 ? value[k] + log_share(ratio, float(fit.n_antennas)) + std::log(any) : never;
        }
        const float peak = *std::max_element(value, value + K);
#pragma GCC ivdep
        for (std::size_t j = 0; j < padded_size; ++j) {
            const float below = value[j] - peak;
            value[j] = fast_exp_within(below < least ? least : below);
            shrink[j] *= value[j];
        }
        float likely = 0, shrunk = 0;
        for (std::size_t j = 0; j < K; ++j) {
            likely += value[j];
            shrunk += shrink[j];
        }
        mean_shrink_ = double(shrunk / likely);
        const double times_likelier =
            double(likely) / (double(k < K ? K - 1 : K) + double(any)); // times e^peak
        return 1 / (1 + std::exp(-double(peak)) / (times_likelier * prior_odds(fit)));
    }

    // Logarithm of the share of powers, by their logarithm, that energies do not tell from the likeliest.
    float log_share(float ratio, float n_antennas) const
    {
        constexpr float pi = 3.14159265f;
        return 0.5f * std::log(2 * pi / n_antennas) + std::log((1 + ratio) / (ratio * float(rule_.powers)));
    }

    // Of ratios r by the members' powers: energy r/(1 + r) − M log(1 + r), and r/(1 + r).
    void take_logarithms(float energy, float share, float n_antennas)
    {
        const std::size_t K = power_.size();
        const float* power = power_.data();
        float *value = log_ratio_.data(), *shrink = shrink_.data();
#pragma GCC ivdep
        for (std::size_t j = 0; j < K; ++j) {
            const float ratio = power[j] * share;
            shrink[j] = ratio / (1 + ratio);
            value[j] = energy * shrink[j] - n_antennas * fast_log(1 + ratio);
        }
    }

    static bool can_tell(const SupportFit& fit, double noise_var)
    {
        return noise_var > 0 && fit.size() > 0 && fit.size() < fit.gram.n_devices();
    }

    static double prior_odds(const SupportFit& fit)
    {
        return double(fit.size()) / double(fit.gram.n_devices() - fit.size());
    }

    // That a device is active, in the place of its energy.
    void take_probabilities(float prior, float n_antennas)
    {
        float* energy = energy_.data();
        const float* ratio = ratio_.data();
        const std::size_t count = energy_.size();
#pragma GCC ivdep
        for (std::size_t i = 0; i < count; ++i) {
            const float odds =
                energy[i] * ratio[i] / (1 + ratio[i]) - n_antennas * fast_log(1 + ratio[i]) + prior;
            energy[i] = 1 / (1 + fast_exp(-odds));
        }
    }

    const DoubtRule& rule_;
    std::vector<float> energy_, ratio_;             // of devices, as if outside
    std::vector<float> power_, log_ratio_, shrink_; // of members, padded; the first over σ²
    double mean_shrink_ = 1;                        // by the last probability
};

} // namespace jadce
