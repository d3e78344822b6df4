// SPDX-License-Identifier: GPL-3.0-or-later
// What a thread computes with: the rows of devices, and the arrays of one frame's symbols.
#pragma once

#include "pc_admm/descent.hpp"

#include <algorithm>
#include <limits>

namespace jadce {

// Rows of Z and D for all devices or for some, planar, with room for `capacity` of them.
template <class T>
struct Rows
{
    Rows(int capacity, int M)
        : M(M), Z(std::size_t(2) * M * padded<T>(capacity)), D(Z.size()), norm(padded<T>(capacity)),
          active(capacity)
    {
    }

    // That many rows, none of them active.
    void clear(int rows)
    {
        count = rows;
        n_active = 0;
        std::fill(Z.data(), Z.data() + size(), T(0));
        std::fill(norm.data(), norm.data() + stride(), T(0));
    }

    // The same where so many rows are in use.
    void clear_active()
    {
        for (int i = 0; i < n_active; ++i) {
            norm[active[i]] = 0;
            for (std::size_t place = active[i]; place < size(); place += stride()) {
                Z[place] = 0;
            }
        }
        n_active = 0;
    }

    void list_active()
    {
        const T* size = norm.data();
        n_active = list_where(count, active.data(), [=](int n) { return size[n] > 0; });
    }

    std::size_t stride() const { return padded<T>(count); }
    std::size_t size() const { return 2 * M * stride(); }

    const int M;
    int count = 0, n_active = 0;
    Array<T> Z, D, norm; // norm: of the rows of Z
    Array<int> active;   // rows of Z that are not zero
};

template <class Pilots>
struct Workspace
{
    using T = typename Pilots::Scalar;

    Workspace(const Pilots& pilots, int M)
        : M(M), all(pilots.devices, M), some(Pilots::selects ? pilots.devices / 2 : 0, M), G(all.Z.size()),
          scale(all.norm.size()), Y(std::size_t(2) * M * padded<T>(pilots.length)), samples(Y.size()),
          p(Y.size()), q(Y.size()), a(Y.size()), next(Y.size()), d(Y.size()), w(padded<T>(pilots.length)),
          list(pilots.devices), scratch(pilots, M)
    {
        all.clear(pilots.devices);
    }

    // Between two checks, the rows of the devices listed; 0 of them where none are left out.
    bool selected() const { return some.count > 0; }
    Rows<T>& rows() { return selected() ? some : all; }

    const int M;
    Rows<T> all, some;
    Array<T> G, scale;                     // of rows
    bool correlated = false;               // these are Bᴴ Y and its squared norms
    Array<T> Y, samples, p, q, a, next, d; // of symbols: a = B Z, d = B D
    Array<T> w;
    Array<int> list;
    Descent<T> descent;
    typename Pilots::Scratch scratch;
};

// Lists in work.list the active devices, and those whose squared norm in work.scale is above that of
// `least`; returns how many.
template <class Pilots, class T = typename Pilots::Scalar>
int list_above(Workspace<Pilots>& work, T least)
{
    for (int i = 0; i < work.all.n_active; ++i) {
        work.scale[work.all.active[i]] = std::numeric_limits<T>::max();
    }
    const T *squares = work.scale.data(), above = least * least;
    return list_where(work.all.count, work.list.data(), [=](int n) { return squares[n] > above; });
}

} // namespace jadce
