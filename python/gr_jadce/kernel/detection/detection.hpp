// SPDX-License-Identifier: GPL-3.0-or-later
// From an estimate to decisions, frame by frame: the compiled form of gr_jadce.detection.
#pragma once

#include "arithmetic/complex.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace jadce {

struct BookArrays;

// What was measured on frames before they were whitened by it: nothing, the noise variance of each antenna,
// or their covariance.
enum class Scale { white, antennas, spatial };

// Of a tight frame's statistics over σ²: where the lower ones end, their mean, and how much less certain
// they are of a scale than all; 0 for other pilots.
struct LowerStatistics
{
    double limit, mean, excess;
};

// Numbers of doubts: `DoubtRule` of detection/doubt.py, which says what these are.
struct DoubtRule
{
    double entry;
    std::size_t max_entries;
    double leave, likely, least_weight, any_power, powers, min_energy;
};

// What is asked of every frame.
struct Rule
{
    std::size_t pilot_length;
    std::size_t n_antennas;
    double threshold; // −log10 of the wanted false-alarm probability
    int max_rounds;
    std::size_t n_proposed, n_members; // devices of the first support, and of any, at most
    double sure_share;                 // of false ones among the devices that σ² is measured off
    double sure_least;                 // their score
    LowerStatistics lower;
    Scale scale;
    // By which, as a logarithm, an active device makes a frame, and a crowded one, likelier than any other in
    // its place.
    double least_lead, crowded_lead;
    DoubtRule doubt;
};

// One frame: its samples in planes, real parts and imaginary ones of antenna after antenna, padded; YᴴY (M,
// M); `noise_var` 0 if unknown.
struct Frame
{
    const double* samples;
    const Complex* moment;
    const double* score;
    double noise_var;
};

// ‖Y‖².
inline double energy_of(const Frame& frame, std::size_t n_antennas)
{
    double energy = 0;
    for (std::size_t m = 0; m < n_antennas; ++m) {
        energy += frame.moment[m * n_antennas + m].real();
    }
    return energy;
}

// The active devices of a frame, ascending, their channels (K, M) and scores (K,). If wanted, weights (K,)
// that make posterior means of the channels, or of those of a settled frame (K, M) if
// there are any.
struct ActiveRows
{
    std::vector<std::uint32_t> device;
    std::vector<Complex> channel, settled;
    std::vector<double> score, weight;
};

// How sure a decision is: `Doubt` of detection/doubt.py, which says what these are.
struct Doubts
{
    double margin = 0, missed = 0, missed_unlike = 0, spread = 0;
};

// Where the decision about one frame goes, or those about a batch, frame after frame: its rows, the scores of
// all devices (N,) or null, covariance of the antennas (M, M) in what is left and what it says of the noise
// (2,), seven numbers.
struct Decision
{
    ActiveRows* rows;
    double* score;
    Complex* noise_cov;
    double* noise_statistics;
    double *noise_var, *snr_db, *noise_dof, *uncertainty, *evidence;
    Doubts* doubts = nullptr; // if wanted, and the weights of the rows with them

    // Of frame b of a batch of frames with N devices and M antennas.
    Decision of_frame(std::size_t b, std::size_t N, std::size_t M) const
    {
        return {rows + b,
                score ? score + b * N : nullptr,
                noise_cov + b * M * M,
                noise_statistics + 2 * b,
                noise_var + b,
                snr_db + b,
                noise_dof + b,
                uncertainty + b,
                evidence + b};
    }
};

// What the devices of a frame leave of it that are sure to be active: covariance of the antennas (M, M), on
// how many rows it is measured, and the evidence of these devices.
struct MeasuredNoise
{
    const Complex* covariance;
    double rows, evidence;
};

// Decides about one frame after another, in memory of its own.
class Detector
{
public:
    Detector(const BookArrays& book, const Rule& rule);
    ~Detector();
    void ask(const Rule& rule); // another one, of as many symbols and antennas

    // Whether σ² of the frame that was decided last, with its doubts, is measured off other devices where
    // more are taken for active at first.
    bool ends_elsewhere();
    void decide(const Frame& frame, const Decision& decision);
    // What a decision would tell of the noise of a frame of unknown σ²; it lasts until the next frame.
    MeasuredNoise measure_noise(const Frame& frame);

private:
    struct Work;
    std::unique_ptr<Work> work_;
};

} // namespace jadce
