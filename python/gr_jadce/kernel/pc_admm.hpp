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

#include "descent.hpp"
#include "frames.hpp"

#include <algorithm>
#include <limits>

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
    // residual is below this share of λ.  They may come back a check later than in the plain iteration;
    // the certificate is of all devices.
    double screen = 0;
    bool dense = false; // product loop of a benchmark: multiply with rows that are zero, too
};

struct Certified
{
    int n_iter = 0;
    double gap = 0;
    bool certain = true; // false: this precision cannot tell whether the gap is small enough
};

template <class Pilots>
class PcAdmm
{
    using T = typename Pilots::Scalar;

public:
    struct Workspace
    {
        Workspace(const Pilots& pilots, int M)
            : M(M), Z(size(pilots.devices, M)), D(Z.size()), G(Z.size()), Y(size(pilots.length, M)),
              samples(Y.size()), p(Y.size()), q(Y.size()), a(Y.size()), next(Y.size()), d(Y.size()),
              norm(padded<T>(pilots.devices)), scale(norm.size()), mask(norm.size()),
              w(padded<T>(pilots.length)), active(pilots.devices), kept(pilots.devices), scratch(pilots, M)
        {
        }
        static std::size_t size(int rows, int M) { return std::size_t(2) * M * padded<T>(rows); }
        int M;
        Array<T> Z, D, G;                      // of devices
        Array<T> Y, samples, p, q, a, next, d; // of symbols: a = B Z, d = B D
        Array<T> norm, scale, mask, w;
        Array<int> active, kept;
        int n_active = 0, n_kept = 0;
        Descent<T> descent;
        typename Pilots::Scratch scratch;
    };

    PcAdmm(const Pilots& pilots, const PcAdmmOptions& options) : pilots_(pilots), options_(options) {}

    // Y = Qᴴ samples; call before the others.
    void load(Workspace& work) const
    {
        pilots_.rotate(work.samples.data(), work.M, work.Y.data(), work.scratch);
    }

    // max_n ‖b_nᴴ Y‖.
    double lam_max(Workspace& work) const { return largest_correlation(work, work.Y.data()); }

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
            const int support = std::min(work.n_active, pilots_.length / 2);
            noise_var = residual_energy(work) / (double(n_antennas) * (pilots_.length - support));
            lam = lam_for(noise_var, n_antennas);
        }
        return noise_var;
    }

    // The estimate is left in work.Z, its row norms in work.norm.
    Certified solve(Workspace& work, double lam, double lam_peak, double tol) const
    {
        start(work);
        if (!(lam < lam_peak)) {
            return {};
        }
        const double beta = options_.beta_factor * pilots_.energy * std::sqrt(lam / lam_peak);
        for (std::size_t l = 0; l < work.w.size(); ++l) {
            work.w[l] = T(1 / (double(pilots_.spectrum[l]) + beta));
        }
        if (options_.descend && pilots_.has_gram()) {
            descend(work, lam, beta);
        }
        const double energy = inner(work.Y.data(), work.Y.data(), work.Y.size());
        for (int k = 1;; ++k) {
            step(work, T(lam / beta));
            if (k % options_.check_every && k < options_.max_iter) {
                continue;
            }
            Certified found = certify(work, lam, energy, tol);
            found.n_iter = k;
            if (found.gap <= tol || k == options_.max_iter || !found.certain) {
                return found;
            }
            screen(work, lam, k);
        }
    }

