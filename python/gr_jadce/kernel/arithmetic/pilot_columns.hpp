// SPDX-License-Identifier: GPL-3.0-or-later
// The pilots one by one.
#pragma once

#include "arithmetic/complex.hpp"
#include "arithmetic/simd.hpp"

#include <cstddef>

namespace jadce {

class PilotColumns
{
public:
    // pilots (L, N)
    PilotColumns(const Complex* pilots, int L, int N)
        : L(L), N(N), stride(padded<double>(L)), values_(std::size_t(2) * N * stride)
    {
        for (int l = 0; l < L; ++l) {
            for (int n = 0; n < N; ++n) {
                double* place = values_.data() + std::ptrdiff_t(2) * n * stride + l;
                place[0] = pilots[std::ptrdiff_t(l) * N + n].real();
                place[stride] = pilots[std::ptrdiff_t(l) * N + n].imag();
            }
        }
    }

    // a_n: real parts, then imaginary ones from `stride` on.
    const double* column(int n) const { return values_.data() + std::ptrdiff_t(2) * n * stride; }

    const int L, N, stride;

private:
    Array<double> values_;
};

} // namespace jadce
