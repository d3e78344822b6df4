// SPDX-License-Identifier: GPL-3.0-or-later
// How sure a decision about a frame is: the compiled form of doubt.py, which gives its equations.
#pragma once

#include "arithmetic/elementary.hpp"
#include "detection/support_fit.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

namespace jadce {

// Of a frame that is decided: its fit with the statistics of all devices, σ² and the number of antennas.
class Doubt
{
public:
    explicit Doubt(std::size_t n_devices) : energy_(n_devices), ratio_(n_devices) {}

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
        std::size_t count = 0;
        for (std::size_t n = 0; n < statistic.size(); ++n) {
            energy_[count] = float(statistic[n] / noise_var);
            ratio_[count] = float(power * fit.share_outside(n));
            count += !fit.is_member[n];
        }
        return sum(count, float(prior(fit)), float(fit.n_antennas));
    }

    // As `missed`, with the power of any member, of devices that stand out.
    double missed_unlike(SupportFit& fit, double noise_var)
    {
        constexpr double min_energy = 2; // times M
        if (!can_tell(fit, noise_var)) {
            return 0;
        }
        const std::vector<double>& statistic = fit.statistics();
        const double least = min_energy * double(fit.n_antennas) * noise_var;
        double sum = 0;
        for (std::size_t n = 0; n < statistic.size(); ++n) {
            if (statistic[n] >= least && !fit.is_member[n]) {
                const double share = std::max(fit.share_outside(n), 0.0);
                sum += probability(fit, statistic[n] / noise_var, share / noise_var, fit.size());
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

    // The probability of a member to be active.
    double weight(const SupportFit& fit, std::size_t k, double noise_var)
    {
        if (!can_tell(fit, noise_var) || fit.size() < 2) {
            return 1;
        }
        return probability(fit, fit.own_statistic(k) / noise_var, fit.own_share(k) / noise_var, k);
    }

    // The probabilities of the reported members.
    void weigh(ActiveRows& rows, const SupportFit& fit, double threshold, double noise_var)
    {
        constexpr double sure_above = 6; // the threshold
        rows.weight.assign(rows.device.size(), 1.0);
        for (std::size_t i = 0, k = 0; i < rows.device.size(); ++i) {
            for (; fit.members[k] != rows.device[i]; ++k) {
            }
            if (rows.score[i] - threshold < sure_above) {
                rows.weight[i] = weight(fit, k, noise_var);
            }
        }
    }

private:
    // That a device is active, with the power of any member but k.
    double probability(const SupportFit& fit, double energy, double share, std::size_t k)
    {
        log_ratio_.clear();
        for (std::size_t j = 0; j < fit.size(); ++j) {
            if (j != k) {
                log_ratio_.push_back(float(fit.power[j] * share));
            }
        }
        const float peak = take_logarithms(float(energy), float(fit.n_antennas));
        const std::size_t count = log_ratio_.size();
        const float* value = log_ratio_.data();
        float likely = 0;
#pragma GCC ivdep
        for (std::size_t j = 0; j < count; ++j) {
            likely += fast_exp(value[j] - peak);
        }
        const double odds = double(peak) + std::log(double(likely) / double(count)) + prior(fit);
        return 1 / (1 + std::exp(-std::min(std::max(odds, -60.0), 60.0)));
    }

    // Of ratios r, energy r/(1 + r) − M log(1 + r); returns the largest.
    float take_logarithms(float energy, float n_antennas)
    {
        const std::size_t count = log_ratio_.size();
        float* value = log_ratio_.data();
#pragma GCC ivdep
        for (std::size_t j = 0; j < count; ++j) {
            value[j] = energy * value[j] / (1 + value[j]) - n_antennas * fast_log(1 + value[j]);
        }
        return *std::max_element(value, value + count);
    }

    static bool can_tell(const SupportFit& fit, double noise_var)
    {
        return noise_var > 0 && fit.size() > 0 && fit.size() < fit.gram.n_devices();
    }

    static double prior(const SupportFit& fit)
    {
        return std::log(double(fit.size()) / double(fit.gram.n_devices() - fit.size()));
    }

    // Σ of the probabilities.
    double sum(std::size_t count, float prior, float n_antennas)
    {
        float* energy = energy_.data();
        const float* ratio = ratio_.data();
#pragma GCC ivdep
        for (std::size_t i = 0; i < count; ++i) {
            const float odds =
                energy[i] * ratio[i] / (1 + ratio[i]) - n_antennas * fast_log(1 + ratio[i]) + prior;
            energy[i] = 1 / (1 + fast_exp(-odds));
        }
        double total = 0;
        for (std::size_t i = 0; i < count; ++i) {
            total += double(energy[i]);
        }
        return total;
    }

    std::vector<float> energy_, ratio_, log_ratio_;
};

} // namespace jadce
