// SPDX-License-Identifier: GPL-3.0-or-later
// Coordinate descent over powers: the compiled form of gr_jadce.solvers.power_descent.
#pragma once

#include "arithmetic/threads.hpp"
#include "covariance/inverse.hpp"
#include "covariance/inverse_factor.hpp"
#include "covariance/pilot_planes.hpp"
#include "covariance/power_descent.hpp"
#include "covariance/slopes.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

namespace jadce {

// One frame's at a time; each thread has one.
class Descent
{
public:
    Descent(const PilotPlanes& pilots, const DescentRule& rule, int M)
        : pilots_(pilots), rule_(rule), M_(M), factor_(pilots), inverse_(pilots, M), slopes_(pilots, M),
          received_(std::size_t(2) * pilots.L * inverse_.antenna_stride()), target_(pilots.N),
          step_(pilots.N), fall_(pilots.N), members_(pilots.N)
    {
    }

    void run(int frame, const DescentFrames& frames, const DescentResults& results)
    {
        start(frame, frames, results);
        std::int64_t& n_iter = results.n_iter[frame];
        for (n_iter = 0; n_iter < rule_.max_iter;) {
            const std::size_t turn = std::min(std::size_t(n_iter), rule_.ramp.size() - 1);
            double step = visit_active_set(rule_.ramp[turn]);
            if (rule_.held >= 0 && n_iter >= rule_.held) {
                step = std::max(step, update_noise_var());
            }
            if (++n_iter >= std::int64_t(rule_.ramp.size()) && step <= rule_.tol) {
                break;
            }
        }
        finish(frame, results);
    }

private:
    static constexpr double min_step = 0.025, min_share_without = 1e-12, min_noise_factor = 0.1;
    static constexpr int max_active = 4; // times L

    void start(int frame, const DescentFrames& frames, const DescentResults& results)
    {
        const std::ptrdiff_t N = pilots_.N, stride = inverse_.antenna_stride();
        const Complex* received = frames.received + std::ptrdiff_t(frame) * pilots_.L * M_;
        for (int l = 0; l < pilots_.L; ++l) {
            for (int m = 0; m < M_; ++m) {
                received_[2 * l * stride + m] = received[l * M_ + m].real();
                received_[(2 * l + 1) * stride + m] = received[l * M_ + m].imag();
            }
        }
        allowed_ = frames.allowed + frame * N;
        power_ = results.power + frame * N;
        for (int n = 0; n < N; ++n) {
            power_[n] = allowed_[n] ? frames.power[frame * N + n] : 0;
        }
        floor_ = frames.floor[frame];
        noise_var_ = std::max(frames.noise_var[frame], floor_);
        n_updates_ = 0;
    }

    void list_members()
    {
        count_ = list_where(pilots_.N, members_.data(), [this](int n) { return power_[n] > 0; });
    }

    // Σ⁻¹ and what follows from it, of the powers and σ² as they are.
    void factor()
    {
        list_members();
        factor_.factor(power_, members_.data(), count_, noise_var_);
        inverse_.whiten(factor_, received_.data());
        log_det_ = factor_.log_det();
        norm_ = noise_var_;
        for (int k = 0; k < count_; ++k) {
            norm_ += power_[members_[k]] * pilots_.energy(members_[k]);
        }
    }

    // One round; the largest step that was due at first.
    double visit_active_set(double share)
    {
        factor();
        slopes_.measure(factor_, inverse_.whitened(), inverse_.antenna_stride());
        penalty_ = share * penalty() / M_;
        const double step = find_targets();
        inverse_.square(factor_);
        order_active_set();
        for (int pass = 0; pass < rule_.passes; ++pass) {
            visit_all();
        }
        return step;
    }

    double penalty() const
    {
        const double N = pilots_.N, active = std::min(count_, pilots_.N / 2);
        return std::log((N - active + 1) / (active + 1)) + std::log(4.0 * M_) / 2;
    }

    double spread_of(int n) const { return std::max(slopes_.s(n), pilots_.energy(n) / norm_); }

    double find_targets()
    {
        double most = 0;
        for (int n = 0; n < pilots_.N; ++n) {
            if (allowed_[n]) {
                const double spread = spread_of(n);
                target_[n] = target(power_[n], spread, slopes_.q(n));
                step_[n] = std::abs(target_[n] - power_[n]) * spread;
                most = std::max(most, step_[n]);
            }
        }
        return most;
    }

