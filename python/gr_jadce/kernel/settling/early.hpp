// SPDX-License-Identifier: GPL-3.0-or-later
// Frames decided after a few layers of the network, if that settles them: detection/settling, compiled.
#pragma once

#include "arithmetic/spare.hpp"
#include "arithmetic/threads.hpp"
#include "detection/batch.hpp"
#include "network/batch.hpp"
#include "settling/early_decisions.hpp"
#include "settling/noise_look.hpp"

#include <algorithm>
#include <cmath>
#include <complex>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

namespace jadce {

// What a thread works with.
class EarlyDecider
{
public:
    EarlyDecider(const DenseNetwork& network,
                 const BookArrays& book,
                 const Rule& rule,
                 const NoiseRule& noise)
        : network_(network), rule_(rule), detector_(book, rule), look_(noise, detector_),
          work_(network.workspace(int(rule.n_antennas))), score_(std::size_t(network.devices())),
          M_(rule.n_antennas), frame_size_(rule.pilot_length * rule.n_antennas)
    {
    }

    template <class Sample>
    void decide(const SettlingRule& rule,
                const EarlyFrames<Sample>& frames,
                std::size_t b,
                const EarlyResults<Sample>& results)
    {
        const std::size_t N = score_.size();
        const auto* received = frames.received + b * frame_size_;
        const double scale = network_.start(received, frames.told[b], work_);
        Decision decision = results.decisions.of_frame(b, N, M_);
        Doubts doubts;
        decision.doubts = &doubts;
        bool rests = network_.run_on(work_, 1, rule.tol);
        Stage stage = try_as_quiet(rule, received, frames.noise_var[b], decision);
        if (stage == Stage::open) {
            rests = rests || network_.run_on(work_, rule.n_layers, rule.tol);
            stage = unless_elsewhere(try_to(rule, received, frames.noise_var[b], decision), decision);
        }
        if (stage == Stage::open) {
            if (!rests) {
                network_.run_on(work_, 0, rule.tol);
            }
            stage =
                unless_hidden(rule, try_to(late(rule), received, frames.noise_var[b], decision), decision);
        }
        if (stage == Stage::sure && !(frames.noise_var[b] > 0)) {
            stage = look_.is_white(received, score_.data(), decision) ? Stage::white : stage;
            detector_.ask(rule_);
        }
        if (stage == Stage::settled) {
            weigh(*decision.rows);
        } else if (stage != Stage::white) {
            const std::size_t place = b * N;
            network_.store(
                work_, scale, results.estimates.channel + place * M_, results.estimates.score + place);
        }
        results.stage[b] = std::uint8_t(stage);
        results.estimates.n_iter[b] = work_.n_layers;
    }

private:
    // After all layers.
    static SettlingRule late(SettlingRule rule)
    {
        constexpr double any = std::numeric_limits<double>::infinity();
        rule.margin = -any;
        std::copy_n(rule.missed_late, 2, rule.missed);
        rule.unlike[0] = rule.spread = rule.unfound[0] = any;
        rule.rows = rule.rows_late;
        return rule;
    }

    // Of a frame whose energies scatter as those of noise.
    static SettlingRule quiet(SettlingRule rule)
    {
        constexpr double any = std::numeric_limits<double>::infinity();
        rule.missed[0] = rule.unlike[0] = rule.unlike[1] = rule.unfound[0] = any;
        rule.rows = rule.rows_late;
        rule.evidence = -any;
        return rule;
    }

    // Decides a frame without a proposal, if by the energies after the first layer it may be a quiet one.
    template <class Sample>
    Stage try_as_quiet(const SettlingRule& rule,
                       const std::complex<Sample>* frame,
                       double noise_var,
                       const Decision& decision)
    {
        scatter_ = network_.scatter(work_);
        Stage stage = Stage::open;
        if (scatter_ <= std::max(rule.scatter[0], rule.scatter[1])) {
            std::fill(score_.begin(), score_.end(), -1.0);
            detector_.decide(frame, score_.data(), noise_var, decision);
            const std::size_t count = decision.rows->device.size();
            const bool is_quiet = count < 2 && scatter_ <= rule.scatter[count];
            stage = is_quiet ? stage_of(quiet(rule), decision, noise_var) : stage;
            stage = unless_elsewhere(stage == Stage::settled ? stage : Stage::open, decision);
        }
        return stage;
    }

