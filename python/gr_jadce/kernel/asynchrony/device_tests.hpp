// SPDX-License-Identifier: GPL-3.0-or-later
// The test of the devices that a search has found: gr_jadce.detection.asynchrony.search.
#pragma once

#include "asynchrony/cluster_fit.hpp"
#include "asynchrony/search_rule.hpp"

#include <algorithm>
#include <cfloat>
#include <cmath>
#include <map>
#include <vector>

namespace jadce {

// Energy over σ² of some noise, and its degrees of freedom.
struct NoiseTaken
{
    double energy = 0, dof = 0;
    void operator+=(const NoiseTaken& more)
    {
        energy += more.energy;
        dof += more.dof;
    }
};

// What counts as noise for devices: all that is not sure, and of it what devices take.
struct Unsure
{
    NoiseTaken all;
    std::map<int, NoiseTaken> devices;

    void add(int device, const NoiseTaken& taken)
    {
        all += taken;
        devices[device] = taken;
    }
    NoiseTaken but(const NoiseTaken& own) const { return {all.energy - own.energy, all.dof - own.dof}; }
};

class DeviceTests
{
public:
    DeviceTests(const ArrivalTable& table, const SearchRule& rule, int M)
        : table_(table), rule_(rule), numbers_(rule_.rounds), M_(M), fit_(table, M)
    {
    }

    const ClusterFit& fit() const { return fit_; }
    double score(int device) const { return scores_.at(device); }
    double told() const { return told_; }

protected:
    ~DeviceTests() = default;

    // False devices take the largest peaks of the noise along, and so do false paths of others, from a σ²
    // that is measured. So those that are not sure count as noise for each other, nor do they vouch for each
    // other: each is tested without the others.
    virtual void score_all()
    {
        Unsure unsure;
        const auto all = fit_.own();
        scores_.clear();
        for (const auto& [device, numbers] : all) {
            const double t = statistic_without(numbers);
            scores_[device] = score(t, {});
            if (scores_[device] < sure()) {
                unsure.add(device, {t, M_ + parameters(numbers) / 2});
            } else if (!is_known()) {
                for (int number : unsure_paths(numbers)) {
                    unsure.all += {statistic_without({number}), M_ + parameters({number}) / 2};
                }
            }
        }
        std::vector<std::vector<int>> clusters;
        for (const auto& [device, taken] : unsure.devices) {
            clusters.push_back(all.at(device));
        }
        const std::vector<double> t = statistics_without(clusters);
        std::size_t i = 0;
        for (const auto& [device, taken] : unsure.devices) {
            scores_[device] = score(t[i++], unsure.but(taken));
        }
    }

    // Those of a device's clusters that are not sure, but its strongest.
    std::vector<int> unsure_paths(const std::vector<int>& numbers)
    {
        const auto power = [&](int number) { return fit_.clusters[std::size_t(number)].power; };
        const int strongest = *std::max_element(
            numbers.begin(), numbers.end(), [&](int a, int b) { return power(a) < power(b); });
        std::vector<int> unsure;
        for (int number : numbers) {
            if (number != strongest && score(statistic_without({number}), {}) < sure()) {
                unsure.push_back(number);
            }
        }
        return unsure;
    }

    // The score of sure devices.
    double sure() const { return std::log10(table_.N / numbers_.sure_false_count); }

    // The statistic of a device at its strongest column, its clusters taken out of Σ.
    double statistic_without(const std::vector<int>& numbers) { return statistics_without({numbers})[0]; }

    // Of several devices, the clusters of all of them taken out.
    std::vector<double> statistics_without(const std::vector<std::vector<int>>& devices)
    {
        std::vector<int> numbers;
        for (const std::vector<int>& own : devices) {
            numbers.insert(numbers.end(), own.begin(), own.end());
        }
        SmallMatrix gram, match;
        fit_.leave_out(numbers, out_);
        fit_.all.see_own(out_, gram, match);
        std::vector<double> strongest;
        int i = 0;
        for (const std::vector<int>& own : devices) {
            strongest.push_back(0);
            for (const int end = i + fit_.n_columns(own); i < end; ++i) {
                const double t = match.row_energy(i) / std::max(gram(i, i).real(), DBL_MIN);
                strongest.back() = std::max(strongest.back(), t);
            }
        }
        return strongest;
    }

    // Real numbers by which clusters were fitted, but for their gains.
    double parameters(const std::vector<int>& numbers) const
    {
        double count = 0;
        for (int number : numbers) {
            const bool is_path = fit_.clusters[std::size_t(number)].is_path();
            count += 1 + !is_path + (rule_.max_offset > 0);
        }
        return count;
    }

    // −log10 p of a statistic, with some more energy (over σ²) of some more noise. Others that took it left
    // less than the σ² that is told: the statistic is raised by as much, to first order.
    double score(double t, const NoiseTaken& more) const
    {
        const double rest = dof_ + more.energy, dof = dof_ + more.dof;
        return is_known() ? score_known_anywhere(t * std::exp(rest / dof - 1), M_, rule_.extent)
                          : score_unknown_anywhere(t, rest, M_, dof, rule_.extent);
    }

    // Whether σ² is the one that was told.
    bool is_known() const { return told_ > 0 && fit_.all.noise_var <= told_; }

    const ArrivalTable& table_;
    const SearchRule rule_;
    const RoundRule& numbers_;
    const int M_;
    ClusterFit fit_;
    LeftOut out_;
    std::map<int, double> scores_;
    double told_ = 0, dof_ = 0;
};

} // namespace jadce
