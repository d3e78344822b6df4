// SPDX-License-Identifier: GPL-3.0-or-later
// Frames of few antennas that are solved in step, so that one pass over the pilots serves them all.
#pragma once

#include "pc_admm/certificate.hpp"
#include "pc_admm/workspace.hpp"

#include <cstddef>
#include <memory>
#include <vector>

namespace jadce {

// What frames in step share: the columns of one frame after another.
template <class Pilots>
struct Shared
{
    using T = typename Pilots::Scalar;
    Shared(const Pilots& pilots, int M)
        : G(std::size_t(2) * M * padded<T>(pilots.devices)), q(std::size_t(2) * M * padded<T>(pilots.length)),
          next(q.size())
    {
    }
    Array<T> G, q, next;
};

// The problem of one of several frames in step.
template <class Pilots>
struct Problem
{
    using T = typename Pilots::Scalar;
    Workspace<Pilots>* work;
    double lam, lam_peak;
    T threshold = 0;
    double energy = 0;
    Certified found = {};
};

// What a thread solves some of them with.
template <class Pilots>
struct Group
{
    Group(const Pilots& pilots, int M, int size) : shared(pilots, size * M)
    {
        for (int i = 0; i < size; ++i) {
            works.push_back(std::make_unique<Workspace<Pilots>>(pilots, M));
        }
    }
    std::vector<std::unique_ptr<Workspace<Pilots>>> works;
    Shared<Pilots> shared;
};

} // namespace jadce
