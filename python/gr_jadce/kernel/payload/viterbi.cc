// SPDX-License-Identifier: GPL-3.0-or-later
#include "payload/viterbi.hpp"

#include <array>
#include <vector>

namespace jadce {
namespace {

constexpr int n_states = 64;
constexpr int half = n_states / 2;
constexpr std::array<int, 2> polynomials = {109, 79}; // 133 and 171, octal, the newest bit the least
constexpr float far = -1e9F;                          // metric of states that cannot be

using Metrics = std::array<float, n_states>;
using Ways = std::array<std::uint8_t, n_states>; // 1 where a state s is reached from s/2 + 32

float sign_of(int state, int polynomial) { return __builtin_parity(unsigned(state & polynomial)) ? -1 : 1; }

// Signs of the two coded bits on the way from s/2 to s, of even and of odd states.
struct Signs
{
    float even[2][half], odd[2][half];
    Signs()
    {
        for (int i = 0; i < 2; ++i) {
            for (int s = 0; s < half; ++s) {
                even[i][s] = sign_of(2 * s, polynomials[i]);
                odd[i][s] = sign_of(2 * s + 1, polynomials[i]);
            }
        }
    }
};

// m'_s = max(m_{s/2} + g_s, m_{s/2+32} - g_s)
void step(const Signs& signs, float first, float second, const Metrics& before, Metrics& after, Ways& ways)
{
    float even[half], odd[half];
    std::int32_t even_way[half], odd_way[half];
    for (int s = 0; s < half; ++s) {
        const float g = first * signs.even[0][s] + second * signs.even[1][s];
        const float h = first * signs.odd[0][s] + second * signs.odd[1][s];
        const float a = before[s] + g, b = before[s + half] - g;
        const float c = before[s] + h, d = before[s + half] - h;
        even[s] = b > a ? b : a;
        odd[s] = d > c ? d : c;
        even_way[s] = b > a;
        odd_way[s] = d > c;
    }
    for (int s = 0; s < half; ++s) {
        after[2 * s] = even[s];
        after[2 * s + 1] = odd[s];
        ways[2 * s] = std::uint8_t(even_way[s]);
        ways[2 * s + 1] = std::uint8_t(odd_way[s]);
    }
}

} // namespace

void viterbi_all(std::size_t K, std::size_t n, const float* llr, std::uint8_t* bits)
{
    static const Signs signs;
    std::vector<Ways> ways(n);
    for (std::size_t k = 0; k < K; ++k, llr += 2 * n, bits += n) {
        Metrics now, next;
        now.fill(far);
        now[0] = 0;
        for (std::size_t t = 0; t < n; ++t) {
            step(signs, 0.5F * llr[2 * t], 0.5F * llr[2 * t + 1], now, next, ways[t]);
            now = next;
        }
        int state = 0;
        for (std::size_t t = n; t-- > 0;) {
            bits[t] = std::uint8_t(state & 1);
            state = state >> 1 | ways[t][std::size_t(state)] << 5;
        }
    }
}

} // namespace jadce
