// SPDX-License-Identifier: GPL-3.0-or-later
// The noise that the sure devices of a frame leave, as it tells of each device.
#pragma once

#include "detection/noise_scale.hpp"
#include "detection/support_fit.hpp"

#include <cstddef>
#include <vector>

namespace jadce {

class SureNoise
{
public:
    explicit SureNoise(std::size_t n_devices) : rest_(n_devices) {}

    // Off the fit on the sure devices, and for each device without it.
    void measure(const Rule& rule, SupportFit& fit)
    {
        const std::vector<double>& statistic = fit.statistics();
        const double rows = fit.rows(), noise_var = fit.noise_left();
        outside_.clear();
        for (std::size_t n = 0; n < statistic.size(); ++n) {
            rest_[n] = left_over(rule, noise_var, rows, statistic[n], !fit.is_member[n]);
            if (!fit.is_member[n]) {
                outside_.push_back(statistic[n]);
                outside_dof_ = rest_[n].dof;
            }
        }
        if (rule.lower.limit > 0 && outside_.size() >= min_devices_for_scale && noise_var > 0) {
            scale_by_lower_statistics(rule, noise_var);
        }
    }

    const Rest& of(std::size_t device) const { return rest_[device]; }
    // Degrees of freedom of devices outside.
    double outside_dof() const { return outside_dof_; }

private:
    void scale_by_lower_statistics(const Rule& rule, double noise_var)
    {
        const double factor = lower_scale(rule, outside_) / noise_var;
        const double excess = rule.lower.excess / double(outside_.size());
        for (Rest& left : rest_) {
            const double certain = 1 / (1 + left.dof * excess);
            left.energy *= factor * certain;
            left.dof *= certain;
        }
        outside_dof_ *= 1 / (1 + outside_dof_ * excess);
    }

    std::vector<Rest> rest_;
    std::vector<double> outside_; // statistics
    double outside_dof_ = 0;
};

} // namespace jadce
