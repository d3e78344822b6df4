// SPDX-License-Identifier: GPL-3.0-or-later
// Σ = σ²I + Σ_c γ_c B_c B_cᴴ of the clusters of paths in a frame, fitted by likelihood: ClusterFit of
// gr_jadce.detection.asynchrony.
#pragma once

#include "asynchrony/arrival_table.hpp"
#include "asynchrony/cluster.hpp"

#include <algorithm>
#include <map>
#include <vector>

namespace jadce {

// With B all columns, Γ their powers and K = (BᴴB + σ²Γ⁻¹)⁻¹, Σ⁻¹ = (I − B K Bᴴ)/σ²: K stays well conditioned
// however far a device stands above the noise.
class ClusterFit
{
public:
    ClusterFit(const ArrivalTable& table, int M)
        : table_(table), M_(M), received_(table.L, M), filtered_(table.L, M)
    {
    }

    std::vector<Cluster> clusters;
    double noise_var = 0;

    int M() const { return M_; }
    const Columns<double>& filtered() const { return filtered_; } // Σ⁻¹Y

    template <class Sample>
    void load(const std::complex<Sample>* frame)
    {
        for (int l = 0; l < table_.L; ++l) {
            for (int m = 0; m < M_; ++m) {
                received_.set(l, m, Complex(frame[std::ptrdiff_t(l) * M_ + m]));
            }
        }
    }

    // The numbers of the clusters of each device.
    std::map<int, std::vector<int>> own() const
    {
        std::map<int, std::vector<int>> numbers;
        for (std::size_t i = 0; i < clusters.size(); ++i) {
            numbers[clusters[i].device].push_back(int(i));
        }
        return numbers;
    }

    // Whether a cluster is its device's first.
    bool is_first(std::size_t i) const
    {
        for (std::size_t j = 0; j < i; ++j) {
            if (clusters[j].device == clusters[i].device) {
                return false;
            }
        }
        return true;
    }

    double energy() const { return energy_in(received_); }

    // All anew.
    void invert()
    {
        lay_out();
        const int n = int(columns_.size());
        gram_.shape(n, n);
        seen_.shape(n, M_);
        products_.resize(std::size_t(n));
        for (int i = 0; i < n; ++i) {
            inner(columns_[std::size_t(i)], columns_.data(), i + 1, received_.plane(), products_.data());
            for (int j = 0; j <= i; ++j) {
                gram_.set(i, j, products_[std::size_t(j)]);
                gram_.set(j, i, std::conj(products_[std::size_t(j)]));
            }
            see(i);
        }
        refresh();
    }

    // Another σ².
    void refresh()
    {
        const int n = int(columns_.size());
        kernel_.resize(std::size_t(n));
        for (int i = 0; i < n; ++i) {
            double* row = kernel_.real(std::size_t(i));
            std::copy_n(gram_.column(i), gram_.plane(), row);
            for (int j = 0; j < gram_.plane(); ++j) {
                row[kernel_.stride() + std::size_t(j)] = -gram_.column(i)[gram_.plane() + j];
            }
            row[i] += load(i);
        }
        kernel_.invert(factor_);
        finish();
    }

    // Σ⁻¹Y, after clusters were put.
    void finish() { filter(kernel_); }

    void set_columns(const Cluster& c, Columns<double>& to) const
    {
        if (c.spread < least_spread) {
            to.resize(1);
            table_.arrive(c.device, c.delay, c.offset, 1, to.column(0), to.plane());
            return;
        }
        to.resize(n_nodes);
        for (int i = 0; i < n_nodes; ++i) {
            table_.arrive(c.device,
                          c.delay + c.spread * node_delay[i],
                          c.offset,
                          std::sqrt(node_share[i]),
                          to.column(i),
                          to.plane());
        }
    }

    // Takes a cluster out of Σ.
    void remove(int number)
    {
        make_room();
        const int place = start_[std::size_t(number)];
        if (place < 0) {
            return;
        }
        const int n = int(columns_.size()), own = stored_[std::size_t(number)].count();
        own_.shape(n, own);
        for (int j = 0; j < own; ++j) {
            for (int i = 0; i < n; ++i) {
                own_.set(i, j, kernel(i, place + j));
            }
        }
        SmallMatrix middle = among(place, own);
        middle.invert();
        middle.negate();
        add_outer(kernel_, own_, middle, work_);
        take_out(number, place, own);
    }

