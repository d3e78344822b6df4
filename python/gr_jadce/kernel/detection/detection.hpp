// SPDX-License-Identifier: GPL-3.0-or-later
// From an estimate to decisions, frame by frame: the compiled form of gr_jadce.detection.
#pragma once

#include "detection/gram.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace jadce {

// What is asked of every frame.
struct Rule
{
    std::size_t pilot_length;
    std::size_t n_antennas;
    double threshold; // −log10 of the wanted false-alarm probability
    int max_rounds;
    double sure;        // expected share of false ones among the devices that σ² is measured off
    double lower_limit; // where the lower statistics of a tight frame end, over σ²; else 0
    double lower_mean;  // their mean, over σ²
};

// One frame: its correlations AᴴY in planes, real parts and imaginary ones of antenna after antenna, each as
// long as a row of the Gram matrix; `noise_var` 0 if unknown.
struct Frame
{
    const double* correlation;
    double energy;
    const double* score;
    double noise_var;
};

// The active devices of a frame, ascending, their channels (K, M) and scores (K,).
struct ActiveRows
{
    std::vector<std::uint32_t> device;
    std::vector<Complex> channel;
    std::vector<double> score;
};

// Where the decision about one frame goes: its rows, the scores of all devices (N,) or null, two numbers.
struct Decision
{
    ActiveRows* rows;
    double* score;
    double* noise_var;
    double* snr_db;
};

// Decides about one frame after another, in memory of its own.
class Detector
{
public:
    Detector(const Gram& gram, const Rule& rule);
    ~Detector();
    void decide(const Frame& frame, const Decision& decision);

private:
    struct Work;
    std::unique_ptr<Work> work_;
};

} // namespace jadce
