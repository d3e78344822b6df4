// SPDX-License-Identifier: GPL-3.0-or-later
// The pilots of all devices at delays on a grid, and between them:
// gr_jadce.detection.asynchrony.pilot_table.
#pragma once

#include <algorithm>
#include <cmath>
#include <complex>
#include <cstddef>
#include <vector>

namespace jadce {

// Pilots of all devices at some delays, close together in memory: a search of the whole book reads it all.
class SearchedPilots
{
public:
    void resize(int N, int n_delays, int L)
    {
        n_delays_ = n_delays;
        row_ = (2 * L + line_floats - 1) / line_floats;
        lines_.assign(std::size_t(N) * std::size_t(n_delays) * std::size_t(row_), Line());
        inverse_energies_.assign(std::size_t(N) * std::size_t(n_delays), 0.0f);
    }

    int n_delays() const { return n_delays_; }
    int stride() const { return row_ * line_floats; } // floats from one pilot of a device to the next

    // Real and imaginary parts in turn.
    const float* device(int n) const { return n_delays_ ? pilot(n, 0) : nullptr; }
    const float* pilot(int n, int delay) const { return lines_[index(n, delay) * std::size_t(row_)].values; }
    const float* inverse_energies(int n) const { return inverse_energies_.data() + index(n, 0); }

    void set(int n, int delay, const std::complex<float>* pilot, int L)
    {
        float* to = lines_[index(n, delay) * std::size_t(row_)].values;
        float energy = 1e-30f;
        for (int l = 0; l < L; ++l) {
            to[2 * l] = pilot[l].real();
            to[2 * l + 1] = pilot[l].imag();
            energy += std::norm(pilot[l]);
        }
        inverse_energies_[index(n, delay)] = 1 / energy;
    }

private:
    static constexpr int line_floats = 16;
    struct alignas(64) Line
    {
        float values[line_floats];
    };

    std::size_t index(int n, int delay) const
    {
        return std::size_t(n) * std::size_t(n_delays_) + std::size_t(delay);
    }

    std::vector<Line> lines_;
    std::vector<float> inverse_energies_;
    int n_delays_ = 0, row_ = 0; // row_: lines of a pilot
};

struct ArrivalTable
{
    const std::complex<float>* values; // (N, J, L)
    int N, J, L;
    double first;              // delay of the first entry, symbols
    int steps, margin, stride; // entries in a symbol; before the first that is searched; from one to the next
    std::vector<double> offsets;    // carrier offsets that are searched, cycles a symbol
    SearchedPilots coarse, between; // at every other delay that is searched; at the others

    int n_searched() const { return (J - 2 * margin + stride - 1) / stride; }
    double delay(int g) const { return first + double(margin + stride * g) / steps; }
    // Of the delays that are searched, those at every half symbol.
    int n_half_symbols() const { return 2 * (n_searched() - 1) * stride / steps + 1; }
    double half_symbol(int g) const { return delay(0) + 0.5 * g; }
    const std::complex<float>* entry(int n, int j) const { return values + (std::ptrdiff_t(n) * J + j) * L; }

    void find_searched()
    {
        const int most = n_searched();
        coarse.resize(N, (most + 1) / 2, L);
        between.resize(N, most / 2, L);
        for (int n = 0; n < N; ++n) {
            for (int g = 0; g < most; ++g) {
                (g % 2 ? between : coarse).set(n, g / 2, entry(n, margin + stride * g), L);
            }
        }
    }

    // A device's pilot at a delay that is searched, and an offset: its real parts and then, `plane` further,
    // the imaginary ones.
    void arrive(int n, int delay, double offset, double* column, int plane) const
    {
        split((delay % 2 ? between : coarse).pilot(n, delay / 2), L, column, column + plane);
        turn(offset, column, plane);
    }

    // The same at any delay, by four entries about it, times a factor.
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
        for (int l = 0; l < L; l += mixed_symbols) {
            mix(entries + 2 * l, weight, std::min(mixed_symbols, L - l), column + l, column + plane + l);
        }
        turn(offset, column, plane);
    }

private:
    static constexpr int mixed_symbols = 64; // at a time

    // Some symbols of four entries.
    void mix(const float* entries, const float* weight, int count, double* re, double* im) const
    {
        const int next = 2 * L;
        float mixed[2 * mixed_symbols];
        for (int i = 0; i < 2 * count; ++i) {
            mixed[i] = weight[0] * entries[i] + weight[1] * entries[next + i] +
                       weight[2] * entries[2 * next + i] + weight[3] * entries[3 * next + i];
        }
        split(mixed, count, re, im);
    }

    static void split(const float* values, int count, double* re, double* im)
    {
        for (int l = 0; l < count; ++l) {
            re[l] = double(values[2 * l]);
        }
        for (int l = 0; l < count; ++l) {
            im[l] = double(values[2 * l + 1]);
        }
    }

    void turn(double offset, double* column, int plane) const
    {
        if (offset == 0) {
            return;
        }
        constexpr int count = 8; // symbols at a time
        const std::complex<double> step = std::polar(1.0, 2 * M_PI * offset * count);
        double c[count], s[count];
        for (int i = 0; i < count; ++i) {
            c[i] = std::cos(2 * M_PI * offset * i);
            s[i] = std::sin(2 * M_PI * offset * i);
        }
        for (int l = 0; l < L; l += count) {
            for (int i = 0; i < std::min(count, L - l); ++i) {
                const double re = column[l + i], im = column[plane + l + i], a = c[i], b = s[i];
                column[l + i] = a * re - b * im;
                column[plane + l + i] = a * im + b * re;
            }
            for (int i = 0; i < count; ++i) {
                const double next = c[i] * step.real() - s[i] * step.imag();
                s[i] = c[i] * step.imag() + s[i] * step.real();
                c[i] = next;
            }
        }
    }
};

} // namespace jadce
