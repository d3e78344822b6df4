// SPDX-License-Identifier: GPL-3.0-or-later
// Frames decided after a few layers of the network, if that settles them, as the bindings see it.
#pragma once

#include "detection/book.hpp"
#include "network/frame_network.hpp"

#include <complex>
#include <cstddef>
#include <cstdint>
#include <memory>

namespace jadce {

// When a decision is tried, and what settles a frame.
struct SettlingRule
{
    int n_layers;
    float tol;              // of the layers, as for an estimate
    std::size_t n_proposed; // devices at most, for a decision to be tried, and to hold
    double margin;          // of all scores from the threshold
    double missed[2];       // devices at most expected beside those found: or, if more, for each of these
    double missed_late[2];  // the same after all layers
    double missed_spread;   // and, before that, where powers spread
    double unlike[2];       // of them with the power of any other; and where powers spread
    double spread;          // of powers, above which they do
    double rows, rows_late; // that bear witness of the noise: with fewer, none is settled; after all layers
    double busy;            // rows, below which the limits are stricter
    double limits[2], busy_limits[2]; // of what these say of the noise
    double excess;                    // standard deviations of the noise over a known one
    double unfound[2];      // devices that the network expects beyond those found: and for each of these
    double evidence;        // for the support, at least
    double scatter[2];      // of energies, where nobody is found and one device, to know a quiet frame
    double scatter_late[2]; // after all layers, where the evidence is less than so much
};

// When noise that does not look white is taken for white all the same.
struct NoiseRule
{
    Rule sure, sure_crowd;                 // of devices that are sure to be there, and in crowded frames
    Rule whitened;                         // of whitened frames
    double crowded, telling;               // rows that bear witness of the noise
    int n_rounds;                          // of whitening, at most: until the covariance
    double settled;                        // changes by no more
    double coloured[2], coloured_crowd[2]; // limits of what these say of the noise,
    double odd[2], one_way[2];             // for a closer look, and of what a frame says
};

// Frames (B, L, M), σ² of each as the network and as the decision take it, 0 where unknown.
template <class Sample>
struct EarlyFrames
{
    const std::complex<Sample>* received;
    const double *told, *noise_var;
    std::size_t count;
};

// What is known of a frame after a few layers: nothing for sure, its support, all, or its support and that
// its noise is white although it does not look so.
enum class Stage : std::uint8_t { open, sure, settled, white };

// The stages of frames, the decisions about those that are not open, and the estimates of those that are
// open, after all layers, or sure.
template <class Sample>
struct EarlyResults
{
    std::uint8_t* stage;
    Decision decisions;
    NetworkEstimates<Sample> estimates;
};

// A network and the decisions about its frames, under one rule.
class EarlyDecisions
{
public:
    virtual ~EarlyDecisions() = default;
    virtual const Rule& rule() const = 0;
    virtual int devices() const = 0;
    virtual void run(const EarlyFrames<float>& frames, int threads, const EarlyResults<float>& results) = 0;
    virtual void run(const EarlyFrames<double>& frames, int threads, const EarlyResults<double>& results) = 0;
};

// Both have to outlive what is made; the network is one of `make_network`.
std::unique_ptr<EarlyDecisions> make_early_decisions(const FrameNetwork& network,
                                                     const Book& book,
                                                     const Rule& rule,
                                                     const SettlingRule& settling,
                                                     const NoiseRule& noise);

} // namespace jadce
