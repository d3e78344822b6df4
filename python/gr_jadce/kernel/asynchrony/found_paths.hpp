// SPDX-License-Identifier: GPL-3.0-or-later
// What a search found, in the order in which it leaves the kernel: by device; and the searches of a batch.
#pragma once

#include "arithmetic/complex.hpp"
#include "asynchrony/arrival_table.hpp"
#include "asynchrony/search_rule.hpp"

#include <complex>
#include <vector>

namespace jadce {

struct FoundDevice
{
    int device, n_taps;
    double score, offset;
};

struct FoundPaths
{
    double noise_var = 0, signal = 0; // σ², and the energy that is explained
    std::vector<FoundDevice> devices;
    std::vector<double> tap_delay;
    std::vector<Complex> tap_gain; // antenna by antenna
};

// received (B, L, M), noise_var (B,): σ², 0 where unknown.
template <class Sample>
struct SearchFrames
{
    const std::complex<Sample>* received;
    const double* noise_var;
    int B, M;
};

std::vector<FoundPaths>
search_all(const ArrivalTable& table, const SearchRule& rule, const SearchFrames<float>& frames, int threads);
std::vector<FoundPaths> search_all(const ArrivalTable& table,
                                   const SearchRule& rule,
                                   const SearchFrames<double>& frames,
                                   int threads);

} // namespace jadce
