// SPDX-License-Identifier: GPL-3.0-or-later
// The duality gap of an estimate: sums in double precision, whatever the iteration computes in.
#pragma once

#include "arithmetic/planar.hpp"
#include "pc_admm/workspace.hpp"

#include <limits>

namespace jadce {

struct Certified
{
    int n_iter = 0;
    double gap = 0;
    bool certain = true; // false: this precision cannot tell whether the gap is small enough
};

// The squared norms of the rows of work.G to work.scale; returns the largest.
template <class Pilots, class T = typename Pilots::Scalar>
T square_rows(Workspace<Pilots>& work)
{
    const std::size_t stride = work.all.stride(), size = work.all.size();
    Vec<T> most = {};
    for (std::size_t n = 0; n < stride; n += lanes<T>) {
        Vec<T> squares = {};
        for (std::size_t i = n; i < size; i += stride) {
            squares += vec(&work.G[i]) * vec(&work.G[i]);
        }
        vec(&work.scale[n]) = squares;
        most = most < squares ? squares : most;
    }
    T peak = 0;
    for (int i = 0; i < lanes<T>; ++i) {
        peak = std::max(peak, most[i]);
    }
    return peak;
}

// max_n ‖b_nᴴ y‖; leaves Bᴴ y in work.G and the squared norms in work.scale.
template <class Pilots, class T = typename Pilots::Scalar>
double largest_correlation(const Pilots& pilots, Workspace<Pilots>& work, const T* y)
{
    pilots.adjoint(y, work.M, work.G.data(), work.scratch);
    return std::sqrt(double(square_rows(work)));
}

// Y − B Z~ in work.q.
template <class Pilots>
void leave_residual(Workspace<Pilots>& work)
{
    using T = typename Pilots::Scalar;
    for (std::size_t i = 0; i < work.q.size(); i += lanes<T>) {
        vec(&work.q[i]) = vec(&work.Y[i]) - vec(&work.a[i]);
    }
}

// The relative duality gap of work.all, whose residual and its correlations it leaves in the
// workspace; the dual point is the residual scaled to be feasible. What rounding may have taken from
// the gap is added.
template <class Pilots>
Certified certify(const Pilots& pilots, Workspace<Pilots>& work, double lam, double energy, double tol)
{
    using T = typename Pilots::Scalar;
    leave_residual(work);
    const T* residual = work.q.data();
    double norms = 0;
    for (int i = 0; i < work.all.n_active; ++i) {
        norms += double(work.all.norm[work.all.active[i]]);
    }
    const double left = inner(residual, residual, work.q.size());
    const double primal = 0.5 * left + lam * norms;
    const double scale = std::min(1.0, lam / std::max(largest_correlation(pilots, work, residual), 1e-300));
    const double dual = scale * inner(residual, work.Y.data(), work.q.size()) - 0.5 * scale * scale * left;
    // By about these shares the rounding of B Z~ moves the primal value, and the dual point's scale.
    const double size = std::sqrt(energy), unit = std::numeric_limits<T>::epsilon();
    const double largest = size * pilots.largest_norm / (lam * std::sqrt(double(pilots.length)));
    const double rounding = unit * (4 * size * std::sqrt(left) / primal + 2 * largest);
    Certified found;
    found.gap = primal > 0 ? (primal - dual) / primal + rounding : 0.0;
    found.certain = sizeof(T) == sizeof(double) || rounding <= 0.1 * tol; // never if it is NaN
    return found;
}

} // namespace jadce
