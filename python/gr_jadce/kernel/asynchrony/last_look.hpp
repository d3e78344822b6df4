// SPDX-License-Identifier: GPL-3.0-or-later
// A last look for devices that arrive as the others of their frame do:
// gr_jadce.detection.asynchrony.last_look.
#pragma once

#include "asynchrony/delay_profile.hpp"
#include "asynchrony/eigenvalues.hpp"
#include "asynchrony/search.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

namespace jadce {

class LastLook final : public Search
{
public:
    LastLook(const ArrivalTable& table, const SearchRule& rule, int M)
        : Search(table, rule, M), look_(rule.look), seen_(table.L, rule.look.columns)
    {
    }

private:
    static constexpr double known_dof = 1e12; // of a σ² that is told

    void decide() override
    {
        if (rule_.max_paths > 1) {
            look_again();
        }
        Search::decide();
    }

    void look_again()
    {
        std::fill(dropped_.begin(), dropped_.end(), 0);
        const double near_score = look_.near_share * rule_.threshold;
        for (int look = 0; look < look_.looks && add_alike(near_score); ++look) {
            settle(look_.settling);
            score_all();
            bool dropped = false;
            for (const auto& [device, score] : scores_) {
                if (score < near_score) {
                    drop(device);
                    dropped = true;
                }
            }
            if (dropped) {
                fit_.invert();
            }
        }
    }

    // Devices that the profile makes likely.
    bool add_alike(double near_score)
    {
        const Prior prior = DelayProfile(table_, look_, fit_.clusters).prior();
        if (prior.delays.empty()) {
            return false;
        }
        correlator_.load(fit_.all.filtered(), fit_.all.trace() / table_.L);
        clear_places();
        correlator_.look_coarsely(likely_, places_);
        correlator_.look_between(likely_, places_);
        std::vector<int> order(std::size_t(std::min(look_.looked_at, table_.N)));
        find_strongest(order);
        std::vector<Candidate> candidates;
        for (int n : order) {
            const Place& place = places_[std::size_t(n)];
            if (place.reach > 0) {
                const double score = either(0, alike(n, place.offset, prior, nothing_), prior.trust);
                candidates.push_back({score, {n, table_.delay(place.delay), 0, place.offset, 0}});
            }
        }
        return add(candidates, near_score, look_.added_share, look_.added_at_once);
    }

    // −log10 p of a device by the test whether it arrives as the others do.
    double alike(int device, double offset, const Prior& prior, const LeftOut& out)
    {
        const int count = int(prior.delays.size());
        seen_.columns.resize(count);
        for (int i = 0; i < count; ++i) {
            table_.arrive(device,
                          prior.delays[std::size_t(i)],
                          offset,
                          std::sqrt(prior.shares[std::size_t(i)]),
                          seen_.columns.column(i),
                          seen_.columns.plane());
        }
        fit_.all.see(out, seen_);
        SmallMatrix &gram = seen_.gram, &match = seen_.match;
        diagonalize(gram, match);
        Weights weights;
        weights.M = M_;
        double energy = 0, all = 0;
        for (int i = 0; i < count; ++i) {
            all += std::max(gram(i, i).real(), DBL_MIN);
        }
        for (int i = 0; i < count; ++i) {
            const double own = std::max(gram(i, i).real(), DBL_MIN);
            const double loaded = rule_.limit / M_ * own / all;
            weights.of.push_back(loaded / (1 + loaded));
            energy += weights.of.back() / own * match.row_energy(i);
        }
        return score_weighted(energy, weights, is_known() ? known_dof : dof_, rule_.extent.offset);
    }

    void score_all() override
    {
        Search::score_all();
        if (rule_.max_paths == 1) {
            return;
        }
        const DelayProfile profile(table_, look_, fit_.clusters);
        for (const auto& [device, numbers] : fit_.own()) {
            double& score = scores_.at(device);
            const Prior prior = profile.prior(device);
            if (score < look_.sure_share * rule_.threshold && !prior.delays.empty()) {
                const double offset = fit_.clusters[std::size_t(numbers[0])].offset;
                fit_.leave_out(numbers, out_);
                score = either(score, alike(device, offset, prior, out_), prior.trust);
            }
        }
    }

    // The score of a device by two tests that share the false alarms.
    static double either(double alone, double alike, double share)
    {
        return std::max({alone + std::log10(1 - share), alike + std::log10(share), 0.0});
    }

    const LookRule look_;
    Seen seen_;
};

} // namespace jadce
