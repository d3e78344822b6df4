// SPDX-License-Identifier: GPL-3.0-or-later
// A structured pilot book.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace jadce {

// What `pilots/structured.py` computes with; `index` holds the rows, or the roots of Zadoff-Chu sequences.
struct FastBook
{
    std::string kind;
    int length, devices;
    std::vector<std::int64_t> index;
    // c of A Aᴴ = c I, or, where there is none, of pilots that contain these: the others' devices are
    // never active, and the iteration needs nothing of them but this c.
    double bound;
};

} // namespace jadce
