// SPDX-License-Identifier: GPL-3.0-or-later
// The unrolled network as the bindings see it.
#pragma once

#include "arithmetic/complex.hpp"
#include "network/layer.hpp"

#include <complex>
#include <cstdint>
#include <memory>
#include <vector>

namespace jadce {

// Frames (B, L, M), and σ² of each, 0 where unknown.
template <class Sample>
struct NetworkFrames
{
    const std::complex<Sample>* received;
    const double* noise_var;
    int count, M;
};

// Where their estimates go: (B, N, M), (B, N) and (B,).
template <class Sample>
struct NetworkEstimates
{
    std::complex<Sample>* channel;
    float* score;
    std::int64_t* n_iter;
};

// Runs on frames of a pilot book, in single or double precision.
class FrameNetwork
{
public:
    virtual ~FrameNetwork() = default;
    virtual int length() const = 0;
    virtual int devices() const = 0;

    virtual void run(const NetworkFrames<float>& frames,
                     float tol,
                     int threads,
                     const NetworkEstimates<float>& estimates) const = 0;
    virtual void run(const NetworkFrames<double>& frames,
                     float tol,
                     int threads,
                     const NetworkEstimates<double>& estimates) const = 0;
};

// B = QᴴA and Q, row-major, and the eigenvalues s of A Aᴴ, for pilots of unit energy; `energy` is theirs.
std::unique_ptr<FrameNetwork> make_network(int L,
                                           int N,
                                           const Complex* B,
                                           const Complex* Q,
                                           const double* s,
                                           double energy,
                                           std::vector<Layer> layers);

} // namespace jadce
