// SPDX-License-Identifier: GPL-3.0-or-later
#include "pc_admm/solver.hpp"
#include "pilots/dense_pilots.hpp"

namespace jadce {

std::unique_ptr<PcAdmmSolver> make_dense_solver(const PcAdmmOptions& options,
                                                int L,
                                                int N,
                                                const Complex* B,
                                                const Complex* Q,
                                                const double* s,
                                                double energy)
{
    return std::make_unique<Solver<DensePilots>>(options, L, N, B, Q, s, energy);
}

} // namespace jadce
