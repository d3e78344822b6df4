// SPDX-License-Identifier: GPL-3.0-or-later
// Prediction-correction ADMM for the group LASSO of one frame, until its certificate holds.
//
// The iteration is that of solvers/pc_admm.py, for correctors C = [[1, 0], [c, e]], written so that it
// does less work.  With u = w ∘ (Y − B(Z + U)), w = 1/(s + β), the prediction is
//     X~ = Z + U + Bᴴu,   U~ = −Bᴴu,   Z~ = shrink(Z + r U + (1 + r) Bᴴu),
// so that U = Bᴴp + D with p of the frame's size and B U = s ∘ p + B D: the correction
//     p ← (1 − e) p − e u,   D ← (1 − e) D − c (Z − Z~),   Z ← Z~
// makes one product with the whole of Bᴴ an iteration, and one with the columns of B at which Z~ is
// not zero.  The residual Y − B Z~ of the certificate is there already.
#pragma once

#include "pc_admm/start.hpp"

namespace jadce {

struct PcAdmmOptions
{
    double r = 0.9, c = 0.9, e = 1.8; // relaxation, and corrector [[1, 0], [c, e]]
    double beta_factor = 3.2;
    double lam_ratio = 0, lam_factor = 0.7; // the ratio is 0 where λ comes from the noise
    double tol = 1e-4;
    int max_iter = 300, check_every = 5;
    bool descend = true; // start from block coordinate descent, where pilots have a Gram matrix to look up
    // Between two checks, single precision leaves out inactive devices whose correlation with the
    // residual is below this share of λ, and checks when the gap should be small enough.  They may come
    // back a check later than in the plain iteration; the certificate is of all devices.
    double screen = 0;
    bool dense = false; // product loop of a benchmark: multiply with rows that are zero, too
};

template <class Pilots>
class PcAdmm
{
    using T = typename Pilots::Scalar;

public:
    using Workspace = jadce::Workspace<Pilots>;

    PcAdmm(const Pilots& pilots, const PcAdmmOptions& options) : pilots_(pilots), options_(options) {}

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

    // The problem of one of several frames, and what came of it.
    struct Problem
    {
        Workspace* work;
        double lam, lam_peak;
        T threshold = 0;
        double energy = 0;
        Certified found = {};
    };

    // What frames in step share: the columns of one frame after another.
    struct Shared
    {
        Shared(const Pilots& pilots, int M)
            : Z(std::size_t(2) * M * padded<T>(pilots.devices)), G(Z.size()),
              q(std::size_t(2) * M * padded<T>(pilots.length)), next(q.size())
        {
        }
        Array<T> Z, G, q, next;
    };

    // How many frames go in step: of few antennas, as many as share a pass over the pilots, where
    // none of these are left out.
    int in_step(int M) const { return Pilots::selects && !screens() && M <= 2 ? 4 / M : 1; }

