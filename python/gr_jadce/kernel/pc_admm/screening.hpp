// SPDX-License-Identifier: GPL-3.0-or-later
// Between two checks, PC-ADMM in single precision leaves out devices that seem inactive. They may come
// back a check later than in the plain iteration; the certificate is of all devices.
#pragma once

#include "pc_admm/workspace.hpp"

namespace jadce {

// Calls move(a value of all rows, its value in those selected).
template <class Pilots, class Move>
void exchange_selected(Workspace<Pilots>& work, Move move)
{
    auto &all = work.all, &some = work.some;
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

// Leaves out, until `expand`, inactive devices whose norm, of which work.scale holds the square, is
// below `least`.
template <class Pilots, class T = typename Pilots::Scalar>
void screen(const Pilots& pilots, Workspace<Pilots>& work, T least)
{
    const int count = list_above(work, least);
    if (count == 0 || count > pilots.devices / 2) { // more are hardly slower together
        return;
    }
    pilots.select(work.list.data(), count, work.scratch);
    work.some.clear(count);
    exchange_selected(work, [](T& all, T& some) { some = all; });
    work.some.list_active();
}

// Back to the rows of all devices; the others' D fell by the factor `keep` in every iteration.
template <class Pilots, class T = typename Pilots::Scalar>
void expand(Workspace<Pilots>& work, int iterations, T keep)
{
    if (!work.selected()) {
        return;
    }
    T fell = 1;
    for (int i = 0; i < iterations; ++i) {
        fell *= keep;
    }
    for (std::size_t i = 0; i < work.all.D.size(); i += lanes<T>) {
        vec(&work.all.D[i]) *= fell;
    }
    exchange_selected(work, [](T& all, T& some) { all = some; });
    work.all.n_active = work.some.n_active;
    for (int i = 0; i < work.some.n_active; ++i) {
        work.all.active[i] = work.list[work.some.active[i]];
    }
    work.some.count = 0;
}

} // namespace jadce
