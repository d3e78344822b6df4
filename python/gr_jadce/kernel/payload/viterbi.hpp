// SPDX-License-Identifier: GPL-3.0-or-later
// The Viterbi decoder of payload/viterbi.py: constraint length 7, rate 1/2, from state 0 to state 0.
#pragma once

#include <cstddef>
#include <cstdint>

namespace jadce {

// The n bits of each of K code words of llr (K, n, 2), positive for 0.
void viterbi_all(std::size_t K, std::size_t n, const float* llr, std::uint8_t* bits);

} // namespace jadce
