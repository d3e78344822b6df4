// SPDX-License-Identifier: GPL-3.0-or-later
#include "detection/detection.hpp"
#include "detection/doubt.hpp"
#include "detection/entrants.hpp"
#include "detection/evidence.hpp"
#include "detection/noise_statistics.hpp"
#include "detection/p_values.hpp"
#include "detection/pair_exchange.hpp"
#include "detection/proposal.hpp"
#include "detection/support_fit.hpp"
#include "detection/sure_noise.hpp"

#include <algorithm>
#include <array>
#include <cfloat>
#include <cmath>
#include <limits>
#include <vector>

namespace jadce {

struct Detector::Work
{
    Work(const BookArrays& book, const Rule& rule)
        : rule(rule), fit(book, rule), look(rule.n_antennas), doubt(book.gram.n_devices()),
          barred(book.gram.n_devices()), sure_noise(book.gram.n_devices()),
          noise_cov(rule.n_antennas * rule.n_antennas)
    {
        order.reserve(book.gram.n_devices());
    }

    static constexpr std::size_t none = std::numeric_limits<std::size_t>::max();

    Rule rule;
    SupportFit fit;
    PairExchange pairs;
    NoiseStatistics look;
    Doubt doubt;
    double noise_var = 0;                  // known, or measured once the sure devices are found
    enum { known, own, sure } scale = own; // where the noise that a device is tested against is from
    std::vector<std::size_t> order;
    std::vector<char> fails, barred;              // members that fail; devices that do not come again
    std::vector<char> told_apart;                 // members that no others may be
    std::size_t newest = none;                    // the last device that came
    Entrants entrants;                            // against those that σ² is measured off
    std::vector<double> own_scores, replacements; // of members, once they are filled in
    SureNoise sure_noise;
    std::vector<Complex> noise_cov; // as measured, on so many rows
    double noise_dof = 0, evidence = 0;

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

    // With σ² unknown: measure it off the sure devices.
    void measure_noise()
    {
        sure_noise.measure(rule, fit);
        keep_noise();
        noise_var = fit.noise_left();
        scale = sure;
    }