private:
    void start(Workspace& work) const
    {
        for (Array<T>* array : {&work.Z, &work.D, &work.p, &work.a, &work.d, &work.norm}) {
            std::fill(array->data(), array->data() + array->size(), T(0));
        }
        work.n_active = 0;
        keep_all(work);
    }

    void keep_all(Workspace& work) const
    {
        work.n_kept = pilots_.devices;
        std::fill(work.mask.data(), work.mask.data() + work.mask.size(), T(1));
    }

    // Z from block coordinate descent on the likeliest devices, in rounds that add those that the
    // residual still calls for; U as if that were the solution.
    void descend(Workspace& work, double lam, double beta) const
    {
        constexpr int rounds = 3, sweeps[rounds] = {4, 10, 10};
        Descent<T>& descent = work.descent;
        descent.resize(std::max(1, std::min({pilots_.devices, pilots_.length / 6, 2048})), work.M);
        for (int round = 0; round < rounds; ++round) {
            for (std::size_t i = 0; i < work.q.size(); i += lanes<T>) {
                vec(&work.q[i]) = vec(&work.Y[i]) - vec(&work.a[i]);
            }
            largest_correlation(work, work.q.data());
            const int wanted = choose(work, T(lam));
            if (round && (wanted == work.n_active || wanted > 4 * int(descent.list.size()))) {
                break; // nothing to add, or far too much
            }
            pilots_.gram(descent.list.data(),
                         descent.count,
                         descent.gram_re.data(),
                         descent.gram_im.data(),
                         descent.stride());
            exchange(work, [](T& here, T& there) { there = here; });
            descent.run(T(lam), sweeps[round]);
            exchange(work, [](T& here, T& there) { here = there; });
            keep_norms(work);
            pilots_.forward(
                work.Z.data(), work.active.data(), work.n_active, work.M, work.a.data(), work.scratch);
        }
        for (std::size_t i = 0; i < work.p.size(); i += lanes<T>) {
            vec(&work.p[i]) = (vec(&work.a[i]) - vec(&work.Y[i])) / T(beta);
        }
    }

    // The active devices, and those whose squared correlations in work.scale are largest and above λ²;
    // returns how many there are.
    int choose(Workspace& work, T lam) const
    {
        std::vector<int>& list = work.descent.list;
        const int most = int(list.size());
        int* candidates = work.kept.data();
        int count = 0;
        for (int n = 0; n < pilots_.devices; ++n) {
            if (work.norm[n] > 0) {
                work.scale[n] = std::numeric_limits<T>::max();
            }
            candidates[count] = n;
            count += work.scale[n] > lam * lam;
        }
        const int wanted = count;
        if (count > most) {
            std::nth_element(candidates, candidates + most, candidates + count, [&](int a, int b) {
                return work.scale[a] > work.scale[b] || (work.scale[a] == work.scale[b] && a < b);
            });
            count = most;
            std::sort(candidates, candidates + count);
        }
        std::copy(candidates, candidates + count, list.begin());
        work.descent.count = count;
        return wanted;
    }

    // Calls move(row's value here, its value in the descent) for X, and for the correlations.
    template <class Move>
    void exchange(Workspace& work, Move move) const
    {
        Descent<T>& descent = work.descent;
        const std::size_t stride = work.norm.size();
        for (int part = 0; part < 2 * work.M; ++part) {
            for (int i = 0; i < descent.count; ++i) {
                const std::size_t here = part * stride + descent.list[i];
                const std::size_t there = std::size_t(part) * descent.stride() + i;
                move(work.Z[here], descent.rows[there]);
                move(work.G[here], descent.correlation[there]);
            }
        }
    }

    void keep_norms(Workspace& work) const
    {
        const std::size_t stride = work.norm.size();
        std::fill(work.norm.data(), work.norm.data() + stride, T(0));
        for (int i = 0; i < work.descent.count; ++i) {
            const int n = work.descent.list[i];
            T squares = 0;
            for (std::size_t place = n; place < work.Z.size(); place += stride) {
                squares += work.Z[place] * work.Z[place];
            }
            work.norm[n] = std::sqrt(squares);
        }
        list_active(work);
    }

    void step(Workspace& work, T threshold) const
    {
        predict(work);
        if (work.n_kept < pilots_.devices) {
            pilots_.adjoint_rows(
                work.q.data(), work.kept.data(), work.n_kept, work.M, work.G.data(), work.scratch);
        } else {
            pilots_.adjoint(work.q.data(), work.M, work.G.data(), work.scratch);
        }
        shrink(work, threshold);
        pilots_.forward(
            work.Z.data(), work.active.data(), n_multiplied(work), work.M, work.next.data(), work.scratch);
        const T keep = T(1 - options_.e), c = T(options_.c);
        for (std::size_t i = 0; i < work.d.size(); i += lanes<T>) {
            const Vec<T> next = vec(&work.next[i]);
            vec(&work.d[i]) = keep * vec(&work.d[i]) - c * (vec(&work.a[i]) - next);
            vec(&work.a[i]) = next;
        }
    }

    // q = r p + (1 + r) u, then the correction of p.
    void predict(Workspace& work) const
    {
        const T r = T(options_.r), more = T(1 + options_.r), e = T(options_.e), keep = T(1 - options_.e);
        const std::size_t stride = work.w.size();
        for (std::size_t plane = 0; plane < work.Y.size(); plane += stride) {
            for (std::size_t l = 0; l < stride; l += lanes<T>) {
                const std::size_t i = plane + l;
                const Vec<T> p = vec(&work.p[i]);
                const Vec<T> residual = vec(&work.Y[i]) - vec(&work.a[i]) - vec(&work.d[i]);
                const Vec<T> u = vec(&work.w[l]) * (residual - vec(&pilots_.spectrum[l]) * p);
                vec(&work.q[i]) = r * p + more * u;
                vec(&work.p[i]) = keep * p - e * u;
            }
        }
    }

    // Z~ = shrink(Z + r D + G), then the correction of D and Z, and the list of active rows.
    void shrink(Workspace& work, T threshold) const
    {
        const std::size_t stride = work.norm.size(), size = work.Z.size();
        const T r = T(options_.r), keep = T(1 - options_.e), c = T(options_.c);
        for (std::size_t n = 0; n < stride; n += lanes<T>) {
            Vec<T> squares = {};
            for (std::size_t i = n; i < size; i += stride) {
                const Vec<T> t = vec(&work.Z[i]) + r * vec(&work.D[i]) + vec(&work.G[i]);
                vec(&work.G[i]) = t;
                squares += t * t;
            }
            vec(&work.norm[n]) = squares;
        }
        shorten(work.norm.data(), work.scale.data(), work.mask.data(), int(stride), threshold);
        for (std::size_t n = 0; n < stride; n += lanes<T>) {
            const Vec<T> scale = vec(&work.scale[n]);
            for (std::size_t i = n; i < size; i += stride) {
                const Vec<T> z = scale * vec(&work.G[i]);
                vec(&work.D[i]) = keep * vec(&work.D[i]) - c * (vec(&work.Z[i]) - z);
                vec(&work.Z[i]) = z;
            }
        }
        list_active(work);
    }

    // Squared norms → norms of what the threshold leaves, and the factor that leaves it.
    static void shorten(T* norm, T* scale, const T* mask, int count, T threshold)
    {
        for (int n = 0; n < count; ++n) {
            const T size = std::sqrt(norm[n]);
            const T left = size > threshold ? (size - threshold) * mask[n] : T(0);
            norm[n] = left;
            scale[n] = left / (size + std::numeric_limits<T>::min());
        }
    }

    void list_active(Workspace& work) const
    {
        int count = 0;
        for (int n = 0; n < pilots_.devices; ++n) {
            work.active[count] = n;
            count += work.norm[n] > 0;
        }
        work.n_active = count;
    }

    int n_multiplied(const Workspace& work) const { return options_.dense ? pilots_.devices : work.n_active; }

    // The relative duality gap, sums in double; the dual point is the residual scaled to be feasible.
    Certified certify(Workspace& work, double lam, double energy, double tol) const
    {
        T* residual = work.q.data();
        for (std::size_t i = 0; i < work.q.size(); i += lanes<T>) {
            vec(residual + i) = vec(&work.Y[i]) - vec(&work.a[i]);
        }
        double norms = 0;
        for (int i = 0; i < work.n_active; ++i) {
            norms += double(work.norm[work.active[i]]);
        }
        const double left = inner(residual, residual, work.q.size());
        const double primal = 0.5 * left + lam * norms;
        const double scale = std::min(1.0, lam / std::max(largest_correlation(work, residual), 1e-300));
        const double dual =
            scale * inner(residual, work.Y.data(), work.q.size()) - 0.5 * scale * scale * left;
        Certified found;
        found.gap = primal > 0 ? (primal - dual) / primal : 0.0;
        // The rounding of B Z~ moves the primal value by at most about this share.
        const double rounding = 4 * std::numeric_limits<T>::epsilon() * std::sqrt(energy * left) / primal;
        found.certain = sizeof(T) == sizeof(double) || !(rounding > 0.1 * tol);
        return found;
    }

    double residual_energy(Workspace& work) const
    {
        double total = 0;
        for (std::size_t i = 0; i < work.Y.size(); ++i) {
            const double left = double(work.Y[i]) - double(work.a[i]);
            total += left * left;
        }
        return total;
    }

    // max_n ‖b_nᴴ y‖; leaves Bᴴ y in work.G and the squared norms in work.scale.
    double largest_correlation(Workspace& work, const T* y) const
    {
        pilots_.adjoint(y, work.M, work.G.data(), work.scratch);
        const std::size_t stride = work.norm.size();
        Vec<T> most = {};
        for (std::size_t n = 0; n < stride; n += lanes<T>) {
            Vec<T> squares = {};
            for (std::size_t i = n; i < work.G.size(); i += stride) {
                squares += vec(&work.G[i]) * vec(&work.G[i]);
            }
            vec(&work.scale[n]) = squares;
            most = most < squares ? squares : most;
        }
        T peak = 0;
        for (int i = 0; i < lanes<T>; ++i) {
            peak = std::max(peak, most[i]);
        }
        return std::sqrt(double(peak));
    }

    // After a check: leave out devices that are inactive and far from becoming active, until the next.
    void screen(Workspace& work, double lam, int k) const
    {
        constexpr int at_most = 60; // later, the plain iteration, whose convergence is known
        if (!Pilots::skips_rows || sizeof(T) > sizeof(float) || !(options_.screen > 0) || k >= at_most) {
            return keep_all(work);
        }
        const T least = T(options_.screen * options_.screen * lam * lam);
        int count = 0;
        for (int n = 0; n < pilots_.devices; ++n) {
            const bool keep = work.scale[n] > least || work.norm[n] > 0;
            work.kept[count] = n;
            work.mask[n] = T(keep);
            count += keep;
        }
        work.n_kept = count;
        if (count > pilots_.devices / 2) { // row by row, products are slower
            keep_all(work);
        }
    }

    const Pilots& pilots_;
    const PcAdmmOptions options_;
};

} // namespace jadce
