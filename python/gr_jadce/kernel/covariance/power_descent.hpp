// SPDX-License-Identifier: GPL-3.0-or-later
// Descents over powers, and exchanges of devices, as the bindings see them.
#pragma once

#include "arithmetic/complex.hpp"

#include <cstdint>
#include <memory>
#include <vector>

namespace jadce {

struct DescentRule
{
    std::vector<double> ramp; // shares of the penalty, round by round
    int held;                 // rounds that σ² is held for; −1: always
    int passes, max_iter;
    double tol;
};

// Of B frames: received (B, L, M), power (B, N), noise_var (B,), allowed (B, N), floor (B,).
struct DescentFrames
{
    const Complex* received;
    const double *power, *noise_var, *floor;
    const bool* allowed;
    int B, M;
};

// power (B, N), noise_var (B,), channel (B, N, M) of zeros, cost, n_iter and n_updates (B,).
struct DescentResults
{
    double *power, *noise_var;
    Complex* channel;
    double* cost;
    std::int64_t *n_iter, *n_updates;
};

// Of B frames: received (B, L, M), power (B, N), noise_var (B,), allowed (B, N); `count` of each that gain
// more than `least`.
struct ExchangeFrames
{
    const Complex* received;
    const double *power, *noise_var;
    const bool* allowed;
    int B, M, count;
    double least;
};

// (B, count) each; the gain −∞ where there are no more.
struct ExchangeResults
{
    double* gain;
    std::int64_t *leaves, *enters;
    double* power;
};

// Of a pilot book.
class PowerDescent
{
public:
    virtual ~PowerDescent() = default;
    virtual int length() const = 0;
    virtual int devices() const = 0;
    virtual void descend(const DescentRule& rule,
                         const DescentFrames& frames,
                         int threads,
                         const DescentResults& results) const = 0;
    virtual void
    exchange(const ExchangeFrames& frames, int threads, const ExchangeResults& results) const = 0;
};

// pilots (L, N)
std::unique_ptr<PowerDescent> make_power_descent(const Complex* pilots, int L, int N);

} // namespace jadce
