// SPDX-License-Identifier: GPL-3.0-or-later
// Eigenvalues of a small Hermitian matrix.
#pragma once

#include "arithmetic/small_matrix.hpp"

#include <cfloat>
#include <cmath>

namespace jadce {

// By Jacobi's rotations a Hermitian matrix becomes diagonal, and `along` (rows of which are turned alike) Uᴴ
// along.
inline void diagonalize(SmallMatrix& x, SmallMatrix& along)
{
    const int size = x.rows();
    for (int sweep = 0; sweep < 8; ++sweep) {
        double off = 0;
        for (int p = 0; p < size; ++p) {
            for (int q = p + 1; q < size; ++q) {
                const double length = std::sqrt(energy_of(x(p, q)));
                const double top = std::sqrt(std::abs(x(p, p).real() * x(q, q).real()));
                if (length <= 1e-9 * top || length < DBL_MIN) {
                    continue;
                }
                off = 1;
                const double ratio = (x(q, q).real() - x(p, p).real()) / (2 * length);
                const double t = (ratio < 0 ? -1 : 1) / (std::abs(ratio) + std::sqrt(1 + ratio * ratio));
                const double c = 1 / std::sqrt(1 + t * t);
                const Complex s = t * c / length * x(p, q); // with the phase of x_pq
                const auto turn_rows = [&](SmallMatrix& y) {
                    for (int j = 0; j < y.columns(); ++j) {
                        const Complex a = y(p, j), b = y(q, j);
                        y(p, j) = c * a - times(s, b);
                        y(q, j) = times(std::conj(s), a) + c * b;
                    }
                };
                turn_rows(x);
                turn_rows(along);
                for (int i = 0; i < size; ++i) {
                    const Complex a = x(i, p), b = x(i, q);
                    x(i, p) = c * a - times(std::conj(s), b);
                    x(i, q) = times(s, a) + c * b;
                }
            }
        }
        if (off == 0) {
            return;
        }
    }
}

} // namespace jadce
