// SPDX-License-Identifier: GPL-3.0-or-later
// Correlations of Σ⁻¹Y with the pilots of an arrival table, in single precision.
#pragma once

#include "asynchrony/arrival_table.hpp"
#include "asynchrony/columns.hpp"

#include <algorithm>
#include <utility>
#include <vector>

namespace jadce {

// Where a device's pilot is strongest.
struct Place
{
    double reach = 0; // the statistic there, aᴴΣ⁻¹a taken for a mean pilot's
    double delay = 0, offset = 0;
};

class Correlator
{
public:
    Correlator(const ArrivalTable& table, int M)
        : table_(table), M_(M), receiver_(std::size_t(4) * M * std::size_t(padded<float>(table.L)))
    {
    }

    // The places (N) of all devices, of which a pilot of energy 1 has a mean aᴴΣ⁻¹a.
    void scan(const Columns& filtered, double mean, std::vector<Place>& places)
    {
        places.assign(std::size_t(table_.N), Place());
        for (double offset : table_.offsets) {
            prepare(filtered, offset);
            for (int n = 0; n < table_.N; ++n) {
                Place& place = places[std::size_t(n)];
                for (int g = 0; g < table_.n_searched(); ++g) {
                    const auto [match, own] = correlate(table_.searched(n, g));
                    const double reach = match / (mean * std::max(own, 1e-30));
                    if (reach > place.reach) {
                        place = {reach, table_.delay(g), offset};
                    }
                }
            }
        }
    }

private:
    // Σ⁻¹Y turned back by an offset, as pairs for the products with interleaved pilots.
    void prepare(const Columns& filtered, double offset)
    {
        const int L = table_.L, plane = filtered.plane(), stride = 2 * padded<float>(L);
        for (int m = 0; m < M_; ++m) {
            const double* z = filtered.column(m);
            float *straight = receiver_.data() + std::ptrdiff_t(2) * m * stride, *crossed = straight + stride;
            for (int l = 0; l < L; ++l) {
                const Complex value = times({z[l], z[plane + l]}, std::polar(1.0, -2 * M_PI * offset * l));
                straight[2 * l] = float(value.real());
                straight[2 * l + 1] = float(value.imag());
                crossed[2 * l] = float(value.imag());
                crossed[2 * l + 1] = float(-value.real());
            }
        }
    }

    // ‖aᴴΣ⁻¹Y‖² and ‖a‖²
    std::pair<double, double> correlate(const std::complex<float>* pilot) const
    {
        double match = 0, own = 0;
        int m = 0;
        for (; m + 4 <= M_; m += 4) {
            match += correlate<4>(pilot, m, own);
        }
        for (; m < M_; ++m) {
            match += correlate<1>(pilot, m, own);
        }
        return {match, own};
    }

    // With the receivers of a few antennas from `first` on.
    template <int count>
    double correlate(const std::complex<float>* pilot, int first, double& own) const
    {
        typedef float Loose __attribute__((vector_size(vector_bytes), may_alias, aligned(4)));
        const float* a = reinterpret_cast<const float*>(pilot);
        const int length = 2 * table_.L, stride = 2 * padded<float>(table_.L);
        const float* receiver = receiver_.data() + std::ptrdiff_t(2) * first * stride;
        Vec<float> parts[2 * count] = {}, energy = {};
        double tail[2 * count] = {}, tail_energy = 0;
        int l = 0;
        for (; l + lanes<float> <= length; l += lanes<float>) {
            const Loose v = *reinterpret_cast<const Loose*>(a + l);
            energy += v * v;
            for (int k = 0; k < 2 * count; ++k) {
                parts[k] += v * vec(receiver + k * stride + l);
            }
        }
        for (; l < length; ++l) {
            tail_energy += double(a[l] * a[l]);
            for (int k = 0; k < 2 * count; ++k) {
                tail[k] += double(a[l] * receiver[k * stride + l]);
            }
        }
        double match = 0;
        for (int k = 0; k < 2 * count; ++k) {
            const double value = double(sum<float>(parts[k])) + tail[k];
            match += value * value;
        }
        own = double(sum<float>(energy)) + tail_energy;
        return match;
    }

    const ArrivalTable& table_;
    const int M_;
    Array<float> receiver_;
};

} // namespace jadce
