// SPDX-License-Identifier: GPL-3.0-or-later
#include "asynchrony/found_paths.hpp"
#include "arithmetic/threads.hpp"
#include "asynchrony/diffuse.hpp"
#include "asynchrony/last_look.hpp"

#include <cmath>
#include <memory>

namespace jadce {
namespace {

// The mean of a cluster's gains, given the frame.
void add_taps(const ClusterFit& fit, int number, FoundPaths& found)
{
    const Cluster& cluster = fit.clusters[std::size_t(number)];
    for (int i = 0; i < cluster.n_columns(); ++i) {
        found.tap_delay.push_back(cluster.column_delay(i));
        for (int m = 0; m < fit.all.M(); ++m) {
            found.tap_gain.push_back(cluster.column_weight(i) * fit.gain(number, i, m));
        }
    }
}

void add_taps(const std::vector<Tap>& taps, FoundPaths& found)
{
    for (const Tap& tap : taps) {
        found.tap_delay.push_back(tap.delay);
        found.tap_gain.insert(found.tap_gain.end(), tap.gain.begin(), tap.gain.end());
    }
}

// A search, and a look at what arrives beside the clusters that it found.
struct Searcher
{
    Searcher(const ArrivalTable& table, const SearchRule& rule, int M)
        : search(table, rule, M), diffuse(table, rule.echoes, M), many_paths(rule.max_paths > 1)
    {
    }

    LastLook search;
    Diffuse diffuse;
    const bool many_paths;
};

FoundPaths found_paths(Searcher& searcher)
{
    const ClusterFit& fit = searcher.search.fit();
    Diffuse& diffuse = searcher.diffuse;
    const bool is_diffuse =
        searcher.many_paths && !fit.clusters.empty() && diffuse.fit(fit, searcher.search.told());
    FoundPaths found;
    found.noise_var = is_diffuse ? diffuse.noise_var() : fit.all.noise_var;
    found.signal = is_diffuse ? diffuse.explained(fit.all.frame()) : fit.all.explained();
    int count = 0;
    for (const auto& [device, numbers] : fit.own()) {
        const std::size_t before = found.tap_delay.size();
        if (is_diffuse) {
            add_taps(diffuse.taps(count++), found);
        } else {
            for (int number : numbers) {
                add_taps(fit, number, found);
            }
        }
        found.devices.push_back({device,
                                 int(found.tap_delay.size() - before),
                                 searcher.search.score(device),
                                 fit.clusters[std::size_t(numbers[0])].offset});
    }
    return found;
}

template <class Sample>
std::vector<FoundPaths> search_each(const ArrivalTable& table,
                                    const SearchRule& rule,
                                    const SearchFrames<Sample>& frames,
                                    int threads)
{
    std::vector<FoundPaths> found(std::size_t(frames.B), FoundPaths{});
    for_each_frame(
        frames.B,
        threads,
        [&] { return std::make_unique<Searcher>(table, rule, frames.M); },
        [&](int frame, std::unique_ptr<Searcher>& searcher) {
            searcher->search.run(frames.received + std::ptrdiff_t(frame) * table.L * frames.M,
                                 frames.noise_var[frame]);
            found[std::size_t(frame)] = found_paths(*searcher);
        });
    return found;
}

} // namespace

std::vector<FoundPaths>
search_all(const ArrivalTable& table, const SearchRule& rule, const SearchFrames<float>& frames, int threads)
{
    return search_each(table, rule, frames, threads);
}

std::vector<FoundPaths>
search_all(const ArrivalTable& table, const SearchRule& rule, const SearchFrames<double>& frames, int threads)
{
    return search_each(table, rule, frames, threads);
}

} // namespace jadce
