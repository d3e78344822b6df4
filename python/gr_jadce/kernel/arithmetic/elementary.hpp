// SPDX-License-Identifier: GPL-3.0-or-later
// exp and log in single precision, to about 2e-7 relative, which compilers turn into vector code: never
// called, for then they would not.
//
// The ranges are reduced as by Cephes, and the coefficients are those of its expf and logf (Stephen L.
// Moshier, Cephes Math Library 2.2, 1992, netlib.org/cephes).
#pragma once

#include <cstdint>
#include <cstring>

namespace jadce {

// Of |x| ≤ 87. Where compilers would compute a bound that is never met for every lane, e^-88 would cost a
// hundred cycles: it is not a normal number.
[[gnu::always_inline]] inline float fast_exp_within(float x)
{
    const float shifted = x * 1.44269504f + 12582912.0f; // rounds to an integer, in the low bits
    const float whole = shifted - 12582912.0f;
    const float r = (x - whole * 0.693359375f) + whole * 2.12194440e-4f;
    float p = 1.9875691500e-4f;
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * r * r + r + 1.0f;
    const std::int32_t bits = (std::int32_t(whole) + 127) << 23;
    float power;
    std::memcpy(&power, &bits, sizeof power);
    return p * power;
}

[[gnu::always_inline]] inline float fast_exp(float x)
{
    x = x < -87.0f ? -87.0f : x;
    x = x > 88.0f ? 88.0f : x;
    return fast_exp_within(x);
}

// Of positive normal numbers.
[[gnu::always_inline]] inline float fast_log(float x)
{
    std::int32_t bits;
    std::memcpy(&bits, &x, sizeof bits);
    std::int32_t exponent = (bits >> 23) - 126;
    bits = (bits & 0x007fffff) | 0x3f000000; // mantissa in [1/2, 1)
    float m;
    std::memcpy(&m, &bits, sizeof m);
    const bool low = m < 0.707106781f;
    const float f = low ? m + m - 1.0f : m - 1.0f;
    const float e = float(exponent) - (low ? 1.0f : 0.0f);
    float p = 7.0376836292e-2f;
    p = p * f - 1.1514610310e-1f;
    p = p * f + 1.1676998740e-1f;
    p = p * f - 1.2420140846e-1f;
    p = p * f + 1.4249322787e-1f;
    p = p * f - 1.6668057665e-1f;
    p = p * f + 2.0000714765e-1f;
    p = p * f - 2.4999993993e-1f;
    p = p * f + 3.3333331174e-1f;
    const float square = f * f;
    return f + (p * f * square - 2.12194440e-4f * e - 0.5f * square) + 0.693359375f * e;
}

} // namespace jadce
