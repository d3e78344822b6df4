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
    double match = 0; // ‖aᴴΣ⁻¹Y‖²
    int delay = 0;    // its number among those that are searched
    double offset = 0;
    bool is_wanted = true;
};

class Correlator
{
public:
    Correlator(const ArrivalTable& table, int M)
        : table_(table), M_(M), plane_(table.coarse.stride()), receiver_size_(std::ptrdiff_t(2) * M * plane_),
          receivers_((table.offsets.size() + 1) * std::size_t(receiver_size_)),
          matches_(std::size_t(table.coarse.n_delays()))
    {
    }

    // Takes Σ⁻¹Y, of which a pilot of energy 1 has a mean aᴴΣ⁻¹a.
    void load(const Columns& filtered, double mean)
    {
        filtered_ = &filtered;
        mean_ = mean;
        for (std::size_t f = 0; f < table_.offsets.size(); ++f) {
            turn_back(table_.offsets[f], receiver(f));
        }
    }

    // Places of devices that are wanted become the strongest at every other delay, if these are stronger.
    void look_coarsely(const std::vector<int>& devices, std::vector<Place>& places)
    {
        look(table_.coarse, 0, devices, places);
    }

    // The same at the delays between.
    void look_between(const std::vector<int>& devices, std::vector<Place>& places)
    {
        look(table_.between, 1, devices, places);
    }

    // ‖aᴴΣ⁻¹Y‖² of a device's pilots at all delays that are searched, and an offset.
    void match(int device, double offset, std::vector<float>& matches)
    {
        const float* receiver = turned_back(offset);
        matches.resize(std::size_t(table_.n_searched()));
        for (int first = 0; first < 2; ++first) {
            correlate(receiver, first ? table_.between : table_.coarse, device);
            for (std::size_t g = std::size_t(first); g < matches.size(); g += 2) {
                matches[g] = matches_[g / 2];
            }
        }
    }

private:
    void
    look(const SearchedPilots& pilots, int first, const std::vector<int>& devices, std::vector<Place>& places)
    {
        for (int n : devices) {
            if (places[std::size_t(n)].is_wanted) {
                look(pilots, first, n, places[std::size_t(n)]);
            }
        }
    }

    void look(const SearchedPilots& pilots, int first, int device, Place& place)
    {
        const float* inverse_energies = pilots.inverse_energies(device);
        for (std::size_t f = 0; f < table_.offsets.size(); ++f) {
            correlate(receiver(f), pilots, device);
            for (int i = 0; i < pilots.n_delays(); ++i) {
                const double match = matches_[std::size_t(i)], reach = match * inverse_energies[i] / mean_;
                if (reach > place.reach) {
                    place = {reach, match, first + 2 * i, table_.offsets[f], true};
                }
            }
        }
    }

    float* receiver(std::size_t number)
    {
        return receivers_.data() + std::ptrdiff_t(number) * receiver_size_;
    }

    const float* turned_back(double offset)
    {
        const auto known = std::find(table_.offsets.begin(), table_.offsets.end(), offset);
        const std::size_t place = std::size_t(known - table_.offsets.begin());
        if (known == table_.offsets.end()) {
            turn_back(offset, receiver(place));
        }
        return receiver(place);
    }

    // Σ⁻¹Y turned back by an offset, as pairs for the products with interleaved pilots.
    void turn_back(double offset, float* receiver) const
    {
        const int L = table_.L, plane = filtered_->plane();
        const Complex step = std::polar(1.0, -2 * M_PI * offset);
        for (int m = 0; m < M_; ++m) {
            const double* z = filtered_->column(m);
            float *straight = receiver + std::ptrdiff_t(2) * m * plane_, *crossed = straight + plane_;
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

    // ‖aᴴΣ⁻¹Y‖² of some pilots of a device.
    void correlate(const float* receiver, const SearchedPilots& pilots, int device)
    {
        std::fill(matches_.begin(), matches_.end(), 0.0f);
        int m = 0;
        for (; m + 4 <= M_; m += 4) {
            add_matches<4>(receiver, pilots, device, m);
        }
        for (; m + 2 <= M_; m += 2) {
            add_matches<2>(receiver, pilots, device, m);
        }
        if (m < M_) {
            add_matches<1>(receiver, pilots, device, m);
        }
    }

    // At a few antennas from `first` on.
    template <int count>
    void add_matches(const float* receiver, const SearchedPilots& pilots, int device, int first)
    {
        const float *z = receiver + std::ptrdiff_t(2) * first * plane_, *a = pilots.device(device);
        for (int i = 0; i < pilots.n_delays(); ++i, a += plane_) {
            Vec<float> parts[2 * std::max(count, 2)] = {};
            for (int l = 0; l < plane_; l += lanes<float>) {
                for (int k = 0; k < 2 * count; ++k) {
                    parts[k] += vec(a + l) * vec(z + k * plane_ + l);
                }
            }
            for (int k = 0; k < 2 * count; k += 4) {
                float values[4];
                sums<float>(parts[k], parts[k + 1], parts[k + 2], parts[k + 3], values);
                matches_[std::size_t(i)] += values[0] * values[0] + values[1] * values[1] +
                                            values[2] * values[2] + values[3] * values[3];
            }
        }
    }

    const ArrivalTable& table_;
    const int M_, plane_;
    const Columns* filtered_ = nullptr;
    double mean_ = 1;
    const std::ptrdiff_t receiver_size_;
    Array<float> receivers_; // of every offset that is searched, and one of any
    std::vector<float> matches_;
};

} // namespace jadce
