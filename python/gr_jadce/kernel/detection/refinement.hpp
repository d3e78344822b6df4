// SPDX-License-Identifier: GPL-3.0-or-later
// Which devices of a frame pass the test, given each other: the compiled form of refinement.py.
#pragma once

#include "detection/doubt.hpp"
#include "detection/evidence.hpp"
#include "detection/p_values.hpp"
#include "detection/pair_exchange.hpp"
#include "detection/support_fit.hpp"
#include "detection/sure_noise.hpp"

#include <algorithm>
#include <array>
#include <cfloat>
#include <cmath>
#include <limits>
#include <vector>

namespace jadce {

// The devices of one frame, and what they are tested against.
struct Refinement
{
    Refinement(const BookArrays& book, const Rule& rule)
        : rule(rule), fit(book, rule), doubt(book.gram.n_devices(), this->rule.doubt),
          barred(book.gram.n_devices()), sure_noise(book.gram.n_devices())
    {
    }

    Refinement(const Refinement&) = delete; // its parts refer to its rule
    Refinement& operator=(const Refinement&) = delete;

    static constexpr std::size_t none = std::numeric_limits<std::size_t>::max();

    Rule rule;
    SupportFit fit;
    PairExchange pairs;
    Doubt doubt;
    double noise_var = 0;                  // known, or measured once the sure devices are found
    enum { known, own, sure } scale = own; // where the noise that a device is tested against is from
    std::vector<char> fails, barred;       // members that fail; devices that do not come again
    std::size_t newest = none;             // the last device that came
    SureNoise sure_noise;
    double evidence = 0;

    // −log10 p-value of a device, given its statistic and, if its own fit is the scale, what that leaves.
    double score(std::size_t device, double t, double rows) const
    {
        if (scale == known) {
            return score_known(t / noise_var, rule.n_antennas);
        }
        const Rest left = scale == sure ? sure_noise.of(device)
                                        : left_over(rule, fit.noise_left(), rows, t, !fit.is_member[device]);
        return score_unknown(t, left.energy, rule.n_antennas, left.dof);
    }

    double rows_left() const { return scale == own ? fit.rows() : 0; }

    // Drop and add devices until the support is exactly the devices that pass the test given it. One that
    // fails as soon as it has come, and passes as soon as it has gone, does not come again. A support that
    // has come `home` stays there.
    template <class Level>
    void refine(Level level, const std::vector<std::size_t>* home = nullptr)
    {
        std::fill(barred.begin(), barred.end(), 0);
        newest = none;
        for (int round = 0; round < rule.max_rounds; ++round) {
            const double least = level();
            if (!drop_failing(least)) {
                if (round + 1 == rule.max_rounds || fit.size() >= rule.n_members || !add_best(least)) {
                    break;
                }
            }
            if (home && fit.members == *home) {
                break;
            }
            fit.settle(scale != own);
        }
    }

    bool drop_failing(double least)
    {
        const double rows = rows_left();
        if (scale != sure && weakest_passes(least, rows)) {
            return false;
        }
        fails.resize(fit.size());
        bool any = false;
        for (std::size_t k = 0; k < fit.size(); ++k) {
            fails[k] = score(fit.members[k], fit.own_statistic(k), rows) < least;
            any = any || fails[k];
            if (fails[k] && fit.members[k] == newest) {
                barred[newest] = 1;
            }
        }
        if (any) {
            fit.drop(fails);
        }
        return any;
    }

    // Of members that are tested against the same noise.
    bool weakest_passes(double least, double rows) const
    {
        std::size_t weakest = 0;
        double t = std::numeric_limits<double>::infinity();
        for (std::size_t k = 0; k < fit.size(); ++k) {
            if (const double own = fit.own_statistic(k); own < t) {
                weakest = k;
                t = own;
            }
        }
        return fit.size() == 0 || score(fit.members[weakest], t, rows) >= least;
    }

    bool add_best(double least)
    {
        const std::vector<double>& statistic = fit.statistics();
        const double rows = rows_left();
        double best_score = -1;
        std::size_t best = 0;
        for (const Candidate& candidate : candidates(statistic)) {
            const std::size_t n = candidate.device;
            const double s = candidate.ratio < 0 ? -1 : score(n, statistic[n], rows);
            if (s > best_score) {
                best_score = s;
                best = n;
            }
        }
        if (best_score < least) {
            return false;
        }
        fit.add(best, statistic[best]);
        newest = best;
        return true;
    }

    struct Candidate
    {
        double ratio = -1;
        std::size_t device = 0;
    };

    // Of devices whose noise has equal degrees of freedom, the best has the largest ratio to it.
    std::array<Candidate, 2> candidates(const std::vector<double>& statistic) const
    {
        std::array<Candidate, 2> best;
        for (std::size_t n = 0; n < statistic.size(); ++n) {
            if (fit.is_member[n] || barred[n]) {
                continue;
            }
            const bool group = scale == sure && sure_noise.of(n).dof != sure_noise.outside_dof();
            const double energy = scale == sure ? std::max(sure_noise.of(n).energy, DBL_MIN) : 1;
            const double ratio = statistic[n] / energy;
            if (ratio > best[group].ratio) {
                best[group] = {ratio, n};
            }
        }
        return best;
    }

    double sure_level() const
    {
        const double count = double(std::max<std::size_t>(fit.size(), 1));
        return std::max(rule.sure_least,
                        std::log10(double(fit.gram.n_devices()) / (rule.sure_share * count)));
    }

    // Until no two devices for two of the members make the frame likelier.
    template <class Level>
    void exchange(Level level)
    {
        constexpr int max_exchanges = 3;
        refine(level);
        for (int k = 0; k < max_exchanges && rule.least_lead > 0 && PairExchange::may(fit); ++k) {
            pairs.leads(fit, scale != own);
            if (!pairs.adopt(fit)) {
                break;
            }
            refine(level);
        }
    }

    // Weak members that are not likely active leave together, and have to come back; none of one antenna.
    template <class Level>
    void retest_weak(Level level)
    {
        const double least = level() + rule.doubt.leave, rows = rows_left();
        if (rule.n_antennas == 1 || weakest_passes(least, rows)) {
            return;
        }
        fails.assign(fit.size(), 0);
        bool any = false;
        for (std::size_t k = 0; k < fit.size(); ++k) {
            fails[k] = score(fit.members[k], fit.own_statistic(k), rows) < least &&
                       doubt.of_member(fit, k, fit.noise_left()) < rule.doubt.likely;
            any = any || fails[k];
        }
        if (any) {
            fit.drop(fails);
            fit.settle(false);
            exchange(level);
            evidence = surplus_evidence(fit, rule.threshold);
        }
    }

    // The devices that σ² is measured off: from the proposal on, or from none if that says more.
    void find_sure()
    {
        const auto level = [this] { return sure_level(); };
        exchange(level);
        evidence = surplus_evidence(fit, rule.threshold);
        if (evidence < 0 || fit.has_few_samples()) {
            const double before = evidence;
            const std::vector<std::size_t> proposed = fit.members;
            fit.start({}, 0);
            exchange(level);
            evidence = surplus_evidence(fit, rule.threshold);
            if (evidence <= before) {
                fit.start(proposed, 0);
                evidence = surplus_evidence(fit, rule.threshold);
            }
        }
        retest_weak(level);
    }
};

} // namespace jadce
