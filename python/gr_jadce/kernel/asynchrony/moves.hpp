// SPDX-License-Identifier: GPL-3.0-or-later
// Clusters of paths, moved one after another to where they make the frame likelier:
// gr_jadce.detection.asynchrony.moves.
#pragma once

#include "asynchrony/cluster_fit.hpp"
#include "asynchrony/search_rule.hpp"

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

namespace jadce {

class Moves
{
public:
    Moves(const ArrivalTable& table, const SearchRule& rule, ClusterFit& fit)
        : table_(table), rule_(rule), numbers_(rule.moves), fit_(fit), best_(table.L), trial_(table.L)
    {
    }

    // Of the clusters as they are, until some leave or come.
    void begin() { is_moving_.assign(fit_.clusters.size(), true); }

    // Every cluster that a move may still gain much for.
    void refine()
    {
        for (std::size_t i = 0; i < fit_.clusters.size(); ++i) {
            is_moving_[i] = is_moving_[i] && refine(i);
        }
    }

private:
    // Moves a cluster, if it gains much by that; whether it does.
    bool refine(std::size_t i)
    {
        Cluster cluster = fit_.clusters[i];
        fit_.leave_out({int(i)}, out_);
        fit_.look_at_own(cluster, out_, best_);
        const double gain_before = best_.gain_before;
        cluster.power = best_.power;
        move(cluster, &Cluster::delay, numbers_.delay_step, numbers_.delay_reach, rule_.low, rule_.high);
        if (rule_.max_offset > 0 && fit_.is_first(i)) {
            const double edge = numbers_.offset_beyond * rule_.max_offset;
            move(cluster,
                 &Cluster::offset,
                 numbers_.offset_step / table_.L,
                 numbers_.offset_reach / table_.L,
                 -edge,
                 edge);
        }
        if (rule_.max_paths > 1) {
            widen(cluster);
        }
        if (best_.gain < gain_before + numbers_.least_gain) {
            return false;
        }
        const bool turned = cluster.offset != fit_.clusters[i].offset;
        fit_.replace(int(i), cluster, out_, best_);
        if (turned) {
            turn_all(cluster.device, cluster.offset);
        }
        return true;
    }

    void turn_all(int device, double offset)
    {
        bool changed = false;
        for (Cluster& c : fit_.clusters) {
            if (c.device == device && c.offset != offset) {
                c.offset = offset;
                changed = true;
            }
        }
        if (changed) {
            fit_.invert();
        }
    }

    using Value = decltype(&Cluster::delay);

    // To the vertex of the parabola through the gains at three places, if it promises much.
    void move(Cluster& cluster, Value value, double step, double reach, double low, double high)
    {
        double gain[2];
        for (int side = 0; side < 2; ++side) {
            Cluster other = cluster;
            other.*value += side ? step : -step;
            fit_.look(other, out_, trial_);
            gain[side] = trial_.gain;
        }
        const double slope = (gain[1] - gain[0]) / 2, bend = gain[0] - 2 * best_.gain + gain[1];
        const double by =
            bend < 0 ? std::clamp(-slope / bend * step, -reach, reach) : (slope > 0 ? reach : -reach);
        if ((slope + bend / 2 * by / step) * by / step < numbers_.least_gain) {
            return;
        }
        Cluster moved = cluster;
        moved.*value = std::clamp(cluster.*value + by, low, high);
        prefer(cluster, moved, numbers_.rounding * std::max(best_.gain, numbers_.least_rounded));
    }

    // A path may hide a spread, the less the stronger it is.
    void widen(Cluster& cluster)
    {
        const double before = cluster.spread, step = numbers_.spread_step;
        const double first = std::clamp(numbers_.first_spread / std::sqrt(1 + best_.gain),
                                        numbers_.first_spread_low,
                                        numbers_.first_spread_high);
        if (cluster.is_path()) {
            spread(cluster, first);
            return;
        }
        spread(cluster, before < step * first ? 0 : before / step);
        spread(cluster, std::min(before * step, numbers_.most_spread));
    }

    void spread(Cluster& cluster, double spread)
    {
        Cluster other = cluster;
        other.spread = spread;
        prefer(cluster, other);
    }

    // The other, if it gains, or loses no more than that.
    void prefer(Cluster& cluster, const Cluster& other, double loss = 0)
    {
        fit_.look(other, out_, trial_);
        if (trial_.gain > best_.gain - loss) {
            cluster = other;
            cluster.power = trial_.power;
            std::swap(best_, trial_);
        }
    }

    const ArrivalTable& table_;
    const SearchRule& rule_;
    const MoveRule& numbers_;
    ClusterFit& fit_;
    LeftOut out_;                 // the cluster that is moved
    Trial best_, trial_;          // as it is best, and another
    std::vector<char> is_moving_; // of clusters
};

} // namespace jadce
