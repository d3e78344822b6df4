// SPDX-License-Identifier: GPL-3.0-or-later
// Σ = σ²I + Σ_c γ_c B_c B_cᴴ of the clusters of paths in a frame, fitted by likelihood: ClusterFit of
// gr_jadce.detection.asynchrony.
#pragma once

#include "asynchrony/arrival_table.hpp"
#include "asynchrony/cluster.hpp"
#include "asynchrony/explained.hpp"

#include <cmath>
#include <map>
#include <vector>

namespace jadce {

class ClusterFit
{
public:
    std::vector<Cluster> clusters;
    Explained all; // of the clusters

    ClusterFit(const ArrivalTable& table, int M) : all(table.L, M), table_(table), own_(table.L, n_nodes) {}

    // The numbers of the clusters of each device.
    std::map<int, std::vector<int>> own() const
    {
        std::map<int, std::vector<int>> numbers;
        for (std::size_t i = 0; i < clusters.size(); ++i) {
            numbers[clusters[i].device].push_back(int(i));
        }
        return numbers;
    }

    // Whether a cluster is its device's first.
    bool is_first(std::size_t i) const
    {
        for (std::size_t j = 0; j < i; ++j) {
            if (clusters[j].device == clusters[i].device) {
                return false;
            }
        }
        return true;
    }

    // Σ⁻¹, of the clusters as they are.
    void invert()
    {
        int count = 0;
        start_.assign(clusters.size(), -1);
        for (std::size_t i = 0; i < clusters.size(); ++i) {
            if (clusters[i].power > 0) {
                start_[i] = count;
                count += clusters[i].n_columns();
            }
        }
        all.make_room(count);
        for (std::size_t i = 0; i < clusters.size(); ++i) {
            if (clusters[i].power > 0) {
                set_columns(clusters[i], own_.columns);
                all.lay_out(start_[i], own_, clusters[i].power);
            }
        }
        all.refresh();
    }

    // Leaves some clusters out of the Σ that others are tried in.
    void leave_out(const std::vector<int>& numbers, LeftOut& out) const
    {
        out.places.clear();
        for (int number : numbers) {
            for (int i = 0; start(number) >= 0 && i < clusters[std::size_t(number)].n_columns(); ++i) {
                out.places.push_back(start(number) + i);
            }
        }
        all.leave_out(out);
    }

    // Of some clusters, so far as they are in Σ.
    int n_columns(const std::vector<int>& numbers) const
    {
        int count = 0;
        for (int number : numbers) {
            count += start(number) >= 0 ? clusters[std::size_t(number)].n_columns() : 0;
        }
        return count;
    }

    // Tries a cluster in place of what is left out, with the power that is best for it.
    void look(const Cluster& cluster, const LeftOut& out, Trial& trial) const
    {
        set_columns(cluster, trial.columns);
        trial.is_laid_out = true;
        all.see(out, trial);
        fit_power(cluster.power, all.M(), trial);
    }

    // The same of a cluster that is left out, as it is.
    void look_at_own(const Cluster& cluster, const LeftOut& out, Trial& trial) const
    {
        if (out.places.empty()) {
            look(cluster, out, trial);
            return;
        }
        trial.is_laid_out = false;
        all.see_own(out, trial.gram, trial.match);
        fit_power(cluster.power, all.M(), trial);
    }

    // Puts a cluster in place of one that is left out.
    void replace(int number, const Cluster& cluster, const LeftOut& out, Trial& trial)
    {
        if (!trial.is_laid_out) {
            look(cluster, out, trial);
        }
        start_.resize(clusters.size(), -1);
        const int before = start(number), place = all.replace(out, trial, trial.power);
        if (place != before && before >= 0) {
            for (int& start : start_) {
                start -= start > before ? int(out.places.size()) : 0;
            }
        }
        start_[std::size_t(number)] = place;
        clusters[std::size_t(number)] = cluster;
    }

    // The linear MMSE estimate of the gain of a cluster's column at antenna m.
    Complex gain(int number, int column, int m) const { return all.gain(start(number) + column, m); }

private:
    void set_columns(const Cluster& c, Columns& to) const
    {
        to.resize(c.n_columns());
        for (int i = 0; i < c.n_columns(); ++i) {
            table_.arrive(
                c.device, c.column_delay(i), c.offset, c.column_weight(i), to.column(i), to.plane());
        }
    }

    // Of a cluster's columns among all; −1 without power.
    int start(int number) const { return number < int(start_.size()) ? start_[std::size_t(number)] : -1; }

    const ArrivalTable& table_;
    Seen own_;
    std::vector<int> start_;
};

} // namespace jadce
