// SPDX-License-Identifier: GPL-3.0-or-later
#include "detection/detection.hpp"
#include "detection/p_values.hpp"
#include "detection/refit.hpp"
#include "detection/support_fit.hpp"

#include <algorithm>
#include <array>
#include <cfloat>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

namespace jadce {
namespace {

constexpr std::size_t min_devices_for_scale = 100; // of a tight frame
constexpr int scale_rounds = 20;

} // namespace

struct Detector::Work
{
    Work(const Gram& gram, const Rule& rule)
        : rule(rule), fit(gram, rule), refit(fit), statistic(gram.n_devices()), rest(gram.n_devices()),
          rest_dof(gram.n_devices())
    {
        order.reserve(gram.n_devices());
    }

    const Rule rule;
    SupportFit fit;
    Refit refit;
    double noise_var = 0;                  // known, or measured once the sure devices are found
    enum { known, own, sure } scale = own; // where the noise that a device is tested against is from
    std::vector<std::size_t> order;
    std::vector<double> statistic, rest, rest_dof;
    double rest_dof_outside = 0;

    // The support to start from: the L/2 largest positive scores.
    void propose(const Frame& frame)
    {
        order.clear();
        for (std::size_t n = 0; n < statistic.size(); ++n) {
            if (frame.score[n] > 0) {
                order.push_back(n);
            }
        }
        const std::size_t count = std::min(rule.pilot_length / 2, order.size());
        std::partial_sort(
            order.begin(), order.begin() + count, order.end(), [&](std::size_t a, std::size_t b) {
                return frame.score[a] > frame.score[b] || (frame.score[a] == frame.score[b] && a < b);
            });
        fit.start(frame);
        for (std::size_t i = 0; i < count; ++i) {
            if (fit.gram.norm(order[i]) > 0) {
                fit.add(order[i]);
            }
        }
    }

    // −log10 p-value of a device, given its statistic.
    double score(std::size_t device, double t) const
    {
        if (scale == known) {
            return score_known(t / noise_var, rule.n_antennas);
        }
        if (scale == sure) {
            return score_unknown(t, rest[device], rule.n_antennas, rest_dof[device]);
        }
        if (fit.is_member[device]) {
            return score_unknown(t, fit.residual(), rule.n_antennas, fit.dof());
        }
        return score_unknown(t, off(t), rule.n_antennas, fit.dof() - double(rule.n_antennas));
    }

    // Energy left off the support and a device outside it.
    double off(double t) const { return std::max(fit.residual() - t, 0.0); }

    // Drop and add devices until the support is exactly the devices that pass the test given it.
    template <class Level>
    void refine(Level level)
    {
        for (int round = 0; round < rule.max_rounds; ++round) {
            const double least = level();
            if (drop_failing(least)) {
                continue;
            }
            if (round + 1 == rule.max_rounds || fit.size() + 2 >= rule.pilot_length) {
                break;
            }
            if (!add_best(least)) {
                break;
            }
        }
    }

    bool drop_failing(double least)
    {
        std::vector<std::size_t>& failing = order;
        failing.clear();
        for (std::size_t k = 0; k < fit.size(); ++k) {
            if (score(fit.members[k], fit.own_statistic(k)) < least) {
                failing.push_back(fit.members[k]);
            }
        }
        for (std::size_t device : failing) {
            fit.remove(std::find(fit.members.begin(), fit.members.end(), device) - fit.members.begin());
        }
        return !failing.empty();
    }

    bool add_best(double least)
    {
        fit.follow_all();
        fit.statistics(statistic.data());
        double best_score = -1;
        std::size_t best = 0;
        for (const Candidate& candidate : candidates()) {
            const double s = candidate.ratio < 0 ? -1 : score(candidate.device, statistic[candidate.device]);
            if (s > best_score) {
                best_score = s;
                best = candidate.device;
            }
        }
        if (best_score < least) {
            return false;
        }
        fit.add(best);
        return true;
    }

    struct Candidate
    {
        double ratio = -1;
        std::size_t device = 0;
    };

