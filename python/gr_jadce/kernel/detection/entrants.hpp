// SPDX-License-Identifier: GPL-3.0-or-later
// Devices that enter a support together, to see what comes of it: `ends_elsewhere` of doubt.py.
#pragma once

#include "detection/p_values.hpp"
#include "detection/support_fit.hpp"

#include <algorithm>
#include <cstddef>
#include <vector>

namespace jadce {

class Entrants
{
public:
    // The rule has to outlive it.
    explicit Entrants(const DoubtRule& rule) : rule_(rule) {}

    // Takes a fit, and the level that is asked for.
    void take(SupportFit& fit, double level)
    {
        clear();
        members_ = fit.members;
        power_.assign(fit.is_member.size(), 0);
        for (std::size_t k = 0; k < members_.size(); ++k) {
            power_[members_[k]] = fit.power[k];
        }
        find_best(fit, fit.statistics());
        keep_close(fit, level);
    }

    void clear()
    {
        for (std::vector<std::size_t>* devices : {&members_, &best_, &counts_}) {
            devices->clear();
        }
    }

    // The members, as they were taken.
    const std::vector<std::size_t>& members() const { return members_; }

    // The powers of devices that start, as they were taken.
    std::vector<double> powers(const std::vector<std::size_t>& start) const
    {
        std::vector<double> found;
        for (const std::size_t device : start) {
            found.push_back(power_[device]);
        }
        return found;
    }

    // Calls stays(start) of one support after another; whether it is false of any.
    template <class Stays>
    bool any_leads_elsewhere(Stays stays) const
    {
        for (const std::size_t count : counts_) {
            std::vector<std::size_t> start = members_;
            start.insert(start.end(), best_.begin(), best_.begin() + std::ptrdiff_t(count));
            std::sort(start.begin(), start.end());
            if (!stays(start)) {
                return true;
            }
        }
        return false;
    }

private:
    void find_best(const SupportFit& fit, const std::vector<double>& statistic)
    {
        const std::size_t most = rule_.max_entries;
        for (std::size_t n = 0; n < statistic.size(); ++n) {
            if (fit.is_member[n] || (best_.size() == most && statistic[n] <= statistic[best_.back()])) {
                continue;
            }
            const auto behind = std::find_if(best_.begin(), best_.end(), [&](std::size_t other) {
                return statistic[n] > statistic[other];
            });
            best_.insert(behind, n);
            best_.resize(std::min(best_.size(), most));
        }
    }

    // How many of the best, two or more, nearly pass the test together: against what all of them leave.
    void keep_close(SupportFit& fit, double level)
    {
        const double M = double(fit.n_antennas);
        double dof = M * fit.rows(), rest = fit.noise_left() * dof;
        for (std::size_t i = 0; i < best_.size(); ++i) {
            const double t = fit.statistics()[best_[i]];
            power_[best_[i]] = fit.power_outside(best_[i], t);
            rest -= t;
            dof -= M;
            if (i > 0 && score_unknown(t, std::max(rest, 0.0), fit.n_antennas, dof) >= level - rule_.entry) {
                counts_.push_back(i + 1);
            }
        }
    }

    const DoubtRule& rule_;
    std::vector<std::size_t> members_, best_, counts_; // best first
    std::vector<double> power_;                        // of all devices
};

} // namespace jadce
