// SPDX-License-Identifier: GPL-3.0-or-later
// Devices out of step, found one after another in what those before leave:
// gr_jadce.detection.asynchrony.search.
#pragma once

#include "asynchrony/correlator.hpp"
#include "asynchrony/device_tests.hpp"
#include "asynchrony/moves.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <numeric>
#include <utility>
#include <vector>

namespace jadce {

class Search : public DeviceTests
{
public:
    Search(const ArrivalTable& table, const SearchRule& rule, int M)
        : DeviceTests(table, rule, M), moves_(table, rule_, fit_), one_(table.L, 1), correlator_(table, M),
          dropped_(std::size_t(table.N)), all_(std::size_t(table.N))
    {
        std::iota(all_.begin(), all_.end(), 0);
    }

    // `noise_var`: 0 if unknown. A frame has a mean energy of 1 a sample.
    template <class Sample>
    void run(const std::complex<Sample>* frame, double noise_var)
    {
        fit_.all.load(frame);
        told_ = noise_var;
        fit_.clusters.clear();
        likely_.clear();
        std::fill(dropped_.begin(), dropped_.end(), 0);
        dof_ = double(table_.L) * M_;
        fit_.all.noise_var = std::max({fit_.all.energy() / dof_, told_, numbers_.least_noise_var});
        fit_.invert();
        devices_first_ = false;
        search();
        score_all();
        if (take_unsure_off()) {
            devices_first_ = true;
            search();
        }
        settle(1);
        decide();
    }

protected:
    void search()
    {
        for (int round = 0; round < numbers_.rounds && add_anything(); ++round) {
            settle(numbers_.settling, numbers_.falling);
            drop_weak();
        }
        settle(1);
    }

    // Devices that are not sure leave, and paths of others; whether any did. Any may come again.
    bool take_unsure_off()
    {
        std::vector<int> leaving;
        for (const auto& [device, numbers] : fit_.own()) {
            const std::vector<int> unsure = scores_.at(device) < sure() ? numbers : unsure_paths(numbers);
            leaving.insert(leaving.end(), unsure.begin(), unsure.end());
        }
        std::sort(leaving.begin(), leaving.end(), std::greater<int>());
        for (int number : leaving) {
            fit_.clusters.erase(fit_.clusters.begin() + number);
        }
        if (!leaving.empty()) {
            fit_.invert();
            settle(1);
            std::fill(dropped_.begin(), dropped_.end(), 0);
        }
        return !leaving.empty();
    }

    bool add_anything()
    {
        correlator_.load(fit_.all.filtered(), fit_.all.trace() / table_.L);
        clear_places();
        correlator_.look_coarsely(likely_, places_);
        if (add_of_likely(true)) {
            return true;
        }
        clear_places();
        correlator_.look_coarsely(all_, places_);
        likely_.resize(std::size_t(std::min(table_.N, std::max(table_.L / 2, numbers_.looked_at))));
        find_strongest(likely_);
        return add_of_likely(false);
    }

    // Of the likely devices, of which every other delay was looked at; of more paths of others, if they were
    // not tried before.
    bool add_of_likely(bool with_paths)
    {
        correlator_.look_between(likely_, places_);
        const double near = rule_.limit * (rule_.max_offset > 0 ? numbers_.near_turned : numbers_.near);
        return add_devices(numbers_.strong * rule_.limit) || (devices_first_ && add_devices(near)) ||
               (with_paths && rule_.max_paths > 1 && add_paths()) || add_devices(near);
    }

    // Devices that are there are not looked for, nor those that dropped out twice.
    void clear_places()
    {
        places_.assign(std::size_t(table_.N), Place());
        for (int n : all_) {
            places_[std::size_t(n)].is_wanted = dropped_[std::size_t(n)] < 2;
        }
        for (const Cluster& cluster : fit_.clusters) {
            places_[std::size_t(cluster.device)].is_wanted = false;
        }
    }

    // As many as there is room for.
    void find_strongest(std::vector<int>& devices) const
    {
        const auto reach = [&](int n) { return places_[std::size_t(n)].reach; };
        std::partial_sort_copy(all_.begin(), all_.end(), devices.begin(), devices.end(), [&](int a, int b) {
            return reach(a) > reach(b) || (reach(a) == reach(b) && a < b);
        });
    }

    struct Candidate
    {
        double statistic;
        Cluster cluster;
    };

    // A device's path at a delay that is searched, with t = ‖aᴴΣ⁻¹Y‖² / aᴴΣ⁻¹a, by its match, the numerator.
    Candidate candidate(int device, int delay, double offset, double match)
    {
        table_.arrive(device, delay, offset, one_.columns.column(0), one_.columns.plane());
        fit_.all.see(nothing_, one_);
        const double own = std::max(one_.gram(0, 0).real(), DBL_MIN);
        return {match / own, {device, table_.delay(delay), 0, offset, 0}};
    }

