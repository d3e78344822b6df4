// SPDX-License-Identifier: GPL-3.0-or-later
// Where PC-ADMM may start: Z from block coordinate descent on the likeliest devices, in rounds that add
// those that the residual still calls for; U as if that were the solution.
#pragma once

#include "pc_admm/certificate.hpp"

namespace jadce {

// Lists the active devices, and those whose squared correlations in work.scale are largest and above
// λ²; returns how many there are.
template <class Pilots, class T = typename Pilots::Scalar>
int choose(Workspace<Pilots>& work, T lam, int most)
{
    std::vector<int>& list = work.descent.list;
    int count = list_above(work, lam), *candidates = work.list.data();
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
template <class Pilots, class Move>
void exchange(Workspace<Pilots>& work, Move move)
{
    auto& descent = work.descent;
    for (int part = 0; part < 2 * work.M; ++part) {
        for (int i = 0; i < descent.count; ++i) {
            const std::size_t here = part * work.all.stride() + descent.list[i];
            const std::size_t there = std::size_t(part) * descent.stride() + i;
            move(work.all.Z[here], descent.rows[there]);
            move(work.G[here], descent.correlation[there]);
        }
    }
}

template <class Pilots>
void keep_norms(Workspace<Pilots>& work)
{
    using T = typename Pilots::Scalar;
    auto& all = work.all;
    std::fill(all.norm.data(), all.norm.data() + all.stride(), T(0));
    for (int i = 0; i < work.descent.count; ++i) {
        const int n = work.descent.list[i];
        T squares = 0;
        for (std::size_t place = n; place < all.size(); place += all.stride()) {
            squares += all.Z[place] * all.Z[place];
        }
        all.norm[n] = std::sqrt(squares);
    }
    all.list_active();
}

// Descends on the devices chosen, and leaves B Z in work.a.
template <class Pilots, class T = typename Pilots::Scalar>
void descend_on_chosen(const Pilots& pilots, Workspace<Pilots>& work, T lam, int most_sweeps)
{
    auto& descent = work.descent;
    T *re = descent.gram_re.data(), *im = descent.gram_im.data();
    pilots.gram(descent.list.data(), descent.count, re, im, descent.stride());
    exchange(work, [](T& here, T& there) { there = here; });
    descent.run(lam, most_sweeps);
    exchange(work, [](T& here, T& there) { here = there; });
    keep_norms(work);
    const int* active = work.all.active.data();
    pilots.forward(work.all.Z.data(), active, work.all.n_active, work.M, work.a.data(), work.scratch);
}

template <class Pilots, class T = typename Pilots::Scalar>
void descend(const Pilots& pilots, Workspace<Pilots>& work, T lam, T beta)
{
    constexpr int rounds = 3, sweeps[rounds] = {3, 10, 10};
    auto& descent = work.descent;
    descent.resize(std::max(1, std::min({pilots.devices, pilots.length / 6, 2048})), work.M);
    for (int round = 0; round < rounds; ++round) {
        if (!work.correlated) {
            leave_residual(work);
            largest_correlation(pilots, work, work.q.data());
        }
        work.correlated = false;
        const int room = int(descent.list.size());
        const int wanted = choose(work, lam, round ? room : (3 * room + 3) / 4);
        if (round && (wanted == work.all.n_active || wanted > 4 * room)) {
            break; // nothing to add, or far too much
        }
        descend_on_chosen(pilots, work, lam, sweeps[round]);
    }
    for (std::size_t i = 0; i < work.p.size(); i += lanes<T>) {
        vec(&work.p[i]) = (vec(&work.a[i]) - vec(&work.Y[i])) / beta;
    }
}

} // namespace jadce