    // Tries a cluster in place of what was removed, with the power that is best for it.
    void look(const Cluster& cluster, Trial& trial) const
    {
        set_columns(cluster, trial.columns);
        overlap(trial.columns, trial.overlap);
        trial.part.become_product(kernel_, trial.overlap);
        trial.gram = inner(trial.columns, trial.columns);
        for (int i = 0; i < trial.gram.rows(); ++i) {
            trial.gram(i, i) *= 1 + ridge;
        }
        trial.gram.subtract(inner(trial.overlap, trial.part));
        trial.gram.scale(1 / noise_var);
        trial.match = inner(trial.columns, received_);
        trial.match.subtract(inner(trial.part, seen_));
        trial.match.scale(1 / noise_var);
        fit_power(cluster.power, M_, trial);
    }

    // Adds a cluster that was removed, behind the others.
    void put(int number, Trial& trial)
    {
        if (trial.power <= 0) {
            return;
        }
        const int n = int(columns_.size()), own = trial.columns.count();
        SmallMatrix middle = trial.gram;
        for (int i = 0; i < own; ++i) {
            middle(i, i) += 1 / trial.power;
        }
        middle.scale(noise_var);
        middle.invert();
        resize(kernel_, n, n, n + own, work_kernel_);
        trial.part.resize_rows(n, n, n + own, work_);
        for (int i = 0; i < own; ++i) {
            trial.part.set(n + i, i, -1);
        }
        add_outer(kernel_, trial.part, middle, work_);
        std::swap(stored_[std::size_t(number)], trial.columns);
        start_[std::size_t(number)] = n;
        add_columns(number);
        seen_.resize_rows(n, n, n + own, work_);
        for (int i = 0; i < own; ++i) {
            see(n + i);
        }
    }

    // aᴴΣ⁻¹a, Σ as it is.
    double energy(const Columns<double>& one)
    {
        overlap(one, overlap_);
        part_.become_product(kernel_, overlap_);
        return ((1 + ridge) * inner(one, one)(0, 0).real() - inner(overlap_, part_)(0, 0).real()) / noise_var;
    }

    // What Σ without some clusters sees of their columns: BᴴΣ₀⁻¹B and BᴴΣ₀⁻¹Y.
    void without(const std::vector<int>& numbers, SmallMatrix& gram, SmallMatrix& match) const
    {
        std::vector<int> places;
        for (int number : numbers) {
            for (int i = 0; start(number) >= 0 && i < stored_[std::size_t(number)].count(); ++i) {
                places.push_back(start_[std::size_t(number)] + i);
            }
        }
        const int own = int(places.size());
        gram.resize(own, own);
        SmallMatrix weights(own, M_);
        for (int i = 0; i < own; ++i) {
            for (int j = 0; j < own; ++j) {
                gram(i, j) = kernel(places[std::size_t(i)], places[std::size_t(j)]);
            }
            for (int m = 0; m < M_; ++m) {
                weights(i, m) = weights_(places[std::size_t(i)], m);
            }
        }
        gram.invert();
        match = product(gram, weights);
        match.scale(1 / noise_var);
        gram.scale(1 / noise_var);
        for (int i = 0; i < own; ++i) {
            gram(i, i) -= 1 / powers_[std::size_t(places[std::size_t(i)])];
        }
    }

    double trace() const
    {
        double trace = table_.L - double(columns_.size());
        for (std::size_t i = 0; i < columns_.size(); ++i) {
            trace += load(int(i)) * kernel_.real(i)[i];
        }
        return trace / noise_var;
    }

    // The linear MMSE estimate of the gain of a cluster's column at antenna m: of K BᴴY.
    Complex gain(int number, int column, int m) const { return weights_(start(number) + column, m); }

    // ‖Y − σ²Σ⁻¹Y‖²
    double explained() const
    {
        double energy = 0;
        for (int m = 0; m < M_; ++m) {
            for (int l = 0; l < table_.L; ++l) {
                energy += energy_of(received_(l, m) - noise_var * filtered_(l, m));
            }
        }
        return energy;
    }

    // ‖σ²Σ⁻¹Y‖²
    double rest() const { return noise_var * noise_var * energy_in(filtered_); }

private:
    friend class OtherDevices;

    void lay_out()
    {
        columns_.clear();
        powers_.clear();
        energies_.clear();
        start_.clear();
        make_room();
        for (std::size_t i = 0; i < clusters.size(); ++i) {
            if (clusters[i].power > 0) {
                start_[i] = int(columns_.size());
                set_columns(clusters[i], stored_[i]);
                add_columns(int(i));
            }
        }
    }

