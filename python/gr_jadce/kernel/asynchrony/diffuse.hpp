// SPDX-License-Identifier: GPL-3.0-or-later
// What arrives of devices beside their clusters: gr_jadce.detection.asynchrony.diffuse.
#pragma once

#include "asynchrony/cluster_fit.hpp"
#include "asynchrony/columns.hpp"
#include "asynchrony/search_rule.hpp"

#include <algorithm>
#include <cfloat>
#include <cmath>
#include <map>
#include <numeric>
#include <vector>

namespace jadce {

// A tap of a device; `gain` is antenna by antenna, the mean, given the frame.
struct Tap
{
    double delay;
    std::vector<Complex> gain;
};

class Diffuse
{
public:
    Diffuse(const ArrivalTable& table, const EchoRule& rule, int M)
        : table_(table), rule_(rule), M_(M), weak_(table.L, 0)
    {
    }

    // Whether there are weak echoes; σ² is at least `told`.
    bool fit(const ClusterFit& fit, double told)
    {
        if (growth(fit) <= 0) {
            return false;
        }
        place(fit);
        noise_var_ = fit.all.noise_var;
        unexplained_ = ridge * fit.all.energy() / (double(table_.L) * M_);
        for (int step = 0; step < rule_.steps; ++step) {
            explain(fit.all.frame());
            take_found();
            noise_var_ = std::max({left(), told, DBL_MIN});
        }
        explain(fit.all.frame());
        return true;
    }

    double noise_var() const { return noise_var_; }

    double explained(const Columns& frame) const { return energy_explained(frame, filtered_, noise_var_); }

    // Those of a device, by its number among all, that are strong enough to be told.
    std::vector<Tap> taps(int number) const
    {
        const std::size_t first = start_[std::size_t(number)], last = start_[std::size_t(number) + 1];
        const double least =
            std::min(rule_.least_energy * M_ * noise_var_,
                     *std::max_element(energy_.begin() + long(first), energy_.begin() + long(last)));
        std::vector<Tap> taps;
        for (std::size_t j = first; j < last; ++j) {
            if (energy_[j] >= least) {
                taps.push_back({delay_[j], {}});
                for (int m = 0; m < M_; ++m) {
                    taps.back().gain.push_back(gain(j, m));
                }
            }
        }
        return taps;
    }

private:
    // Device by device the taps of its clusters, then those of weak echoes.
    void place(const ClusterFit& fit)
    {
        delay_.clear();
        power_.clear();
        start_.assign(1, 0);
        const auto own = fit.own();
        for (const auto& [device, numbers] : own) {
            double power = 0;
            for (int number : numbers) {
                power += place_cluster(fit.clusters[std::size_t(number)]);
            }
            for (int g = 0; g < n_weak_; ++g) {
                delay_.push_back(table_.half_symbol(g));
                power_.push_back(rule_.share * power / n_weak_);
            }
            start_.push_back(delay_.size());
        }
        columns_.shape(table_.L, int(delay_.size()));
        std::size_t j = 0, d = 0;
        for (const auto& [device, numbers] : own) {
            const double offset = fit.clusters[std::size_t(numbers[0])].offset;
            for (++d; j < start_[d]; ++j) {
                table_.arrive(device, delay_[j], offset, 1, columns_.column(int(j)), columns_.plane());
            }
        }
    }

    double place_cluster(const Cluster& cluster)
    {
        for (int i = 0; i < cluster.n_columns(); ++i) {
            delay_.push_back(cluster.column_delay(i));
            power_.push_back(cluster.power * cluster.column_share(i));
        }
        return cluster.power;
    }

    // Σ⁻¹, and what follows for each tap.
    void explain(const Columns& frame)
    {
        invert();
        filtered_.become_product(inverse_, frame);
        seen_.become_product(inverse_, columns_);
        rows_ = 0;
        for (int l = 0; l < table_.L; ++l) {
            rows_ += noise_var_ * inverse_.real(std::size_t(l))[l];
        }
        const std::size_t count = delay_.size();
        overlap_.resize(count);
        energy_.resize(count);
        match_.resize(count * std::size_t(M_));
        std::vector<const double*> antennas;
        for (int m = 0; m < M_; ++m) {
            antennas.push_back(filtered_.column(m));
        }
        for (std::size_t j = 0; j < count; ++j) {
            Complex* match = &match_[j * std::size_t(M_)];
            inner(columns_.column(int(j)), antennas.data(), M_, columns_.plane(), match);
            overlap_[j] = columns_.along(int(j), seen_);
            energy_[j] = power_[j] * power_[j] * energy_of(match, std::size_t(M_));
        }
    }

    Complex gain(std::size_t j, int m) const
    {
        return power_[j] * match_[j * std::size_t(M_) + std::size_t(m)];
    }

    // The fixed point's power of a tap.
    double found(std::size_t j) const
    {
        return std::max(energy_[j] / (M_ * std::max(power_[j] * overlap_[j], DBL_MIN)),
                        rule_.least_power * noise_var_);
    }

