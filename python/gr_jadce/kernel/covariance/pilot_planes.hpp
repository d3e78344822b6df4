// SPDX-License-Identifier: GPL-3.0-or-later
// The pilots in the two layouts that a descent over powers reads.
#pragma once

#include "arithmetic/complex.hpp"
#include "arithmetic/pilot_columns.hpp"
#include "arithmetic/simd.hpp"

#include <cstddef>

namespace jadce {

class PilotPlanes
{
public:
    // pilots (L, N)
    PilotPlanes(const Complex* pilots, int L, int N)
        : L(L), N(N), stride(padded<double>(L)), columns_(pilots, L, N),
          tiles_(std::size_t(2) * L * padded<double>(N)), energy_(N)
    {
        for (int l = 0; l < L; ++l) {
            for (int n = 0; n < N; ++n) {
                put(l, n, pilots[std::ptrdiff_t(l) * N + n]);
            }
        }
    }

    // a_n: real parts, then imaginary ones from `stride` on.
    const double* column(int n) const { return columns_.column(n); }

    // Devices in the lanes: symbol by symbol the real parts of neighbouring devices, then the imaginary ones.
    const double* tile(int t) const { return tiles_.data() + t * tile_size(); }
    std::ptrdiff_t tile_size() const { return std::ptrdiff_t(2) * lanes<double> * L; }
    int n_tiles() const { return padded<double>(N) / lanes<double>; }

    double energy(int n) const { return energy_[n]; }

    const int L, N, stride;

private:
    void put(int l, int n, Complex a)
    {
        constexpr int width = lanes<double>;
        double* lane = tiles_.data() + n / width * tile_size() + std::ptrdiff_t(2) * width * l + n % width;
        lane[0] = a.real();
        lane[width] = a.imag();
        energy_[n] += energy_of(a);
    }

    PilotColumns columns_;
    Array<double> tiles_, energy_;
};

} // namespace jadce
