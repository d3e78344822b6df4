// SPDX-License-Identifier: GPL-3.0-or-later
// What a search looks for, and its constants: those of search.py and cluster_fit.py, which say what they are.
#pragma once

#include "asynchrony/maximum.hpp"

#include <cstddef>

namespace jadce {

// Of gr_jadce.detection.asynchrony.moves.MoveRule, which says what the numbers are.
struct MoveRule
{
    double least_gain, delay_step, delay_reach, offset_step, offset_reach, offset_beyond;
    double rounding, least_rounded;
    double first_spread, first_spread_low, first_spread_high, spread_step, most_spread;
};

// Of gr_jadce.detection.asynchrony.last_look.LookRule, which says what the numbers are.
struct LookRule
{
    int looks, looked_at;
    std::size_t added_at_once;
    double added_share, near_share;
    int settling;
    double sure_share, flat;
    int columns;
    double least_share;
};

// Of gr_jadce.detection.asynchrony.diffuse.EchoRule, which says what the numbers are.
struct EchoRule
{
    double share;
    int steps, alternations, looked_at;
    double least_power, least_energy;
};

struct SearchRule
{
    double threshold;  // −log10 of the wanted false-alarm probability
    double limit;      // the energy over σ² that goes with it
    double path_limit; // the same of one more path of an active device
    Extent extent;     // the range that is searched, in widths of correlation
    double low, high;  // bounds of the delays
    double max_offset; // cycles a symbol
    int max_paths;     // of a device
    MoveRule moves;
    LookRule look;
    EchoRule echoes;
};

constexpr int n_rounds = 60, n_settled = 3, n_looked_at = 16;
constexpr std::size_t n_added_devices = 8, n_added_paths = 4;
constexpr double strong = 3, near = 0.8, weak = 0.75; // times the limit
constexpr double looked_at_share = 0.4;               // of the limit
constexpr double device_share = 0.5, path_share = 0.5, tried_share = 0.3;
constexpr double least_noise_var = 1e-12, least_dof_share = 0.1, sure_false_count = 0.02;
constexpr double falling = 0.7; // of σ² in a round

} // namespace jadce
