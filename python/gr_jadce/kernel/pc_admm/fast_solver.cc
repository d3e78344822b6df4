// SPDX-License-Identifier: GPL-3.0-or-later
#include "pc_admm/solver.hpp"
#include "pilots/fast_pilots.hpp"

namespace jadce {

std::unique_ptr<PcAdmmSolver> make_fast_solver(const PcAdmmOptions& options, const FastBook& book)
{
    return std::make_unique<Solver<FastPilots>>(options, book);
}

} // namespace jadce
