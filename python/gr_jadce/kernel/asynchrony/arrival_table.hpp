// SPDX-License-Identifier: GPL-3.0-or-later
// The pilots of all devices at delays on a grid, and between them: Arrivals of gr_jadce.detection.asynchrony.
#pragma once

#include <algorithm>
#include <cmath>
#include <complex>
#include <cstddef>
#include <vector>

namespace jadce {

struct ArrivalTable
{
    const std::complex<float>* values; // (N, J, L)
    int N, J, L;
    double first;              // delay of the first entry, symbols
    int steps, margin, stride; // entries in a symbol; before the first that is searched; from one to the next
    std::vector<double> offsets; // carrier offsets that are searched, cycles a symbol
    std::vector<float> energies; // (N, G) of the pilots that are searched

    int n_searched() const { return (J - 2 * margin + stride - 1) / stride; }
    double delay(int g) const { return first + double(margin + stride * g) / steps; }
    const std::complex<float>* entry(int n, int j) const { return values + (std::ptrdiff_t(n) * J + j) * L; }
    const std::complex<float>* searched(int n, int g) const { return entry(n, margin + stride * g); }

    float energy(int n, int g) const
    {
        return energies[std::size_t(n) * std::size_t(n_searched()) + std::size_t(g)];
    }

    void find_energies()
    {
        for (int n = 0; n < N; ++n) {
            for (int g = 0; g < n_searched(); ++g) {
                float energy = 1e-30f;
                for (int l = 0; l < L; ++l) {
                    energy += std::norm(searched(n, g)[l]);
                }
                energies.push_back(energy);
            }
        }
    }

    // A device's pilot at a delay and an offset times a factor, its real parts and then, `plane` further, the
    // imaginary ones: by four entries about it.
    void arrive(int n, double delay, double offset, double factor, double* column, int plane) const
    {
        const double place = std::clamp((delay - first) * steps, 0.0, double(J - 1));
        const int before = std::clamp(int(place), 1, J - 3);
        const double x = place - before;
        const float weight[4] = {float(-factor * x * (x - 1) * (x - 2) / 6),
                                 float(factor * (x + 1) * (x - 1) * (x - 2) / 2),
                                 float(-factor * (x + 1) * x * (x - 2) / 2),
                                 float(factor * (x + 1) * x * (x - 1) / 6)};
        const float* entries = reinterpret_cast<const float*>(entry(n, before - 1));
        for (int l = 0; l < L; ++l) {
            float re = 0, im = 0;
            for (int k = 0; k < 4; ++k) {
                const float* values = entries + std::ptrdiff_t(2) * (std::ptrdiff_t(k) * L + l);
                re += weight[k] * values[0];
                im += weight[k] * values[1];
            }
            column[l] = double(re);
            column[plane + l] = double(im);
        }
        if (offset != 0) {
            turn(offset, column, plane);
        }
    }

private:
    void turn(double offset, double* column, int plane) const
    {
        const std::complex<double> step = std::polar(1.0, 2 * M_PI * offset);
        double c = 1, s = 0;
        for (int l = 0; l < L; ++l) {
            const double re = column[l], im = column[plane + l], next = c * step.real() - s * step.imag();
            column[l] = c * re - s * im;
            column[plane + l] = c * im + s * re;
            s = c * step.imag() + s * step.real();
            c = next;
        }
    }
};

} // namespace jadce
