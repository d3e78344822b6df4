// SPDX-License-Identifier: GPL-3.0-or-later
// What the evidence of a support is worth: `surplus_evidence` of support_fit.py, compiled.
#pragma once

#include "detection/support_fit.hpp"

#include <algorithm>
#include <cmath>

namespace jadce {

// How much likelier than by noise the support makes the frame than a choice explains.
inline double surplus_evidence(const SupportFit& fit, double threshold)
{
    if (fit.size() == 0) {
        return 0;
    }
    const double K = double(fit.size()), N = double(fit.gram.n_devices());
    const double chosen = std::min(K, std::floor(N / 2)); // a support of all would cost nothing
    const double choices = std::lgamma(N + 1) - std::lgamma(chosen + 1) - std::lgamma(N - chosen + 1);
    return fit.log_evidence() - choices - threshold * M_LN10 - K / 4;
}

} // namespace jadce
