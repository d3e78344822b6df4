// SPDX-License-Identifier: GPL-3.0-or-later
// What PC-ADMM may be told; the defaults are those of solvers/pc_admm.py.
#pragma once

namespace jadce {

struct PcAdmmOptions
{
    double r = 0.9, c = 0.9, e = 1.8; // relaxation, and corrector [[1, 0], [c, e]]
    double beta_factor = 3.2;
    double lam_ratio = 0, lam_factor = 0.7; // the ratio is 0 where λ comes from the noise
    double tol = 1e-4;
    int max_iter = 300, check_every = 5;
    bool descend = true; // start from block coordinate descent, where pilots have a Gram matrix to look up
    // Single precision leaves out inactive devices whose correlation with the residual is below this
    // share of λ (screening.hpp), and checks when the gap should be small enough; 0: it does neither.
    double screen = 0;
};

} // namespace jadce
