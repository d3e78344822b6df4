// SPDX-License-Identifier: GPL-3.0-or-later
// The first support of a frame.
#pragma once

#include "detection/gram.hpp"

#include <algorithm>
#include <cstddef>
#include <vector>

namespace jadce {

// The largest positive scores, `most` at most, ascending by device.
inline void
propose(const double* score, const Gram& gram, std::size_t most, std::vector<std::size_t>& proposed)
{
    proposed.clear();
    for (std::size_t n = 0; n < gram.n_devices(); ++n) {
        if (score[n] > 0 && gram.norm(n) > 0) {
            proposed.push_back(n);
        }
    }
    if (proposed.size() > most) {
        const auto is_before = [&](std::size_t a, std::size_t b) {
            return score[a] > score[b] || (score[a] == score[b] && a < b);
        };
        std::partial_sort(proposed.begin(), proposed.begin() + most, proposed.end(), is_before);
        proposed.resize(most);
        std::sort(proposed.begin(), proposed.end());
    }
}

} // namespace jadce
