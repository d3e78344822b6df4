// SPDX-License-Identifier: GPL-3.0-or-later
// Complex numbers in double precision, one at a time.
#pragma once

#include <complex>
#include <cstddef>

namespace jadce {

using Complex = std::complex<double>;

// Without the checks for infinities that operator* makes.
inline Complex times(Complex a, Complex b)
{
    return {a.real() * b.real() - a.imag() * b.imag(), a.real() * b.imag() + a.imag() * b.real()};
}

inline double energy_of(Complex a) { return a.real() * a.real() + a.imag() * a.imag(); }

// Σ |a|², in double precision whatever the values are.
template <class Sample>
double energy_of(const std::complex<Sample>* values, std::size_t count)
{
    double energy = 0;
    for (std::size_t i = 0; i < count; ++i) {
        energy += energy_of(Complex(values[i]));
    }
    return energy;
}

} // namespace jadce
