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

    int n_searched() const { return (J - 2 * margin + stride - 1) / stride; }
    double delay(int g) const { return first + double(margin + stride * g) / steps; }
    const std::complex<float>* entry(int n, int j) const { return values + (std::ptrdiff_t(n) * J + j) * L; }
    const std::complex<float>* searched(int n, int g) const { return entry(n, margin + stride * g); }

    // A device's pilot at a delay and an offset times a factor, its real parts and then, `plane` further, the
    // imaginary ones: by four entries about it.
    void arrive(int n, double delay, double offset, double factor, double* column, int plane) const
    {
        const double place = std::clamp((delay - first) * steps, 0.0, double(J - 1));
        const int before = std::clamp(int(place), 1, J - 3);
        const double x = place - before;
        const double weight[4] = {-factor * x * (x - 1) * (x - 2) / 6,
                                  factor * (x + 1) * (x - 1) * (x - 2) / 2,
                                  -factor * (x + 1) * x * (x - 2) / 2,
                                  factor * (x + 1) * x * (x - 1) / 6};
        const std::complex<float>* entries = entry(n, before - 1);
        for (int l = 0; l < L; ++l) {
            double re = 0, im = 0;
            for (int k = 0; k < 4; ++k) {
                const std::complex<float> value = entries[std::ptrdiff_t(k) * L + l];
                re += weight[k] * double(value.real());
                im += weight[k] * double(value.imag());
            }
            column[l] = re;
            column[plane + l] = im;
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