    // Open where σ² is measured off other devices if more are sure at first; no rows of a frame that is open.
    Stage unless_elsewhere(Stage stage, const Decision& decision)
    {
        if (stage != Stage::open && detector_.ends_elsewhere()) {
            stage = Stage::open;
        }
        if (stage == Stage::open) {
            clear(decision);
        }
        return stage;
    }

    // Open where hardly anybody is found after all layers, and energies scatter more than those of noise.
    Stage unless_hidden(const SettlingRule& rule, Stage stage, const Decision& decision) const
    {
        if (scatter_ > rule.scatter_late[0] && *decision.evidence < rule.scatter_late[1]) {
            clear(decision);
            stage = Stage::open;
        }
        return stage;
    }

    // Decides a frame by the scores as they are now; no rows of one that is open.
    template <class Sample>
    Stage try_to(const SettlingRule& rule,
                 const std::complex<Sample>* frame,
                 double noise_var,
                 const Decision& decision)
    {
        Stage stage = Stage::open;
        if (proposed() <= rule.n_proposed) {
            clear(decision);
            detector_.decide(frame, score_.data(), noise_var, decision);
            stage = stage_of(rule, decision, noise_var);
        }
        if (stage == Stage::open) {
            clear(decision);
        }
        return stage;
    }

    // How many devices the network proposes.
    std::size_t proposed()
    {
        std::copy_n(work_.score.data(), score_.size(), score_.data());
        return std::size_t(std::count_if(score_.begin(), score_.end(), [](double s) { return s > 0; }));
    }

    Stage stage_of(const SettlingRule& rule, const Decision& decision, double noise_var) const
    {
        const double *statistics = decision.noise_statistics, dof = *decision.noise_dof;
        const double* limits = dof < rule.busy ? rule.busy_limits : rule.limits;
        const std::size_t count = decision.rows->device.size();
        const double most = rule.unfound[0] + (1 + rule.unfound[1]) * double(count);
        const bool is_sure = count <= rule.n_proposed && network_.expected(work_) <= most &&
                             support_is_sure(rule, *decision.doubts, count) && dof >= rule.rows &&
                             *decision.evidence >= rule.evidence &&
                             excess(decision, noise_var) <= rule.excess;
        const bool is_white = statistics[0] <= limits[0] && statistics[1] <= limits[1];
        return !is_sure ? Stage::open : is_white ? Stage::settled : Stage::sure;
    }

    static bool support_is_sure(const SettlingRule& rule, const Doubts& doubts, std::size_t n_found)
    {
        const bool spreads = doubts.spread > rule.spread;
        const double missed =
            spreads ? rule.missed_spread : std::max(rule.missed[0], rule.missed[1] * double(n_found));
        return doubts.margin >= rule.margin && doubts.missed <= missed &&
               doubts.missed_unlike <= rule.unlike[spreads];
    }

    // The posterior means of the channels, so far as it is doubtful that devices are active.
    static void weigh(ActiveRows& rows)
    {
        if (!rows.settled.empty()) {
            rows.channel.swap(rows.settled);
        }
        const std::size_t M = rows.device.empty() ? 0 : rows.channel.size() / rows.device.size();
        for (std::size_t i = 0; i < rows.channel.size(); ++i) {
            rows.channel[i] *= rows.weight[i / M];
        }
    }

    // By how many of its standard deviations the noise left is above the known one; 0 if none is known.
    double excess(const Decision& decision, double noise_var) const
    {
        if (!(noise_var > 0)) {
            return 0;
        }
        double left = 0;
        for (std::size_t m = 0; m < M_; ++m) {
            left += decision.noise_cov[m * M_ + m].real();
        }
        return (left / (double(M_) * noise_var) - 1) * std::sqrt(double(M_) * *decision.noise_dof);
    }

    static void clear(const Decision& decision)
    {
        decision.rows->device.clear();
        decision.rows->channel.clear();
        decision.rows->score.clear();
    }

    const DenseNetwork& network_;
    const Rule& rule_;
    BatchDetector detector_;
    NoiseLook look_;
    DenseNetwork::Work work_;
    std::vector<double> score_;
    const std::size_t M_, frame_size_;
    double scatter_ = 0.0; // of energies after the first layer
};

} // namespace jadce
