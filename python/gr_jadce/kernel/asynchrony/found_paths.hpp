// SPDX-License-Identifier: GPL-3.0-or-later
// What a search found, in the order in which it leaves the kernel: by device.
#pragma once

#include "asynchrony/search.hpp"

#include <cmath>
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

// The mean of a cluster's gains, given the frame.
inline void add_taps(const ClusterFit& fit, int number, FoundPaths& found)
{
    const Cluster& cluster = fit.clusters[std::size_t(number)];
    const bool is_path = cluster.spread < least_spread;
    for (int i = 0; i < (is_path ? 1 : n_nodes); ++i) {
        const double root = is_path ? 1 : std::sqrt(node_share[std::size_t(i)]);
        found.tap_delay.push_back(cluster.delay +
                                  (is_path ? 0 : cluster.spread * node_delay[std::size_t(i)]));
        for (int m = 0; m < fit.M(); ++m) {
            found.tap_gain.push_back(root * fit.gain(number, i, m));
        }
    }
}

inline FoundPaths found_paths(const Search& search)
{
    const ClusterFit& fit = search.fit();
    FoundPaths found;
    found.noise_var = fit.noise_var;
    found.signal = fit.explained();
    for (const auto& [device, numbers] : fit.own()) {
        const std::size_t before = found.tap_delay.size();
        for (int number : numbers) {
            add_taps(fit, number, found);
        }
        found.devices.push_back({device,
                                 int(found.tap_delay.size() - before),
                                 search.score(device),
                                 fit.clusters[std::size_t(numbers[0])].offset});
    }
    return found;
}

} // namespace jadce