    bool add_devices(double limit)
    {
        std::vector<int> order(std::size_t(std::min(numbers_.looked_at, table_.N)));
        find_strongest(order);
        std::vector<Candidate> candidates;
        for (int n : order) {
            const Place& place = places_[std::size_t(n)];
            if (place.reach >= numbers_.looked_at_share * limit) {
                candidates.push_back(candidate(n, place.delay, place.offset, place.match));
            }
        }
        return add(candidates, limit, numbers_.device_share, numbers_.devices_at_once);
    }

    // More paths of active devices.
    bool add_paths()
    {
        std::vector<Candidate> candidates;
        for (const auto& [device, numbers] : fit_.own()) {
            if (int(numbers.size()) < rule_.max_paths) {
                const Candidate best = strongest(device, fit_.clusters[std::size_t(numbers[0])].offset);
                if (best.statistic > 0) {
                    candidates.push_back(best);
                }
            }
        }
        return add(candidates, rule_.path_limit, numbers_.path_share, numbers_.paths_at_once);
    }

    // A device's strongest path, of the peaks of its match.
    Candidate strongest(int device, double offset)
    {
        correlator_.match(device, offset, match_);
        const float limit =
            std::max(float(numbers_.tried_share) * *std::max_element(match_.begin(), match_.end()),
                     float(numbers_.looked_at_share * rule_.path_limit * fit_.all.trace() / table_.L));
        Candidate best{0, {}};
        for (std::size_t g = 0; g < match_.size(); ++g) {
            const bool is_peak = (g == 0 || match_[g] >= match_[g - 1]) &&
                                 (g + 1 == match_.size() || match_[g] >= match_[g + 1]);
            if (is_peak && match_[g] >= limit) {
                const Candidate tried = candidate(device, int(g), offset, match_[g]);
                best = tried.statistic > best.statistic ? tried : best;
            }
        }
        return best;
    }

    // The strongest of some paths, if they reach the limit and a share of the strongest.
    bool add(std::vector<Candidate>& candidates, double limit, double share, std::size_t most)
    {
        std::stable_sort(candidates.begin(), candidates.end(), [](const Candidate& a, const Candidate& b) {
            return a.statistic > b.statistic;
        });
        std::size_t added = 0;
        for (const Candidate& c : candidates) {
            if (added == most || c.statistic < std::max(limit, share * candidates[0].statistic)) {
                break;
            }
            fit_.clusters.push_back(c.cluster);
            ++added;
        }
        return added > 0;
    }

    // So many times, or fewer: until σ² falls by less than to that share.
    void settle(int times, double share = INFINITY)
    {
        double before = INFINITY;
        moves_.begin();
        for (; times > 0 && fit_.all.noise_var <= share * before; --times) {
            before = fit_.all.noise_var;
            moves_.refine();
            fit_.all.filter();
            for (int i = 0; i < 2; ++i) {
                measure_noise();
                fit_.all.refresh();
            }
        }
        auto& all = fit_.clusters;
        const std::size_t count = all.size();
        all.erase(std::remove_if(all.begin(), all.end(), [](const Cluster& c) { return c.power <= 0; }),
                  all.end());
        if (all.size() < count) {
            fit_.invert();
        }
    }

    void measure_noise()
    {
        std::vector<int> numbers(fit_.clusters.size());
        std::iota(numbers.begin(), numbers.end(), 0);
        const double all = double(table_.L) * M_;
        dof_ = std::max(M_ * fit_.all.noise_var * fit_.all.trace() - parameters(numbers) / 2,
                        numbers_.least_dof_share * all);
        fit_.all.noise_var = std::max({fit_.all.rest() / dof_, told_, numbers_.least_noise_var});
    }

    void drop(int device)
    {
        auto& all = fit_.clusters;
        all.erase(
            std::remove_if(all.begin(), all.end(), [=](const Cluster& c) { return c.device == device; }),
            all.end());
        ++dropped_[std::size_t(device)];
    }

    void drop_weak()
    {
        std::vector<int> leaving;
        for (const auto& [device, numbers] : fit_.own()) {
            if (statistic_without(numbers) < numbers_.weak * rule_.limit) {
                leaving.push_back(device);
            }
        }
        for (int device : leaving) {
            drop(device);
        }
        if (!leaving.empty()) {
            fit_.invert();
        }
    }

    // Every device passes the test; the weakest of those that do not drops out first.
    virtual void decide()
    {
        for (;;) {
            score_all();
            const auto weakest = std::min_element(
                scores_.begin(), scores_.end(), [](auto& a, auto& b) { return a.second < b.second; });
            if (weakest == scores_.end() || weakest->second >= rule_.threshold) {
                return;
            }
            drop(weakest->first);
            fit_.invert();
            settle(1);
        }
    }

    Moves moves_;
    Seen one_;
    const LeftOut nothing_;
    Correlator correlator_;
    std::vector<Place> places_;
    std::vector<float> match_;
    std::vector<int> dropped_, all_, likely_;
    bool devices_first_ = false;
};

} // namespace jadce
