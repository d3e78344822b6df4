// SPDX-License-Identifier: GPL-3.0-or-later
// PC-ADMM for batches of frames: in the frames' precision, and in double where single cannot certify the
// gap.
#pragma once

#include "arithmetic/spare.hpp"
#include "arithmetic/threads.hpp"
#include "pc_admm/frame_solver.hpp"
#include "pc_admm/pc_admm.hpp"

#include <algorithm>
#include <vector>

namespace jadce {

template <template <class> class Pilots>
class Solver final : public PcAdmmSolver
{
public:
    template <class... Arguments>
    explicit Solver(const PcAdmmOptions& options, const Arguments&... arguments)
        : options_(options), single_(arguments...), twice_(arguments...)
    {
    }

    int length() const override { return single_.length; }
    int devices() const override { return single_.devices; }

    void solve(const PcAdmmFrames<float>& frames,
               const double* noise_var,
               int threads,
               const PcAdmmEstimates<float>& estimates) const override
    {
        solve_all(frames, noise_var, threads, estimates);
    }

    void solve(const PcAdmmFrames<double>& frames,
               const double* noise_var,
               int threads,
               const PcAdmmEstimates<double>& estimates) const override
    {
        solve_all(frames, noise_var, threads, estimates);
    }

    void estimate_noise_var(const PcAdmmFrames<float>& frames, int threads, double* noise_var) const override
    {
        estimate_all(frames, threads, noise_var);
    }

    void estimate_noise_var(const PcAdmmFrames<double>& frames, int threads, double* noise_var) const override
    {
        estimate_all(frames, threads, noise_var);
    }

private:
    template <class T>
    using Work = Workspace<Pilots<T>>;

    template <class Sample>
    void solve_all(const PcAdmmFrames<Sample>& frames,
                   const double* noise_var,
                   int threads,
                   const PcAdmmEstimates<Sample>& estimates) const
    {
        const Batch<Sample> batch = {*this, frames, noise_var, estimates};
        const bool done = single_may_do<Sample>() ? in_step<float>(single_, threads, batch)
                                                  : in_step<double>(twice_, threads, batch);
        if (!done) {
            one_by_one<Sample>(frames, threads, [&](int frame, auto& solver, auto& workspace) {
                return batch.solve(frame, solver, workspace);
            });
        }
    }

    template <class Sample>
    void estimate_all(const PcAdmmFrames<Sample>& frames, int threads, double* noise_var) const
    {
        one_by_one<Sample>(frames, threads, [&](int frame, auto& solver, auto& work) {
            const double scale = load(frames, frame, solver, work);
            const double peak = solver.lam_max(work);
            noise_var[frame] = solver.noise_var(work, peak, frames.n_antennas) / (scale * scale);
            return true;
        });
    }

    struct Prepared
    {
        double scale, lam, lam_peak; // by which samples were multiplied; λ and the largest that counts
    };

    // The frames of a call.
    template <class Sample>
    struct Batch
    {
        const Solver& self;
        const PcAdmmFrames<Sample>& frames;
        const double* noise_var;
        const PcAdmmEstimates<Sample>& estimates;

        // One frame; whether this precision could certify it.
        template <class Solve, class Workspace>
        bool solve(int frame, const Solve& solver, Workspace& workspace) const
        {
            const Prepared given = prepare(frame, solver, workspace);
            const Certified found = solver.solve(workspace, given.lam, given.lam_peak, self.options_.tol);
            return store(frame, workspace, given.scale, found);
        }

        // Some frames in step; in double precision, one by one, those that single could not certify.
        template <class Solve, class Some>
        void solve(int first, int count, const Solve& solver, Some& group) const
        {
            std::vector<typename Solve::Problem> problems;
            std::vector<double> scales;
            for (int i = 0; i < count; ++i) {
                const Prepared given = prepare(first + i, solver, *group.works[i]);
                problems.push_back({group.works[i].get(), given.lam, given.lam_peak});
                scales.push_back(given.scale);
            }
            solver.solve(problems, self.options_.tol, group.shared);
            for (int i = 0; i < count; ++i) {
                if (!store(first + i, *problems[i].work, scales[i], problems[i].found)) {
                    Work<double> workspace(self.twice_, frames.M);
                    solve(first + i, PcAdmm<Pilots<double>>(self.twice_, self.options_), workspace);
                }
            }
        }

