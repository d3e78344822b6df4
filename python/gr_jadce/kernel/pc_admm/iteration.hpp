// SPDX-License-Identifier: GPL-3.0-or-later
// One iteration of prediction-correction ADMM for the group LASSO.
//
// The iteration is that of solvers/pc_admm.py, for correctors C = [[1, 0], [c, e]], written so that it
// does less work. With u = w ∘ (Y − B(Z + U)), w = 1/(s + β), the prediction is
//     X~ = Z + U + Bᴴu,   U~ = −Bᴴu,   Z~ = shrink(Z + r U + (1 + r) Bᴴu),
// so that U = Bᴴp + D with p of the frame's size and B U = s ∘ p + B D: the correction
//     p ← (1 − e) p − e u,   D ← (1 − e) D − c (Z − Z~),   Z ← Z~
// makes one product with the whole of Bᴴ an iteration, and one with the columns of B at which Z~ is
// not zero. The residual Y − B Z~ of the certificate is there already.
#pragma once

#include "pc_admm/in_step.hpp"
#include "pc_admm/options.hpp"

#include <cstddef>
#include <vector>

namespace jadce {

template <class Pilots>
class Iteration
{
    using T = typename Pilots::Scalar;
    using Work = Workspace<Pilots>;

public:
    Iteration(const Pilots& pilots, const PcAdmmOptions& options)
        : pilots_(pilots), r_(T(options.r)), c_(T(options.c)), e_(T(options.e)), keep_(T(1 - options.e)),
          more_(T(1 + options.r))
    {
    }

    // The first one takes D for zero, whatever it is.
    void step(Work& work, T threshold, bool first) const
    {
        predict(work, work.q.data());
        adjoint(work);
        shrink(work.rows(), work.G.data(), threshold, first);
        forward(work);
        advance(work, work.next.data());
    }

    // The same of frames in step.
    void step(const std::vector<Problem<Pilots>*>& problems, Shared<Pilots>& shared, bool first) const
    {
        const Work& any = *problems[0]->work;
        const std::size_t symbols = any.Y.size(), rows = any.all.Z.size();
        auto& scratch = problems[0]->work->scratch;
        for (std::size_t i = 0; i < problems.size(); ++i) {
            predict(*problems[i]->work, &shared.q[i * symbols]);
        }
        pilots_.adjoint(shared.q.data(), any.M * int(problems.size()), shared.G.data(), scratch);
        for (std::size_t i = 0; i < problems.size(); ++i) {
            Work& work = *problems[i]->work;
            Rows<T>& all = work.all;
            T* next = &shared.next[i * symbols];
            shrink(all, &shared.G[i * rows], problems[i]->threshold, first);
            pilots_.forward(all.Z.data(), all.active.data(), all.n_active, work.M, next, scratch);
        }
        for (std::size_t i = 0; i < problems.size(); ++i) {
            advance(*problems[i]->work, &shared.next[i * symbols]);
        }
    }

private:
    void adjoint(Work& work) const
    {
        if (work.selected()) {
            pilots_.adjoint_selected(work.q.data(), work.some.count, work.M, work.G.data(), work.scratch);
        } else {
            pilots_.adjoint(work.q.data(), work.M, work.G.data(), work.scratch);
        }
    }

    void forward(Work& work) const
    {
        const Rows<T>& rows = work.rows();
        const T* Z = rows.Z.data();
        const int* active = rows.active.data();
        T* next = work.next.data();
        if (work.selected()) {
            pilots_.forward_selected(Z, rows.count, active, rows.n_active, work.M, next, work.scratch);
        } else {
            pilots_.forward(Z, active, rows.n_active, work.M, next, work.scratch);
        }
    }

    // d = B D and a = B Z, of the corrected ones.
    void advance(Work& work, const T* next) const
    {
        T *d = work.d.data(), *a = work.a.data();
        for (std::size_t i = 0, size = work.d.size(); i < size; i += lanes<T>) {
            vec(d + i) = keep_ * vec(d + i) - c_ * (vec(a + i) - vec(next + i));
            vec(a + i) = vec(next + i);
        }
    }

    // q = r p + (1 + r) u, then the correction of p.
    void predict(Work& work, T* q) const
    {
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
                vec(q + i) = r_ * before + more_ * u;
                vec(p + i) = keep_ * before - e_ * u;
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
        rows.list_active();
    }

    // `parts`: planes of each row, if known when compiled.
    template <bool first, int parts>
    void shrink(Rows<T>& rows, T* G, T threshold) const
    {
        const std::size_t stride = rows.stride();
        const int planes = parts ? parts : 2 * rows.M;
        const T r = r_, keep = keep_, c = c_; // in registers
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

    const Pilots& pilots_;
    const T r_, c_, e_, keep_, more_; // the relaxation, the corrector's entries, 1 − e and 1 + r
};

} // namespace jadce