    // Of devices whose noise has equal degrees of freedom, the best has the largest ratio to it.
    std::array<Candidate, 2> candidates() const
    {
        std::array<Candidate, 2> best;
        for (std::size_t n = 0; n < statistic.size(); ++n) {
            if (fit.is_member[n]) {
                continue;
            }
            const bool group = scale == sure && rest_dof[n] != rest_dof_outside;
            const double ratio = scale == sure ? statistic[n] / std::max(rest[n], DBL_MIN) : statistic[n];
            if (ratio > best[group].ratio) {
                best[group] = {ratio, n};
            }
        }
        return best;
    }

    // With σ² unknown: measure it off the sure devices, and for each device without it.
    void measure_noise()
    {
        fit.follow_all();
        fit.statistics(statistic.data());
        rest_dof_outside = fit.dof() - double(rule.n_antennas);
        for (std::size_t n = 0; n < statistic.size(); ++n) {
            rest[n] = fit.is_member[n] ? fit.residual() : off(statistic[n]);
            rest_dof[n] = fit.is_member[n] ? fit.dof() : rest_dof_outside;
        }
        noise_var = fit.residual() / fit.dof();
        scale = sure;
        if (rule.lower_limit > 0 && statistic.size() - fit.size() >= min_devices_for_scale &&
            fit.residual() > 0) {
            const double factor = lower_scale() / noise_var;
            for (double& energy : rest) {
                energy *= factor;
            }
        }
    }

    // The scale of the lower statistics of all devices outside the support.
    double lower_scale() const
    {
        double level = mean_below(std::numeric_limits<double>::infinity()) / double(rule.n_antennas);
        for (int round = 0; round < scale_rounds; ++round) {
            level = mean_below(rule.lower_limit * level) / rule.lower_mean;
        }
        return level;
    }

    double mean_below(double limit) const
    {
        double sum = 0;
        std::size_t count = 0;
        for (std::size_t n = 0; n < statistic.size(); ++n) {
            if (!fit.is_member[n] && statistic[n] <= limit) {
                sum += statistic[n];
                ++count;
            }
        }
        return sum / double(count);
    }

    double sure_level() const
    {
        const double count = double(std::max<std::size_t>(fit.size(), 1));
        return std::max(rule.threshold, std::log10(double(statistic.size()) / (rule.sure * count)));
    }

    void decide(const Frame& frame)
    {
        propose(frame);
        noise_var = frame.noise_var;
        scale = noise_var > 0 ? known : own;
        if (scale == own) {
            refine([this] { return sure_level(); });
            measure_noise();
        }
        refine([this] { return rule.threshold; });
    }

    // −log10 p-value of every device (N,).
    void scores(double* all)
    {
        fit.follow_all();
        fit.statistics(statistic.data());
        for (std::size_t n = 0; n < statistic.size(); ++n) {
            all[n] = score(n, statistic[n]);
        }
    }

    // The members, ascending, with their channels once `refit` has solved for them.
    void fill(ActiveRows& rows)
    {
        order.resize(fit.size());
        std::iota(order.begin(), order.end(), std::size_t(0));
        std::sort(order.begin(), order.end(), [this](std::size_t a, std::size_t b) {
            return fit.members[a] < fit.members[b];
        });
        rows.device.reserve(fit.size());
        rows.score.reserve(fit.size());
        rows.channel.reserve(fit.size() * rule.n_antennas);
        for (std::size_t k : order) {
            const std::size_t device = fit.members[k];
            rows.device.push_back(std::uint32_t(device));
            rows.score.push_back(score(device, fit.own_statistic(k)));
            rows.channel.insert(rows.channel.end(), refit.row(k), refit.row(k) + rule.n_antennas);
        }
    }
};

Detector::Detector(const Gram& gram, const Rule& rule) : work_(new Work(gram, rule)) {}

Detector::~Detector() = default;

void Detector::decide(const Frame& frame, const Decision& decision)
{
    Work& work = *work_;
    work.decide(frame);
    const double signal = work.refit.solve(work.noise_var);
    work.fill(*decision.rows);
    if (decision.score) {
        work.scores(decision.score);
    }
    *decision.noise_var = work.noise_var;
    const double noise = work.noise_var * double(work.rule.pilot_length * work.rule.n_antennas);
    *decision.snr_db =
        signal > 0 ? 10 * std::log10(signal / noise) : -std::numeric_limits<double>::infinity();
}

} // namespace jadce
