// SPDX-License-Identifier: GPL-3.0-or-later
// Prediction-correction ADMM for the group LASSO of one frame, or of some in step, until the certificate
// holds.
#pragma once

#include "pc_admm/certificate.hpp"
#include "pc_admm/iteration.hpp"
#include "pc_admm/screening.hpp"
#include "pc_admm/start.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

namespace jadce {

template <class Pilots>
class PcAdmm
{
    using T = typename Pilots::Scalar;

public:
    using Workspace = jadce::Workspace<Pilots>;
    using Problem = jadce::Problem<Pilots>;
    using Shared = jadce::Shared<Pilots>;

    PcAdmm(const Pilots& pilots, const PcAdmmOptions& options)
        : pilots_(pilots), options_(options), iteration_(pilots, options)
    {
    }

    // Y = Qᴴ samples; call before the others.
    void load(Workspace& work) const
    {
        pilots_.rotate(work.samples.data(), work.M, work.Y.data(), work.scratch);
    }

    // max_n ‖b_nᴴ Y‖.
    double lam_max(Workspace& work) const
    {
        const double peak = largest_correlation(pilots_, work, work.Y.data());
        work.correlated = true;
        return peak;
    }

    double lam_for(double noise_var, int n_antennas) const
    {
        return options_.lam_factor * std::sqrt(noise_var * n_antennas * pilots_.energy);
    }

    // σ² by the scaled LASSO, of a frame that had n_antennas before any were rotated away.
    double noise_var(Workspace& work, double lam_peak, int n_antennas) const
    {
        double lam = 0.1 * lam_peak, noise_var = 0;
        for (int round = 0; round < 3; ++round) {
            solve(work, lam, lam_peak, 1e-2);
            const int support = std::min(work.all.n_active, pilots_.length / 2);
            leave_residual(work);
            const double left = inner(work.q.data(), work.q.data(), work.q.size());
            noise_var = left / (double(n_antennas) * (pilots_.length - support));
            lam = lam_for(noise_var, n_antennas);
        }
        return noise_var;
    }

    // The estimate is left in work.all.
    Certified solve(Workspace& work, double lam, double lam_peak, double tol) const
    {
        start(work);
        if (!(lam < lam_peak)) {
            return {};
        }
        const double beta = weigh(work, lam, lam_peak);
        const bool near = options_.descend && pilots_.has_gram();
        if (near) {
            descend(pilots_, work, T(lam), T(beta));
        }
        return iterate(work, lam, T(lam / beta), tol, near);
    }

    // How many frames go in step: of few antennas, as many as share a pass over the pilots, where
    // none of these are left out.
    int in_step(int M) const { return Pilots::selects && !screens() && M <= 2 ? 4 / M : 1; }

    // Several frames in step, so that one product with Bᴴ serves all that go on.
    void solve(std::vector<Problem>& problems, double tol, Shared& shared) const
    {
        std::vector<Problem*> live = started(problems);
        for (int k = 0; !live.empty();) {
            const int next = std::min(k + options_.check_every, options_.max_iter);
            for (; k < next; ++k) {
                iteration_.step(live, shared, k == 0);
            }
            const auto ends = [&](Problem* problem) { return is_done(*problem, k, tol); };
            live.erase(std::remove_if(live.begin(), live.end(), ends), live.end());
        }
    }

private:
    // Those whose solution is not zero.
    std::vector<Problem*> started(std::vector<Problem>& problems) const
    {
        std::vector<Problem*> live;
        for (Problem& problem : problems) {
            Workspace& work = *problem.work;
            start(work);
            if (problem.lam < problem.lam_peak) {
                problem.threshold = T(problem.lam / weigh(work, problem.lam, problem.lam_peak));
                problem.energy = inner(work.Y.data(), work.Y.data(), work.Y.size());
                live.push_back(&problem);
            }
        }
        return live;
    }

    bool is_done(Problem& problem, int n_iter, double tol) const
    {
        problem.found = certify(pilots_, *problem.work, problem.lam, problem.energy, tol);
        problem.found.n_iter = n_iter;
        return problem.found.gap <= tol || n_iter == options_.max_iter || !problem.found.certain;
    }

    // The weights 1 / (s + β); returns β.
    double weigh(Workspace& work, double lam, double lam_peak) const
    {
        const double beta = options_.beta_factor * pilots_.energy * std::sqrt(lam / lam_peak);
        for (std::size_t l = 0; l < work.w.size(); ++l) {
            work.w[l] = T(1 / (double(pilots_.spectrum[l]) + beta));
        }
        return beta;
    }

    void start(Workspace& work) const
    {
        for (Array<T>* array : {&work.p, &work.a, &work.d}) {
            std::fill(array->data(), array->data() + array->size(), T(0));
        }
        work.all.clear_active();
        work.some.count = 0;
    }

    // Checks first after an iteration where it starts near the solution.
    Certified iterate(Workspace& work, double lam, T threshold, double tol, bool near) const
    {
        const double energy = inner(work.Y.data(), work.Y.data(), work.Y.size());
        int k = 0, check = near ? 1 : until_next({}, {}, tol);
        if (screens() && std::min(check, options_.max_iter) > soon) {
            k = take_steps(work, threshold, 0, soon);
            square_rows(work); // before they were shrunk
            screen(pilots_, work, T(soon_share) * threshold);
        }
        for (Certified found, before;; before = found) {
            const int from = k;
            k = take_steps(work, threshold, from, std::min(check, options_.max_iter));
            expand(work, k - from, T(1 - options_.e));
            found = certify(pilots_, work, lam, energy, tol);
            found.n_iter = k;
            if (found.gap <= tol || k == options_.max_iter || !found.certain) {
                return found;
            }
            check = k + until_next(before, found, tol);
            if (screens() && k < latest) {
                screen(pilots_, work, T(options_.screen * lam));
            }
        }
    }

    // Iterations from number `k` on; returns `end`.
    int take_steps(Workspace& work, T threshold, int k, int end) const
    {
        for (; k < end; ++k) {
            iteration_.step(work, threshold, k == 0);
        }
        return end;
    }

    // Iterations to the next check: where rows are left out, as many as the gap, falling as it did,
    // needs to reach `tol`.
    int until_next(const Certified& before, const Certified& now, double tol) const
    {
        const int usual = options_.check_every;
        if (!screens()) {
            return usual;
        }
        if (!(now.gap < before.gap)) {
            return before.n_iter ? usual : (3 * usual - 1) / 2;
        }
        const double rate = std::log(before.gap / now.gap) / (now.n_iter - before.n_iter);
        const double needed = std::ceil(std::log(now.gap / tol) / rate);
        return int(std::clamp(needed, 1.0, 2.0 * usual - 1));
    }

    bool screens() const { return Pilots::selects && sizeof(T) == sizeof(float) && options_.screen > 0; }

    // Rows are first left out after so many iterations, where they are below that share of the
    // threshold; and no more after the latest, when the plain iteration, known to converge, goes on.
    static constexpr int soon = 3, latest = 60;
    static constexpr double soon_share = 0.9;

    const Pilots& pilots_;
    const PcAdmmOptions options_;
    const Iteration<Pilots> iteration_;
};

} // namespace jadce