    void make_room()
    {
        start_.resize(clusters.size(), -1);
        while (stored_.size() < clusters.size()) {
            stored_.emplace_back(table_.L, n_nodes);
        }
    }

    void add_columns(int number)
    {
        const Columns<double>& own = stored_[std::size_t(number)];
        for (int k = 0; k < own.count(); ++k) {
            columns_.push_back(own.column(k));
            powers_.push_back(clusters[std::size_t(number)].power);
            energies_.push_back(own.energy(k));
        }
    }

    void take_out(int number, int place, int own)
    {
        const int n = int(columns_.size());
        resize(kernel_, place, place + own, n - own, work_kernel_);
        seen_.resize_rows(place, place + own, n - own, work_);
        columns_.erase(columns_.begin() + place, columns_.begin() + place + own);
        powers_.erase(powers_.begin() + place, powers_.begin() + place + own);
        energies_.erase(energies_.begin() + place, energies_.begin() + place + own);
        for (int& start : start_) {
            start -= start > place ? own : 0;
        }
        start_[std::size_t(number)] = -1;
    }

    int start(int number) const { return number < int(start_.size()) ? start_[std::size_t(number)] : -1; }

    // What K's inverse has on its diagonal beside BᴴB: σ²/γ, and a little so that close columns can be told
    // apart.
    double load(int i) const
    {
        return noise_var / powers_[std::size_t(i)] + ridge * energies_[std::size_t(i)];
    }

    // BᴴY of a column.
    void see(int i)
    {
        antennas_.resize(std::size_t(M_));
        products_.resize(std::max(products_.size(), std::size_t(M_)));
        for (int m = 0; m < M_; ++m) {
            antennas_[std::size_t(m)] = received_.column(m);
        }
        inner(columns_[std::size_t(i)], antennas_.data(), M_, received_.plane(), products_.data());
        for (int m = 0; m < M_; ++m) {
            seen_.set(i, m, products_[std::size_t(m)]);
        }
    }

    // Bᴴx
    void overlap(const Columns<double>& x, Columns<double>& result) const
    {
        const int n = int(columns_.size());
        result.shape(n, x.count());
        products_.resize(std::size_t(n));
        for (int j = 0; j < x.count(); ++j) {
            inner(x.column(j), columns_.data(), n, x.plane(), products_.data());
            for (int i = 0; i < n; ++i) {
                result.set(i, j, std::conj(products_[std::size_t(i)]));
            }
        }
    }

    // Σ⁻¹Y = (Y − B K BᴴY)/σ²
    void filter(const Hermitian& kernel)
    {
        weights_.become_product(kernel, seen_);
        for (int m = 0; m < M_; ++m) {
            std::copy_n(received_.column(m), 2 * received_.plane(), filtered_.column(m));
            for (std::size_t i = 0; i < columns_.size(); ++i) {
                filtered_.add(filtered_.column(m), columns_[i], -weights_(int(i), m));
            }
            for (int l = 0; l < 2 * filtered_.plane(); l += lanes<double>) {
                vec(filtered_.column(m) + l) *= 1 / noise_var;
            }
        }
    }

    Complex kernel(int i, int j) const
    {
        return {kernel_.real(std::size_t(i))[j], kernel_.imag(std::size_t(i))[j]};
    }

    SmallMatrix among(int first, int count) const
    {
        SmallMatrix result(count, count);
        for (int i = 0; i < count; ++i) {
            for (int j = 0; j < count; ++j) {
                result(i, j) = kernel(first + i, first + j);
            }
        }
        return result;
    }

    double energy_in(const Columns<double>& columns) const
    {
        double energy = 0;
        for (int m = 0; m < columns.count(); ++m) {
            for (int l = 0; l < table_.L; ++l) {
                energy += energy_of(columns(l, m));
            }
        }
        return energy;
    }

    const ArrivalTable& table_;
    const int M_;
    Columns<double> received_, filtered_; // Y, and Σ⁻¹Y
    std::vector<Columns<double>> stored_; // of each cluster
    std::vector<int> start_;              // of each cluster's columns among all; −1 without power
    std::vector<const double*> columns_;  // all
    std::vector<double> powers_, energies_;
    Columns<double> gram_, seen_, weights_;   // BᴴB, BᴴY and K BᴴY
    Hermitian kernel_, factor_, work_kernel_; // K
    Columns<double> own_, work_, overlap_, part_;
    mutable std::vector<Complex> products_; // with all columns, or antennas
    std::vector<const double*> antennas_;
};

} // namespace jadce
