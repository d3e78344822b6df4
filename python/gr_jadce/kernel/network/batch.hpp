// SPDX-License-Identifier: GPL-3.0-or-later
// The unrolled network for batches of frames.
#pragma once

#include "arithmetic/complex.hpp"
#include "arithmetic/planar.hpp"
#include "arithmetic/threads.hpp"
#include "network/frame_network.hpp"
#include "network/network.hpp"
#include "pilots/dense_pilots.hpp"

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

namespace jadce {

class DenseNetwork final : public FrameNetwork
{
    using Pilots = DensePilots<float>;

public:
    using Work = Network<Pilots>::Workspace;

    // B = QᴴA and Q, row-major, and the eigenvalues s of A Aᴴ, for pilots of unit energy; `energy` is theirs.
    DenseNetwork(int L,
                 int N,
                 const Complex* B,
                 const Complex* Q,
                 const double* s,
                 double energy,
                 std::vector<Layer> layers)
        : energy_(energy), pilots_(L, N, B, Q, s, 1.0), network_(pilots_, std::move(layers))
    {
    }
    DenseNetwork(const DenseNetwork&) = delete; // the network points to the pilots
    DenseNetwork& operator=(const DenseNetwork&) = delete;

    int length() const override { return pilots_.length; }
    int devices() const override { return pilots_.devices; }

    void run(const NetworkFrames<float>& frames,
             float tol,
             int threads,
             const NetworkEstimates<float>& estimates) const override
    {
        run_all(frames, tol, threads, estimates);
    }

    void run(const NetworkFrames<double>& frames,
             float tol,
             int threads,
             const NetworkEstimates<double>& estimates) const override
    {
        run_all(frames, tol, threads, estimates);
    }

    // One frame (L, M) at a time, in a workspace of one's own: its amplitude, which was divided out.
    template <class Sample>
    double start(const std::complex<Sample>* received, double noise_var, Work& work) const
    {
        const double scale = load(work, received);
        network_.start(work, relative(noise_var, scale));
        return scale;
    }

    // Runs on until so many layers are done, or all for 0; whether the estimate has come to rest.
    bool run_on(Work& work, int until, float tol) const
    {
        return network_.run(work, until > 0 ? until : network_.n_layers(), tol);
    }

    float expected(const Work& work) const { return network_.expected(work); }
    float scatter(const Work& work) const { return network_.scatter(work); }

    // The estimate as it is now: channel (N, M) and score (N,).
    template <class Sample>
    void store(const Work& work, double scale, std::complex<Sample>* channel, float* score) const
    {
        from_planar(work.estimate.data(), devices(), work.M, scale / std::sqrt(energy_), channel);
        std::copy_n(work.score.data(), devices(), score);
    }

    Work workspace(int M) const { return Work(pilots_, M); }

private:
    template <class Sample>
    void run_all(const NetworkFrames<Sample>& frames,
                 float tol,
                 int threads,
                 const NetworkEstimates<Sample>& estimates) const
    {
        for_each_frame(
            frames.count,
            threads,
            [&] { return workspace(frames.M); },
            [&](int frame, Work& work) { solve(frame, frames, tol, estimates, work); });
    }

    template <class Sample>
    void solve(int frame,
               const NetworkFrames<Sample>& frames,
               float tol,
               const NetworkEstimates<Sample>& estimates,
               Work& work) const
    {
        const std::size_t place = std::size_t(frame) * devices();
        const auto* received = frames.received + std::size_t(frame) * length() * frames.M;
        const double scale = start(received, frames.noise_var[frame], work);
        run_on(work, 0, tol);
        estimates.n_iter[frame] = work.n_layers;
        store(work, scale, estimates.channel + place * frames.M, estimates.score + place);
    }

    // The frame at unit energy a device, and the amplitude that was divided out.
    template <class Sample>
    double load(Work& work, const std::complex<Sample>* samples) const
    {
        const std::size_t count = std::size_t(length()) * work.M;
        const double power = energy_of(samples, count) * (double(length()) / double(count) / devices());
        const double scale = power > 0 ? std::sqrt(power) : 1.0;
        to_planar(samples, length(), work.M, 1 / scale, work.samples.data());
        return scale;
    }

    float relative(double noise_var, double scale) const
    {
        if (!(noise_var > 0)) {
            return 0;
        }
        const double most = 2.0 * devices() / length(); // a frame's energy is N/L a sample
        return float(std::min(std::max(noise_var / (scale * scale), 1e-7), most));
    }

    const double energy_;
    const Pilots pilots_;
    const Network<Pilots> network_;
};

} // namespace jadce
