// SPDX-License-Identifier: GPL-3.0-or-later
// The joint equaliser of payload/joint/equalizer.py: normal equations, elimination, and the inverse's
// diagonal.
#pragma once

#include <complex>
#include <cstddef>

namespace jadce {

constexpr int most_symbols = 64; // n of a block

// B slots of I blocks of n symbols; a block's window has w values, of which it shares `overlap` with the
// next.
struct EqualizerSizes
{
    int B, I, n, w, overlap;
};

// signatures (B, I, n, w) and windows (B, I, w); symbols (B, I, n), variance (B, I, n).
void equalize_all(const EqualizerSizes& sizes,
                  const std::complex<float>* signatures,
                  const std::complex<float>* windows,
                  std::complex<float>* symbols,
                  float* variance,
                  int threads);

} // namespace jadce