    void keep_noise()
    {
        fit.noise_covariance(noise_cov.data());
        noise_dof = fit.rows();
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

    // Weak members that are not likely active leave together, and have to come back.
    template <class Level>
    void retest_weak(Level level)
    {
        constexpr double leave = 0.4; // above the level
        constexpr double likely = 0.8;
        const double least = level() + leave, rows = rows_left();
        if (weakest_passes(least, rows)) {
            return;
        }
        fails.assign(fit.size(), 0);
        bool any = false;
        for (std::size_t k = 0; k < fit.size(); ++k) {
            fails[k] = score(fit.members[k], fit.own_statistic(k), rows) < least &&
                       doubt.of_member(fit, k, fit.noise_left()) < likely;
            any = any || fails[k];
        }
        if (any) {
            fit.drop(fails);
            fit.settle(scale != own);
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

    // Takes a frame and, with σ² unknown, finds the devices that it is measured off.
    void begin(const Frame& frame)
    {
        noise_var = frame.noise_var;
        scale = noise_var > 0 ? known : own;
        fit.take(frame);
        order.clear();
        if (energy_of(frame, rule.n_antennas) > 0) {
            propose(frame.score, fit.gram, rule.n_proposed, order);
        }
        fit.start(order, noise_var);
        if (scale == own) {
            find_sure();
        }
    }

    void decide(const Frame& frame)
    {
        begin(frame);
        const auto level = [this] { return rule.threshold; };
        if (scale == own) {
            entrants.take(fit, sure_level());
            measure_noise();
            refine(level);
        } else {
            entrants.clear();
            exchange(level);
            keep_noise();
            evidence = surplus_evidence(fit, rule.threshold);
        }
        if (energy_of(frame, rule.n_antennas) <= 0) {
            noise_var = frame.noise_var;
        }
    }

    // Whether σ² is measured off other devices where more are sure at first.
    bool ends_elsewhere()
    {
        return entrants.any_leads_elsewhere([&](const std::vector<std::size_t>& start) {
            scale = own;
            fit.start(start, 0, entrants.powers(start));
            refine([this] { return sure_level(); }, &entrants.members());
            return fit.members == entrants.members();
        });
    }

    // −log10 p-value of every device (N,).
    void scores(double* all)
    {
        const std::vector<double>& statistic = fit.statistics();
        for (std::size_t n = 0; n < statistic.size(); ++n) {
            all[n] = score(n, statistic[n], 0);
        }
    }

    double lead_wanted() const
    {
        constexpr double crowded = 0.5; // share of a frame's rows
        return fit.rows() < crowded * double(rule.pilot_length) ? rule.crowded_lead : rule.least_lead;
    }

    // How much likelier, as a logarithm, member k makes the frame than any device in its place.
    double lead(std::size_t k) const
    {
        const double more = fit.own_statistic(k) - replacements[k];
        if (scale == known) {
            return more / noise_var;
        }
        const Rest& left = sure_noise.of(fit.members[k]);
        return left.dof * std::log(std::max(1 + more / std::max(left.energy, DBL_MIN), DBL_MIN));
    }

    // How far the score nearest to the threshold is from it, below 0 on the wrong side.
    double margin()
    {
        double least = std::numeric_limits<double>::infinity();
        for (const double own : own_scores) {
            least = std::min(least, own - rule.threshold);
        }
        std::fill(barred.begin(), barred.end(), 0);
        const std::vector<double>& statistic = fit.statistics();
        const double rows_here = rows_left();
        for (const Candidate& candidate : candidates(statistic)) {
            if (candidate.ratio >= 0) {
                const double best = score(candidate.device, statistic[candidate.device], rows_here);
                least = std::min(least, rule.threshold - best);
            }
        }
        return least;
    }

    // Which members make the frame likelier than others in their place, by the lead that is wanted.
    void tell_apart()
    {
        const double wanted = lead_wanted();
        told_apart.assign(fit.size(), 1);
        if (wanted > 0) {
            fit.replacement_statistics(replacements);
        }
        for (std::size_t k = 0; k < fit.size() && wanted > 0; ++k) {
            told_apart[k] = lead(k) >= wanted;
        }
        if (wanted > 0 && PairExchange::may(fit)) {
            const std::vector<double>& leads = pairs.leads(fit, scale == known);
            for (std::size_t k = 0; k < fit.size(); ++k) {
                told_apart[k] = told_apart[k] && leads[k] >= wanted;
            }
        }
    }

    void fill(ActiveRows& rows)
    {
        rows.channel.reserve(fit.size() * rule.n_antennas);
        rows.score.reserve(fit.size());
        tell_apart();
        own_scores.clear();
        for (std::size_t k = 0; k < fit.size(); ++k) {
            own_scores.push_back(score(fit.members[k], fit.own_statistic(k), 0));
            if (!told_apart[k]) {
                continue;
            }
            rows.device.push_back(std::uint32_t(fit.members[k]));
            rows.score.push_back(own_scores[k]);
            for (std::size_t m = 0; m < rule.n_antennas; ++m) {
                rows.channel.push_back(fit.channel(k, m));
            }
        }
    }
};

Detector::Detector(const BookArrays& book, const Rule& rule) : work_(new Work(book, rule)) {}

Detector::~Detector() = default;

void Detector::ask(const Rule& rule) { work_->rule = rule; }

bool Detector::ends_elsewhere() { return work_->ends_elsewhere(); }

MeasuredNoise Detector::measure_noise(const Frame& frame)
{
    work_->begin(frame);
    work_->keep_noise();
    return {work_->noise_cov.data(), work_->noise_dof, work_->evidence};
}

void Detector::decide(const Frame& frame, const Decision& decision)
{
    Work& work = *work_;
    work.decide(frame);
    work.fill(*decision.rows);
    if (decision.score) {
        work.scores(decision.score);
    }
    std::copy(work.noise_cov.begin(), work.noise_cov.end(), decision.noise_cov);
    const double signal = work.fit.signal();
    *decision.noise_var = work.noise_var;
    const double noise = work.noise_var * double(work.rule.pilot_length * work.rule.n_antennas);
    *decision.snr_db =
        signal > 0 ? 10 * std::log10(signal / noise) : -std::numeric_limits<double>::infinity();
    *decision.noise_dof = work.noise_dof;
    *decision.evidence = work.evidence;
    *decision.uncertainty = work.fit.uncertainty();
    if (decision.doubts) {
        *decision.doubts = {work.margin(),
                            work.doubt.missed(work.fit, work.noise_var),
                            work.doubt.missed_unlike(work.fit, work.noise_var),
                            Doubt::spread(work.fit, work.noise_var)};
        work.doubt.weigh(*decision.rows, work.fit, work.noise_var);
    }
    work.look.measure(decision.noise_cov, *decision.noise_dof, decision.noise_statistics);
}

} // namespace jadce
