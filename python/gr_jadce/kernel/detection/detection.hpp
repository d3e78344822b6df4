// SPDX-License-Identifier: GPL-3.0-or-later
// From an estimate to decisions, frame by frame: the compiled form of gr_jadce.detection.
#pragma once

#include "arithmetic/simd.hpp"

#include <complex>
#include <vector>

namespace jadce {

using cplx = std::complex<double>;

// The Gram matrix AᴴA (N × N) of a pilot book, its rows in planes of real and imaginary parts, padded.
class Gram
{
public:
    Gram(const cplx* values, size_t n_devices);

    size_t n_devices() const { return d_n_devices; }
    size_t stride() const { return d_stride; }
    cplx at(size_t m, size_t n) const { return {real(m)[n], imag(m)[n]}; }
    double norm(size_t n) const { return real(n)[n]; }
    const double* real(size_t m) const { return d_values.data() + 2 * m * d_stride; }
    const double* imag(size_t m) const { return real(m) + d_stride; }

private:
    size_t d_n_devices, d_stride;
    Array<double> d_values;
};

// What is asked of every frame.
struct Rule
{
    size_t pilot_length;
    size_t n_antennas;
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

// Where the decision about one frame goes: (N,), (N, M) zeroed or null, (N,), and two numbers.
struct Decision
{
    bool* activity;
    cplx* channel;
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
    std::unique_ptr<Work> d_work;
};

} // namespace jadce
