// SPDX-License-Identifier: GPL-3.0-or-later
#include "detection/detection.hpp"
#include "detection/entrants.hpp"
#include "detection/noise_statistics.hpp"
#include "detection/proposal.hpp"
#include "detection/refinement.hpp"

#include <algorithm>
#include <cfloat>
#include <cmath>
#include <limits>
#include <vector>

namespace jadce {

struct Detector::Work : Refinement
{
    Work(const BookArrays& book, const Rule& rule)
        : Refinement(book, rule), look(rule.n_antennas), entrants(this->rule.doubt),
          noise_cov(rule.n_antennas * rule.n_antennas)
    {
        order.reserve(book.gram.n_devices());
    }

    NoiseStatistics look;
    std::vector<std::size_t> order;
    std::vector<char> told_apart;                 // members that no others may be
    Entrants entrants;                            // against those that σ² is measured off
    std::vector<double> own_scores, replacements; // of members, once they are filled in
    std::vector<Complex> noise_cov;               // as measured, on so many rows
    double noise_dof = 0;

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

    // The channels of rows as if those of little weight were not active; the fit is without them then.
    void leave_unlikely_out(ActiveRows& rows)
    {
        const double least = rule.doubt.least_weight;
        rows.settled.clear();
        fails.assign(fit.size(), 0);
        for (std::size_t i = 0, k = 0; i < rows.device.size(); ++i) {
            k = fit.place_of(rows.device[i], k);
            fails[k] = rows.weight[i] < least;
        }
        if (std::find(fails.begin(), fails.end(), 1) == fails.end()) {
            return;
        }
        fit.drop(fails);
        rows.settled = rows.channel;
        const std::size_t M = rule.n_antennas;
        for (std::size_t i = 0, k = 0; i < rows.device.size(); ++i) {
            if (rows.weight[i] >= least) {
                k = fit.place_of(rows.device[i], k);
                for (std::size_t m = 0; m < M; ++m) {
                    rows.settled[i * M + m] = fit.channel(k, m);
                }
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
        work.leave_unlikely_out(*decision.rows);
    }
    work.look.measure(decision.noise_cov, *decision.noise_dof, decision.noise_statistics);
}

} // namespace jadce