        // Loads a frame, and finds its λ.
        template <class Solve, class Workspace>
        Prepared prepare(int frame, const Solve& solver, Workspace& workspace) const
        {
            const double scale = self.load(frames, frame, solver, workspace);
            const double lam_peak = solver.lam_max(workspace), known = noise_var[frame] * scale * scale;
            if (self.options_.lam_ratio > 0) {
                return {scale, self.options_.lam_ratio * lam_peak, lam_peak};
            }
            const double found = known > 0 ? known : solver.noise_var(workspace, lam_peak, frames.n_antennas);
            return {scale, solver.lam_for(found, frames.n_antennas), lam_peak};
        }

        // The estimate in the workspace, if it is certain.
        template <class Workspace>
        bool store(int frame, const Workspace& workspace, double scale, const Certified& found) const
        {
            const auto& all = workspace.all;
            const int N = self.devices(), *active = all.active.data();
            const std::size_t place = std::size_t(frame) * N;
            const int count = found.certain ? all.n_active : 0;
            auto* channel = estimates.channel + place * frames.M;
            estimates.gap[frame] = found.gap;
            estimates.n_iter[frame] = found.n_iter;
            some_from_planar(all.Z.data(), N, active, count, frames.M, 1 / scale, channel);
            for (int i = 0; i < count; ++i) {
                estimates.score[place + active[i]] = double(all.norm[active[i]]) / scale;
            }
            return found.certain;
        }
    };

    template <class Sample>
    bool single_may_do() const
    {
        return sizeof(Sample) == sizeof(float) && options_.tol >= 1e-5;
    }

    // Solves all frames, some of them in step; false, and nothing, where each goes alone.
    template <class T, class Sample>
    bool in_step(const Pilots<T>& pilots, int threads, const Batch<Sample>& batch) const
    {
        const PcAdmm<Pilots<T>> solver(pilots, options_);
        const int frames = batch.frames.count, M = batch.frames.M, size = solver.in_step(M);
        if (std::min(size, frames) <= 1) {
            return false;
        }
        for_each_frame((frames + size - 1) / size,
                       threads,
                       [&] { return Group<Pilots<T>>(pilots, M, size); },
                       [&](int part, Group<Pilots<T>>& group) {
                           batch.solve(part * size, std::min(size, frames - part * size), solver, group);
                       });
        return true;
    }

    // solve(frame, solver, workspace) for every frame: in single precision if that may do, and in
    // double where it then returns false.
    template <class Sample, class Solve>
    void one_by_one(const PcAdmmFrames<Sample>& frames, int threads, Solve solve) const
    {
        const PcAdmm<Pilots<float>> single(single_, options_);
        const PcAdmm<Pilots<double>> twice(twice_, options_);
        const bool may = single_may_do<Sample>();
        for_each_frame(
            frames.count,
            threads,
            [&] { return Lease<Both>(spare_, frames.M); },
            [&](int frame, Lease<Both>& lease) {
                Both& both = *lease;
                if (!may || !solve(frame, single, both.single.get(single_, frames.M))) {
                    solve(frame, twice, both.twice.get(twice_, frames.M));
                }
            });
    }

    // Y, scaled by the power of two returned.
    template <class Sample, class Solve, class Workspace>
    double
    load(const PcAdmmFrames<Sample>& frames, int frame, const Solve& solver, Workspace& workspace) const
    {
        const std::size_t size = std::size_t(length()) * frames.M;
        const auto* samples = frames.received + frame * size;
        const double scale = scale_of(samples, size);
        to_planar(samples, length(), frames.M, scale, workspace.samples.data());
        solver.load(workspace);
        return scale;
    }

    struct Both
    {
        Lazy<Work<float>> single;
        Lazy<Work<double>> twice;
    };

    const PcAdmmOptions options_;
    const Pilots<float> single_;
    const Pilots<double> twice_;
    mutable Spare<Both> spare_;
};

} // namespace jadce
