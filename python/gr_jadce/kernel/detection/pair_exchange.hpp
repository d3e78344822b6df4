// SPDX-License-Identifier: GPL-3.0-or-later
// Two devices in the place of two members of a support: `exchange_pairs` of support_fit.py, compiled.
#pragma once

#include "detection/support_fit.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

namespace jadce {

class PairExchange
{
public:
    // Whether pairs of a support's members are exchanged.
    static bool may(const SupportFit& fit)
    {
        constexpr std::size_t most = 8; // members
        return fit.has_few_samples() && fit.size() >= 2 && fit.size() <= most;
    }

    // How much likelier, as a logarithm, each member makes the frame than two others for it and any other
    // member; the likeliest fit with two exchanged is kept for `adopt`. The fit itself stays as it is.
    const std::vector<double>& leads(SupportFit& fit, bool fixed)
    {
        const SupportFit::State before = fit.state();
        fit.settle(fixed);
        const SupportFit::State settled = fit.state();
        own_ = fit.log_evidence();
        most_ = -std::numeric_limits<double>::infinity();
        lead_.assign(settled.members.size(), std::numeric_limits<double>::infinity());
        for (std::size_t i = 0; i < lead_.size(); ++i) {
            for (std::size_t j = i + 1; j < lead_.size(); ++j) {
                fit.resume(settled);
                exchange(fit, i, j, fixed);
            }
        }
        fit.resume(before);
        return lead_;
    }

    // Whether other devices make the frame likelier; if so, the fit becomes theirs.
    bool adopt(SupportFit& fit) const
    {
        if (!(most_ > own_)) {
            return false;
        }
        fit.resume(best_);
        return true;
    }

private:
    static constexpr std::size_t n_first = 8; // devices that are tried as the first of a pair

    void exchange(SupportFit& fit, std::size_t i, std::size_t j, bool fixed)
    {
        barred_ = {fit.members[i], fit.members[j]};
        leaves_.assign(fit.size(), 0);
        leaves_[i] = leaves_[j] = 1;
        fit.drop(leaves_);
        const SupportFit::State base = fit.state();
        const std::vector<double> t = outside(fit);
        order_.resize(t.size());
        std::iota(order_.begin(), order_.end(), std::size_t(0));
        const std::size_t count = std::min(n_first, t.size());
        std::partial_sort(
            order_.begin(), order_.begin() + count, order_.end(), [&](std::size_t a, std::size_t b) {
                return t[a] > t[b] || (t[a] == t[b] && a < b);
            });
        for (std::size_t k = 0; k < count && t[order_[k]] > 0; ++k) {
            fit.resume(base);
            fit.statistics(); // of the base, for the share of what comes
            fit.add(order_[k], t[order_[k]]);
            fit.settle(fixed);
            complete(fit, i, j, fixed);
        }
    }

    void complete(SupportFit& fit, std::size_t i, std::size_t j, bool fixed)
    {
        const std::vector<double>& t = outside(fit);
        const std::size_t second = std::size_t(std::max_element(t.begin(), t.end()) - t.begin());
        if (!(t[second] > 0)) {
            return;
        }
        fit.add(second, t[second]);
        fit.settle(fixed);
        const double evidence = fit.log_evidence();
        lead_[i] = std::min(lead_[i], own_ - evidence);
        lead_[j] = std::min(lead_[j], own_ - evidence);
        if (evidence > most_) {
            most_ = evidence;
            best_ = fit.state();
        }
    }

    // t of every device, 0 of members and of the two that have left.
    const std::vector<double>& outside(SupportFit& fit)
    {
        outside_ = fit.statistics();
        for (std::size_t n : fit.members) {
            outside_[n] = 0;
        }
        outside_[barred_[0]] = outside_[barred_[1]] = 0;
        return outside_;
    }

    std::vector<double> lead_, outside_;
    std::vector<std::size_t> order_;
    std::vector<char> leaves_;
    std::array<std::size_t, 2> barred_ = {};
    double own_ = 0, most_ = 0;
    SupportFit::State best_;
};

} // namespace jadce
