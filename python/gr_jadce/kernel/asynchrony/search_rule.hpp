// SPDX-License-Identifier: GPL-3.0-or-later
// What a search looks for, and the numbers of its parts.
#pragma once

#include "asynchrony/maximum.hpp"

#include <cstddef>

namespace jadce {

// Of gr_jadce.detection.asynchrony.search.RoundRule, which says what the numbers are.
struct RoundRule
{
    int rounds;
    double strong, near, near_turned, weak;
    std::size_t devices_at_once, paths_at_once;
    double device_share, path_share, tried_share;
    int looked_at;
    double looked_at_share;
    int settling;
    double falling, least_noise_var, least_dof_share, sure_false_count;
};

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
    double least_power, least_energy, least_dof_share;
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
    RoundRule rounds;
    MoveRule moves;
    LookRule look;
    EchoRule echoes;
};

} // namespace jadce