    // The best power of a device, all others held: none where it gains less than the penalty.
    double target(double power, double spread, double match) const
    {
        const double without = std::max(1 - power * spread, min_share_without);
        const double ratio = match / (spread * without);
        if (!(ratio > 1) || (penalty_ > 0 && ratio - 1 - std::log(ratio) <= penalty_)) {
            return 0;
        }
        return std::max(power + (match - spread) / (spread * spread), 0.0);
    }

    // By how much the cost and the penalties fall when a device's power goes to its target.
    double fall(int n) const
    {
        const double spread = std::max(slopes_.s(n), pilots_.energy(n) / norm_),
                     step = target_[n] - power_[n];
        const double growth = std::max(1 + step * spread, min_share_without);
        const int joined = int(target_[n] > 0) - int(power_[n] > 0);
        return slopes_.q(n) * step / growth - std::log(growth) - penalty_ * joined;
    }

    // The devices whose power is far from its target, by how far the cost falls.
    void order_active_set()
    {
        order_.clear();
        for (int n = 0; n < pilots_.N; ++n) {
            if (allowed_[n] && step_[n] > rule_.tol * min_step) {
                fall_[n] = fall(n);
                order_.push_back(n);
            }
        }
        const std::size_t count = std::min(order_.size(), std::size_t(max_active) * pilots_.L);
        std::partial_sort(order_.begin(), order_.begin() + count, order_.end(), [this](int a, int b) {
            return fall_[a] > fall_[b] || (fall_[a] == fall_[b] && a < b);
        });
        order_.resize(count);
    }

    // One pass; leaves those that moved in `order_`.
    void visit_all()
    {
        std::size_t moved = 0;
        int devices[Inverse::block];
        for (std::size_t begin = 0; begin < order_.size(); begin += Inverse::block) {
            const int count = int(std::min(order_.size() - begin, std::size_t(Inverse::block)));
            std::copy_n(order_.begin() + begin, count, devices);
            inverse_.look(devices, count);
            for (int k = 0; k < count; ++k) {
                order_[moved] = devices[k];
                moved += visit(k, devices[k]);
            }
            inverse_.apply();
        }
        order_.resize(moved);
        n_updates_ += std::int64_t(moved);
    }

    // The k-th device looked at; whether its power has changed.
    bool visit(int k, int n)
    {
        const double spread = std::max(inverse_.spread(k), pilots_.energy(n) / norm_);
        const double step = target(power_[n], spread, inverse_.match(n)) - power_[n];
        if (!(std::abs(step) * spread > rule_.tol * min_step)) {
            return false;
        }
        power_[n] += step;
        norm_ += step * pilots_.energy(n);
        log_det_ += std::log1p(step * spread);
        inverse_.move(k, step, spread);
        return true;
    }

    // σ² = ‖P Y‖²/(M tr P), P = σ²Σ⁻¹; its relative change.
    double update_noise_var()
    {
        const double factor = std::max(inverse_.filtered_energy() / inverse_.trace(), min_noise_factor);
        const double old = noise_var_;
        noise_var_ = std::max(old * factor, floor_);
        return std::abs(noise_var_ / old - 1);
    }

    void finish(int frame, const DescentResults& results)
    {
        rule_.held < 0 ? list_members() : factor(); // σ² may have changed since the last visit
        results.noise_var[frame] = noise_var_;
        results.n_updates[frame] = n_updates_;
        results.cost[frame] = log_det_ + inverse_.fit(received_.data());
        for (int k = 0; k < count_; ++k) {
            const int n = members_[k];
            inverse_.correlate(n);
            const double* along = inverse_.along();
            Complex* channel = results.channel + (std::ptrdiff_t(frame) * pilots_.N + n) * M_;
            for (int m = 0; m < M_; ++m) {
                channel[m] = power_[n] * Complex(along[m], along[inverse_.antenna_stride() + m]);
            }
        }
    }

    const PilotPlanes& pilots_;
    const DescentRule& rule_;
    const int M_;
    InverseFactor factor_;
    Inverse inverse_;
    Slopes slopes_;
    Array<double> received_;
    std::vector<double> target_, step_, fall_;
    std::vector<int> members_, order_;
    const bool* allowed_ = nullptr;
    double* power_ = nullptr;
    double noise_var_ = 0, floor_ = 0, norm_ = 0, penalty_ = 0, log_det_ = 0;
    int count_ = 0;
    std::int64_t n_updates_ = 0;
};

inline void descend_all(const PilotPlanes& pilots,
                        const DescentRule& rule,
                        const DescentFrames& frames,
                        int threads,
                        const DescentResults& results)
{
    for_each_frame(
        frames.B,
        threads,
        [&] { return Descent(pilots, rule, frames.M); },
        [&](int frame, Descent& descent) { descent.run(frame, frames, results); });
}

} // namespace jadce