    // Several frames in step, so that one product with Bᴴ serves all that go on.
    void solve(std::vector<Problem>& problems, double tol, Shared& shared) const
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
        for (int k = 0; !live.empty();) {
            const int next = std::min(k + options_.check_every, options_.max_iter);
            for (; k < next; ++k) {
                step(live, shared, k == 0);
            }
            const auto ends = [&](Problem* problem) {
                Workspace& work = *problem->work;
                work.all.list_active();
                problem->found = certify(pilots_, work, problem->lam, problem->energy, tol);
                problem->found.n_iter = k;
                return problem->found.gap <= tol || k == options_.max_iter || !problem->found.certain;
            };
            live.erase(std::remove_if(live.begin(), live.end(), ends), live.end());
        }
    }

private:
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
            for (; k < soon; ++k) {
                step(work, threshold, k == 0);
            }
            square_rows(work); // before they were shrunk
            screen(work, T(soon_share) * threshold);
        }
        for (Certified found, before;; before = found) {
            const int steps = std::min(check, options_.max_iter) - k;
            for (int i = 0; i < steps; ++i) {
                step(work, threshold, k + i == 0);
            }
            expand(work, steps);
            found = certify(pilots_, work, lam, energy, tol);
            found.n_iter = k += steps;
            if (found.gap <= tol || k == options_.max_iter || !found.certain) {
                return found;
            }
            check = k + until_next(before, found, tol);
            if (screens() && k < latest) {
                screen(work, T(options_.screen * lam));
            }
        }
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

    // The first one takes D for zero, whatever it is.
    void step(Workspace& work, T threshold, bool first) const
    {
        Rows<T>& rows = work.rows();
        predict(work, work.q.data());
        if (work.selected()) {
            pilots_.adjoint_selected(work.q.data(), rows.count, work.M, work.G.data(), work.scratch);
        } else {
            pilots_.adjoint(work.q.data(), work.M, work.G.data(), work.scratch);
        }
        shrink(rows, work.G.data(), threshold, first);
        const int count = options_.dense ? rows.count : rows.n_active;
        const T* Z = rows.Z.data();
        if (work.selected()) {
            pilots_.forward_selected(
                Z, rows.count, rows.active.data(), count, work.M, work.next.data(), work.scratch);
        } else {
            pilots_.forward(Z, rows.active.data(), count, work.M, work.next.data(), work.scratch);
        }
        advance(work, work.next.data());
    }

    // The same of frames in step.
    void step(const std::vector<Problem*>& problems, Shared& shared, bool first) const
    {
        const Workspace& any = *problems[0]->work;
        const std::size_t symbols = any.Y.size(), rows = any.all.Z.size();
        const int antennas = any.M * int(problems.size());
        auto& scratch = problems[0]->work->scratch;
        for (std::size_t i = 0; i < problems.size(); ++i) {
            predict(*problems[i]->work, &shared.q[i * symbols]);
        }
        pilots_.adjoint(shared.q.data(), antennas, shared.G.data(), scratch);
        for (std::size_t i = 0; i < problems.size(); ++i) {
            Workspace& work = *problems[i]->work;
            shrink(work.all, &shared.G[i * rows], problems[i]->threshold, first);
            if (options_.dense) {
                std::copy_n(work.all.Z.data(), rows, &shared.Z[i * rows]);
                continue;
            }
            pilots_.forward(work.all.Z.data(),
                            work.all.active.data(),
                            work.all.n_active,
                            work.M,
                            &shared.next[i * symbols],
                            scratch);
        }
        if (options_.dense) {
            pilots_.forward(shared.Z.data(), nullptr, pilots_.devices, antennas, shared.next.data(), scratch);
        }
        for (std::size_t i = 0; i < problems.size(); ++i) {
            advance(*problems[i]->work, &shared.next[i * symbols]);
        }
    }

    // d = B D and a = B Z, of the corrected ones.
    void advance(Workspace& work, const T* next) const
    {
        const T keep = T(1 - options_.e), c = T(options_.c);
        T *d = work.d.data(), *a = work.a.data();
        for (std::size_t i = 0, size = work.d.size(); i < size; i += lanes<T>) {
            vec(d + i) = keep * vec(d + i) - c * (vec(a + i) - vec(next + i));
            vec(a + i) = vec(next + i);
        }
    }

    // q = r p + (1 + r) u, then the correction of p.
    void predict(Workspace& work, T* q) const
    {
        const T r = T(options_.r), more = T(1 + options_.r), e = T(options_.e), keep = T(1 - options_.e);
        const std::size_t stride = work.w.size(), size = work.Y.size();
        const T *Y = work.Y.data(), *a = work.a.data(), *d = work.d.data(), *w = work.w.data();
        const T* s = pilots_.spectrum.data();
        T* p = work.p.data();
        for (std::size_t plane = 0; plane < size; plane += stride) {
            for (std::size_t l = 0; l < stride; l += lanes<T>) {
                const std::size_t i = plane + l;
                const Vec<T> before = vec(p + i);
                const Vec<T> residual = vec(Y + i) - vec(a + i) - vec(d + i);
                const Vec<T> u = vec(w + l) * (residual - vec(s + l) * before);
                vec(q + i) = r * before + more * u;
                vec(p + i) = keep * before - e * u;
            }
        }
    }

    // Z~ = shrink(Z + r D + G), then the correction of D and Z, and the list of active rows; norms of what
    // the threshold leaves.
    void shrink(Rows<T>& rows, T* G, T threshold, bool first) const
    {
        if (rows.M == 1) { // whose two planes stay in registers
            first ? shrink<true, 2>(rows, G, threshold) : shrink<false, 2>(rows, G, threshold);
        } else {
            first ? shrink<true, 0>(rows, G, threshold) : shrink<false, 0>(rows, G, threshold);
        }
        if (!options_.dense) {
            rows.list_active();
        }
    }

    // `parts`: planes of each row, if known when compiled.
    template <bool first, int parts>
    void shrink(Rows<T>& rows, T* G, T threshold) const
    {
        const std::size_t stride = rows.stride();
        const int planes = parts ? parts : 2 * rows.M;
        const T r = T(options_.r), keep = T(1 - options_.e), c = T(options_.c);
        T *Z = rows.Z.data(), *D = rows.D.data(), *norm = rows.norm.data();
        for (std::size_t n = 0; n < stride; n += lanes<T>) {
            Vec<T> squares = {};
            for (int plane = 0; plane < planes; ++plane) {
                const std::size_t i = n + plane * stride;
                Vec<T> t = vec(Z + i) + vec(G + i);
                if (!first) {
                    t += r * vec(D + i);
                }
                vec(G + i) = t;
                squares += t * t;
            }
            const Vec<T> inverse = inverse_root<T>(squares), left = squares * inverse - threshold;
            const Vec<T> positive = left > 0 ? left : Vec<T>{}, scale = positive * inverse;
            vec(norm + n) = positive;
            for (int plane = 0; plane < planes; ++plane) {
                const std::size_t i = n + plane * stride;
                const Vec<T> z = scale * vec(G + i);
                const Vec<T> change = c * (vec(Z + i) - z);
                vec(D + i) = first ? -change : keep * vec(D + i) - change;
                vec(Z + i) = z;
            }
        }
    }

    // Leaves out, until the next check, inactive devices whose squared norm in work.scale is small.
    void screen(Workspace& work, T least) const
    {
        const int count = list_above(work, least);
        if (count > 0 && count <= pilots_.devices / 2) { // more are hardly slower together
            select(work, count);
        }
    }

    void select(Workspace& work, int count) const
    {
        pilots_.select(work.list.data(), count, work.scratch);
        work.some.clear(count);
        exchange(work, [](T& all, T& some) { some = all; });
        work.some.list_active();
    }

    // Back to the rows of all devices; the others' D fell by the same factor in every iteration.
    void expand(Workspace& work, int iterations) const
    {
        if (!work.selected()) {
            return work.all.list_active();
        }
        T fell = 1;
        for (int i = 0; i < iterations; ++i) {
            fell *= T(1 - options_.e);
        }
        for (std::size_t i = 0; i < work.all.D.size(); i += lanes<T>) {
            vec(&work.all.D[i]) *= fell;
        }
        exchange(work, [](T& all, T& some) { all = some; });
        work.all.n_active = work.some.n_active;
        for (int i = 0; i < work.some.n_active; ++i) {
            work.all.active[i] = work.list[work.some.active[i]];
        }
        work.some.count = 0;
    }

    // Calls move(a value of all rows, its value in those selected).
    template <class Move>
    void exchange(Workspace& work, Move move) const
    {
        Rows<T>&all = work.all, &some = work.some;
        for (int i = 0; i < some.count; ++i) {
            move(all.norm[work.list[i]], some.norm[i]);
        }
        for (int part = 0; part < 2 * work.M; ++part) {
            const std::size_t here = part * all.stride(), there = part * some.stride();
            for (int i = 0; i < some.count; ++i) {
                move(all.Z[here + work.list[i]], some.Z[there + i]);
                move(all.D[here + work.list[i]], some.D[there + i]);
            }
        }
    }

    // Rows are first left out after so many iterations, where they are below that share of the
    // threshold; and no more after the latest, when the plain iteration, known to converge, goes on.
    static constexpr int soon = 3, latest = 60;
    static constexpr double soon_share = 0.9;

    const Pilots& pilots_;
    const PcAdmmOptions options_;
};

} // namespace jadce
