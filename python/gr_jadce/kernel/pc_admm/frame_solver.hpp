// SPDX-License-Identifier: GPL-3.0-or-later
// PC-ADMM as the bindings see it.
#pragma once

#include "arithmetic/complex.hpp"
#include "pc_admm/options.hpp"
#include "pilots/fast_book.hpp"

#include <complex>
#include <cstdint>
#include <memory>

namespace jadce {

// Frames (B, L, M), of antennas of which some may have been rotated away before.
template <class Sample>
struct PcAdmmFrames
{
    const std::complex<Sample>* received;
    int count, M, n_antennas;
};

// Where their estimates go: (B, N, M), (B, N), (B,) and (B,), the first two zeroed.
template <class Sample>
struct PcAdmmEstimates
{
    std::complex<Sample>* channel;
    double* score;
    double* gap;
    std::int64_t* n_iter;
};

// Solves frames of a pilot book, in single or double precision.
class PcAdmmSolver
{
public:
    virtual ~PcAdmmSolver() = default;
    virtual int length() const = 0;
    virtual int devices() const = 0;

    // noise_var (B,): σ², 0 where unknown.
    virtual void solve(const PcAdmmFrames<float>& frames,
                       const double* noise_var,
                       int threads,
                       const PcAdmmEstimates<float>& estimates) const = 0;
    virtual void solve(const PcAdmmFrames<double>& frames,
                       const double* noise_var,
                       int threads,
                       const PcAdmmEstimates<double>& estimates) const = 0;

    // noise_var (B,): σ² by the scaled LASSO.
    virtual void
    estimate_noise_var(const PcAdmmFrames<float>& frames, int threads, double* noise_var) const = 0;
    virtual void
    estimate_noise_var(const PcAdmmFrames<double>& frames, int threads, double* noise_var) const = 0;
};

// Of DensePilots, and of FastPilots, which need FFTW.
std::unique_ptr<PcAdmmSolver> make_dense_solver(const PcAdmmOptions& options,
                                                int L,
                                                int N,
                                                const Complex* B,
                                                const Complex* Q,
                                                const double* s,
                                                double energy);
std::unique_ptr<PcAdmmSolver> make_fast_solver(const PcAdmmOptions& options, const FastBook& book);

} // namespace jadce
