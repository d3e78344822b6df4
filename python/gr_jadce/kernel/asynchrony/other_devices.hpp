// SPDX-License-Identifier: GPL-3.0-or-later
// A frame's Σ without one of its devices, and what it sees of any columns.
#pragma once

#include "asynchrony/cluster_fit.hpp"

#include <algorithm>
#include <vector>

namespace jadce {

class OtherDevices
{
public:
    explicit OtherDevices(const ClusterFit& fit) : fit_(fit) {}

    // Takes a device's clusters out of Σ: K without their rows and columns.
    void leave_out(const std::vector<int>& numbers)
    {
        const std::vector<int> places = places_of(numbers);
        const int n = int(fit_.columns_.size()), own = int(places.size());
        kernel_.resize(fit_.kernel_.size());
        std::copy_n(fit_.kernel_.real(0), 2 * kernel_.size() * kernel_.stride(), kernel_.real(0));
        if (own == 0) {
            return;
        }
        own_.shape(n, own);
        SmallMatrix middle(own, own);
        for (int j = 0; j < own; ++j) {
            const int place = places[std::size_t(j)];
            for (int i = 0; i < n; ++i) {
                own_.set(i, j, fit_.kernel(i, place));
            }
            for (int i = 0; i < own; ++i) {
                middle(i, j) = fit_.kernel(places[std::size_t(i)], place);
            }
        }
        middle.invert();
        middle.negate();
        add_outer(kernel_, own_, middle, work_);
        for (int place : places) {
            clear(std::size_t(place));
        }
    }

    // BᴴΣ⁻¹B and BᴴΣ⁻¹Y
    void see(const Columns<double>& columns, SmallMatrix& gram, SmallMatrix& match)
    {
        fit_.overlap(columns, overlap_);
        part_.become_product(kernel_, overlap_);
        gram = inner(columns, columns);
        for (int i = 0; i < gram.rows(); ++i) {
            gram(i, i) *= 1 + ridge;
        }
        gram.subtract(inner(overlap_, part_));
        gram.scale(1 / fit_.noise_var);
        match = inner(columns, fit_.received_);
        match.subtract(inner(part_, fit_.seen_));
        match.scale(1 / fit_.noise_var);
    }

private:
    void clear(std::size_t place)
    {
        std::fill_n(kernel_.real(place), 2 * kernel_.stride(), 0.0);
        for (std::size_t i = 0; i < kernel_.size(); ++i) {
            kernel_.real(i)[place] = kernel_.imag(i)[place] = 0;
        }
    }

    std::vector<int> places_of(const std::vector<int>& numbers) const
    {
        std::vector<int> places;
        for (int number : numbers) {
            const int start = fit_.start(number);
            for (int i = 0; start >= 0 && i < fit_.stored_[std::size_t(number)].count(); ++i) {
                places.push_back(start + i);
            }
        }
        return places;
    }

    const ClusterFit& fit_;
    Hermitian kernel_;
    Columns<double> own_, work_, overlap_, part_;
};

} // namespace jadce
