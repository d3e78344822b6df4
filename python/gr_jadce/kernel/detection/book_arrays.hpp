// SPDX-License-Identifier: GPL-3.0-or-later
// A pilot book as decisions read it.
#pragma once

#include "arithmetic/dense.hpp"
#include "arithmetic/pilot_columns.hpp"
#include "detection/gram.hpp"

#include <cmath>
#include <complex>
#include <cstddef>

namespace jadce {

struct BookArrays
{
    // gram (N, N), pilots (L, N)
    BookArrays(const Complex* gram_values, const Complex* pilots, int L, int N)
        : gram(gram_values, std::size_t(N)), pilots(pilots, L, N), adjoint(N, L, false, [&](int n, int l) {
              return std::complex<float>(pilots[std::ptrdiff_t(l) * N + n] / std::sqrt(gram.scale()));
          })
    {
    }

    const Gram gram;
    const PilotColumns pilots;
    const Packed<float> adjoint; // over the largest norm, as the single Gram matrix is
};

} // namespace jadce
