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

    // The places (N) of some devices, of which a pilot of energy 1 has a mean aᴴΣ⁻¹a; of every delay that is
    // searched, or every `step`-th.
    void scan(const Columns& filtered,
              double mean,
              const std::vector<int>& devices,
              int step,
              std::vector<Place>& places)
    {
        places.assign(std::size_t(table_.N), Place());
        for (double offset : table_.offsets) {
            prepare(filtered, offset);
            for (int n : devices) {
                Place& place = places[std::size_t(n)];
                for (int g = 0; g < table_.n_searched(); g += step) {
                    const double t = double(correlate(table_.searched(n, g)) / table_.energy(n, g));
                    if (t > place.reach) {
                        place = {t, table_.delay(g), offset};
                    }
                }
            }
        }
        for (int n : devices) {
            places[std::size_t(n)].reach /= mean;
        }
    }

    // ‖aᴴΣ⁻¹Y‖² of a device's pilots at all delays that are searched, and an offset.
    void match(const Columns& filtered, int device, double offset, std::vector<float>& matches)
    {
        prepare(filtered, offset);
        matches.resize(std::size_t(table_.n_searched()));
        for (int g = 0; g < table_.n_searched(); ++g) {
            matches[std::size_t(g)] = correlate(table_.searched(device, g));
        }
    }

private:
    // Σ⁻¹Y turned back by an offset, as pairs for the products with interleaved pilots.
    void prepare(const Columns& filtered, double offset)
    {
        const int L = table_.L, plane = filtered.plane(), stride = 2 * padded<float>(L);
        const Complex step = std::polar(1.0, -2 * M_PI * offset);
        for (int m = 0; m < M_; ++m) {
            const double* z = filtered.column(m);
            float *straight = receiver_.data() + std::ptrdiff_t(2) * m * stride, *crossed = straight + stride;
            Complex turned = 1;
            for (int l = 0; l < L; ++l, turned = times(turned, step)) {
                const Complex value = times({z[l], z[plane + l]}, turned);
                straight[2 * l] = float(value.real());
                straight[2 * l + 1] = float(value.imag());
                crossed[2 * l] = float(value.imag());
                crossed[2 * l + 1] = float(-value.real());
            }
        }
    }

    // ‖aᴴΣ⁻¹Y‖²
    float correlate(const std::complex<float>* pilot) const
    {
        float match = 0;
        int m = 0;
        for (; m + 4 <= M_; m += 4) {
            match += correlate<4>(pilot, m);
        }
        for (; m + 2 <= M_; m += 2) {
            match += correlate<2>(pilot, m);
        }
        return m < M_ ? match + correlate<1>(pilot, m) : match;
    }

    // With the receivers of a few antennas from `first` on.
    template <int count>
    float correlate(const std::complex<float>* pilot, int first) const
    {
        typedef float Loose __attribute__((vector_size(vector_bytes), may_alias, aligned(4)));
        const float* a = reinterpret_cast<const float*>(pilot);
        const int length = 2 * table_.L, stride = 2 * padded<float>(table_.L);
        const float* receiver = receiver_.data() + std::ptrdiff_t(2) * first * stride;
        Vec<float> parts[2 * std::max(count, 2)] = {};
        int l = 0;
        for (; l + lanes<float> <= length; l += lanes<float>) {
            const Loose v = *reinterpret_cast<const Loose*>(a + l);
            for (int k = 0; k < 2 * count; ++k) {
                parts[k] += v * vec(receiver + k * stride + l);
            }
        }
        float values[2 * std::max(count, 2)];
        for (int k = 0; k < 2 * count; k += 4) {
            sums<float>(parts[k], parts[k + 1], parts[k + 2], parts[k + 3], values + k);
        }
        for (; l < length; ++l) {
            for (int k = 0; k < 2 * count; ++k) {
                values[k] += a[l] * receiver[k * stride + l];
            }
        }
        float match = 0;
        for (int k = 0; k < 2 * count; ++k) {
            match += values[k] * values[k];
        }
        return match;
    }

    const ArrivalTable& table_;
    const int M_;
    Array<float> receiver_;
};

} // namespace jadce