    // The slope of the log-likelihood over the power of weak echoes, where there are none yet.
    double growth(const ClusterFit& fit)
    {
        n_weak_ = table_.n_half_symbols();
        double by = 0;
        const int count = (n_weak_ + rule_.looked_at - 1) / rule_.looked_at;
        weak_.columns.allot(table_.L, count);
        for (const auto& [device, numbers] : fit.own()) {
            double power = 0;
            for (int number : numbers) {
                power += fit.clusters[std::size_t(number)].power;
            }
            const double offset = fit.clusters[std::size_t(numbers[0])].offset;
            for (int g = 0; g < count; ++g) {
                table_.arrive(device,
                              table_.half_symbol(rule_.looked_at * g),
                              offset,
                              1,
                              weak_.columns.column(g),
                              weak_.columns.plane());
            }
            by += power * fit.all.slope(weak_);
        }
        return by;
    }

    std::size_t first_weak(std::size_t d) const { return start_[d + 1] - std::size_t(n_weak_); }

    void take_found()
    {
        for (std::size_t j = 0; j < power_.size(); ++j) {
            power_[j] = found(j);
        }
        const std::size_t D = start_.size() - 1, G = std::size_t(n_weak_);
        std::vector<double> scale(D), shape(G);
        const auto weak = [&](std::size_t d) { return &power_[first_weak(d)]; };
        for (std::size_t d = 0; d < D; ++d) {
            scale[d] = std::accumulate(weak(d), weak(d) + G, 0.0);
        }
        for (int i = 0; i < rule_.alternations; ++i) {
            alternate(weak, scale, shape);
        }
        for (std::size_t d = 0; d < D; ++d) {
            for (std::size_t g = 0; g < G; ++g) {
                weak(d)[g] = scale[d] * shape[g];
            }
        }
    }

    // The likeliest shares over delay, given the devices' scales, and the scales then.
    template <class Weak>
    static void alternate(const Weak& weak, std::vector<double>& scale, std::vector<double>& shape)
    {
        std::fill(shape.begin(), shape.end(), 0.0);
        for (std::size_t d = 0; d < scale.size(); ++d) {
            for (std::size_t g = 0; g < shape.size(); ++g) {
                shape[g] += weak(d)[g] / scale[d];
            }
        }
        const double total = std::accumulate(shape.begin(), shape.end(), 0.0);
        for (double& share : shape) {
            share /= total;
        }
        for (std::size_t d = 0; d < scale.size(); ++d) {
            scale[d] = 0;
            for (std::size_t g = 0; g < shape.size(); ++g) {
                scale[d] += weak(d)[g] / shape[g] / double(shape.size());
            }
        }
    }

    // σ² by what the taps leave.
    double left() const
    {
        const double dof =
            std::max(M_ * rows_ - (table_.L - rows_) / 2, rule_.least_dof_share * double(table_.L) * M_);
        return noise_var_ * noise_var_ * filtered_.energy() / dof;
    }

    // Σ = σ²I + Σ_j v_j a_j a_jᴴ, its lower half, and that inverted.
    void invert()
    {
        inverse_.resize(std::size_t(table_.L));
        int l = 0;
        for (; l + 2 <= table_.L; l += 2) {
            add_up<2>(l);
        }
        for (; l < table_.L; ++l) {
            add_up<1>(l);
        }
        for (int i = 0; i < table_.L; ++i) {
            inverse_.real(std::size_t(i))[i] += noise_var_ + unexplained_;
        }
        inverse_.invert(factor_);
    }

    // R rows of Σ_j v_j a_j a_jᴴ, so far as they are in the lower half.
    template <int R>
    void add_up(int l)
    {
        constexpr int W = 3;
        int k = 0;
        for (; k + W * lanes<double> <= columns_.plane() && k <= l + R - 1; k += W * lanes<double>) {
            add_up<R, W>(l, k);
        }
        for (; k <= l + R - 1; k += lanes<double>) {
            add_up<R, 1>(l, k);
        }
    }

    template <int R, int W>
    void add_up(int l, int k)
    {
        Vec<double> re[R][W] = {}, im[R][W] = {};
        const int plane = columns_.plane();
        for (std::size_t j = 0; j < power_.size(); ++j) {
            const double* a = columns_.column(int(j));
            for (int r = 0; r < R; ++r) {
                const double p = power_[j] * a[l + r], q = power_[j] * a[plane + l + r];
                for (int w = 0; w < W; ++w) {
                    const Vec<double> c = vec(a + k + w * lanes<double>),
                                      d = vec(a + plane + k + w * lanes<double>);
                    re[r][w] += p * c;
                    re[r][w] += q * d;
                    im[r][w] += q * c;
                    im[r][w] -= p * d;
                }
            }
        }
        for (int r = 0; r < R; ++r) {
            for (int w = 0; w < W; ++w) {
                vec(inverse_.real(std::size_t(l + r)) + k + w * lanes<double>) = re[r][w];
                vec(inverse_.imag(std::size_t(l + r)) + k + w * lanes<double>) = im[r][w];
            }
        }
    }

    const ArrivalTable& table_;
    const EchoRule rule_;
    const int M_;
    Seen weak_;                         // of a device
    Columns columns_, seen_, filtered_; // a_j, Σ⁻¹a_j and Σ⁻¹Y
    Hermitian inverse_, factor_;
    int n_weak_ = 0;                 // of each device
    std::vector<std::size_t> start_; // of each device's taps
    std::vector<double> delay_, power_, energy_;
    std::vector<double> overlap_; // a_jᴴΣ⁻¹a_j
    std::vector<Complex> match_;  // a_jᴴΣ⁻¹Y
    double noise_var_ = 0, rows_ = 0;
    double unexplained_ = 0; // a sample: the table's errors
};

} // namespace jadce
