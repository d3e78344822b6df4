// SPDX-License-Identifier: GPL-3.0-or-later
// One sweep of gr_jadce.unrolled.hard_frames.sampling over the devices of each frame, compiled.
#pragma once

#include "arithmetic/complex.hpp"

#include <cstddef>
#include <cstdint>

namespace jadce {

struct SweepSizes
{
    std::size_t B, N, L, M, P; // frames, devices, pilot symbols, antennas, relative powers
};

// What holds for a sweep: the pilots (N, L), the order of the devices and their uniform numbers (2, N),
// the powers (B, P), their shares ln π (B, P), and the logits (B,).
struct SweepModel
{
    const Complex* pilots;
    const std::int64_t* order;
    const double *uniform, *power, *share, *logit;
    double least_chance;
};

// Changed in place: (B, N) of kinds, variances and chances; Σ⁻¹ (B, L, L) and Σ⁻¹Y (B, L, M).
struct SweepState
{
    std::int64_t* kind;
    double *variance, *chance;
    Complex *inverse, *filtered;
};

void sweep_all(const SweepSizes& sizes, const SweepModel& model, const SweepState& state, int threads);

} // namespace jadce
