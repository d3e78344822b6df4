// SPDX-License-Identifier: GPL-3.0-or-later
#include "detection/detection.hpp"
#include "detection/p_values.hpp"
#include "detection/support_fit.hpp"

#include <limits>

namespace jadce {
namespace {

constexpr size_t enough = 100; // devices that tell the scale of a tight frame
constexpr int scale_rounds = 20;

// Cholesky factorisation of a K × K matrix in place, and solution for M right-hand sides.
void solve_hermitian(std::vector<cplx>& matrix, size_t K, std::vector<cplx>& rows, size_t M)
{
    for (size_t j = 0; j < K; ++j) {
        double pivot = matrix[j * K + j].real();
        for (size_t k = 0; k < j; ++k)
            pivot -= energy_of(matrix[j * K + k]);
        pivot = std::sqrt(std::max(pivot, DBL_MIN));
        matrix[j * K + j] = pivot;
        for (size_t i = j + 1; i < K; ++i) {
            cplx sum = matrix[i * K + j];
            for (size_t k = 0; k < j; ++k)
                sum -= times(matrix[i * K + k], std::conj(matrix[j * K + k]));
            matrix[i * K + j] = sum / pivot;
        }
    }
    for (size_t m = 0; m < M; ++m) {
        for (size_t i = 0; i < K; ++i) {
            cplx sum = rows[i * M + m];
            for (size_t k = 0; k < i; ++k)
                sum -= times(matrix[i * K + k], rows[k * M + m]);
            rows[i * M + m] = sum / matrix[i * K + i].real();
        }
        for (size_t i = K; i-- > 0;) {
            cplx sum = rows[i * M + m];
            for (size_t k = i + 1; k < K; ++k)
                sum -= times(std::conj(matrix[k * K + i]), rows[k * M + m]);
            rows[i * M + m] = sum / matrix[i * K + i].real();
        }
    }
}

} // namespace

Gram::Gram(const cplx* values, size_t n_devices)
    : d_n_devices(n_devices), d_stride(padded<double>(int(n_devices))), d_values(2 * n_devices * d_stride)
{
    for (size_t m = 0; m < n_devices; ++m) {
        double* row = &d_values[2 * m * d_stride];
        for (size_t n = 0; n < n_devices; ++n) {
            row[n] = values[m * n_devices + n].real();
            row[d_stride + n] = values[m * n_devices + n].imag();
        }
    }
}

struct Detector::Work
{
    Work(const Gram& gram, const Rule& rule)
        : rule(rule), fit(gram, rule), statistic(gram.n_devices()), rest(gram.n_devices()),
          rest_dof(gram.n_devices())
    {
        order.reserve(gram.n_devices());
    }

    const Rule rule;
    SupportFit fit;
    double noise_var = 0;                  // known, or measured once the sure devices are found
    enum { known, own, sure } scale = own; // where the noise that a device is tested against is from
    std::vector<size_t> order;
    std::vector<double> statistic, rest, rest_dof;
    std::vector<cplx> regular, rows;

    // The support to start from: the L/2 largest positive scores.
    void propose(const Frame& frame)
    {
        order.clear();
        for (size_t n = 0; n < statistic.size(); ++n)
            if (frame.score[n] > 0)
                order.push_back(n);
        const size_t count = std::min(rule.pilot_length / 2, order.size());
        std::partial_sort(order.begin(), order.begin() + count, order.end(), [&](size_t a, size_t b) {
            return frame.score[a] > frame.score[b] || (frame.score[a] == frame.score[b] && a < b);
        });
        fit.start(frame);
        for (size_t i = 0; i < count; ++i)
            if (fit.gram.norm(order[i]) > 0)
                fit.add(order[i]);
    }

    // −log10 p-value of a device, given its statistic.
    double score(size_t device, double t) const
    {
        if (scale == known)
            return score_known(t / noise_var, rule.n_antennas);
        if (scale == sure)
            return score_unknown(t, rest[device], rule.n_antennas, rest_dof[device]);
        if (fit.is_member[device])
            return score_unknown(t, fit.residual(), rule.n_antennas, fit.dof());
        return score_unknown(t, off(t), rule.n_antennas, fit.dof() - double(rule.n_antennas));
    }

    // Energy left off the support and a device outside it.
    double off(double t) const { return std::max(fit.residual() - t, 0.0); }

    // Drop and add devices until the support is exactly the devices that pass the test given it.
    template <typename Level>
    void refine(Level level)
    {
        for (int round = 0; round < rule.max_rounds; ++round) {
            const double least = level();
            if (drop_failing(least))
                continue;
            if (round + 1 == rule.max_rounds || fit.size() + 2 >= rule.pilot_length)
                break;
            if (!add_best(least))
                break;
        }
    }

    bool drop_failing(double least)
    {
        std::vector<size_t>& failing = order;
        failing.clear();
        for (size_t k = 0; k < fit.size(); ++k)
            if (score(fit.members[k], fit.own_statistic(k)) < least)
                failing.push_back(fit.members[k]);
        for (size_t device : failing)
            fit.remove(std::find(fit.members.begin(), fit.members.end(), device) - fit.members.begin());
        return !failing.empty();
    }

    // Of devices whose noise has equal degrees of freedom, the best has the largest ratio to it.
    bool add_best(double least)
    {
        fit.follow_all();
        fit.statistics(statistic.data());
        double best_score = -1, ratio[2] = {-1, -1};
        size_t best = 0, device[2] = {0, 0};
        const size_t N = statistic.size();
        for (size_t n = 0; n < N; ++n) {
            if (fit.is_member[n])
                continue;
            const bool group = scale == sure && rest_dof[n] != rest_dof_outside;
            const double r = scale == sure ? statistic[n] / std::max(rest[n], DBL_MIN) : statistic[n];
            if (r > ratio[group]) {
                ratio[group] = r;
                device[group] = n;
            }
        }
        for (int group : {0, 1}) {
            const size_t n = device[group];
            const double s = ratio[group] < 0 ? -1 : score(n, statistic[n]);
            if (s > best_score) {
                best_score = s;
                best = n;
            }
        }
        if (best_score < least)
            return false;
        fit.add(best);
        return true;
    }

    double rest_dof_outside = 0;

    // With σ² unknown: measure it off the sure devices, and for each device without it.
    void measure_noise()
    {
        fit.follow_all();
        fit.statistics(statistic.data());
        rest_dof_outside = fit.dof() - double(rule.n_antennas);
        for (size_t n = 0; n < statistic.size(); ++n) {
            rest[n] = fit.is_member[n] ? fit.residual() : off(statistic[n]);
            rest_dof[n] = fit.is_member[n] ? fit.dof() : rest_dof_outside;
        }
        noise_var = fit.residual() / fit.dof();
        scale = sure;
        if (rule.lower_limit > 0 && statistic.size() - fit.size() >= enough && fit.residual() > 0) {
            const double factor = lower_scale() / noise_var;
            for (double& energy : rest)
                energy *= factor;
        }
    }

    // The scale of the lower statistics of all devices outside the support.
    double lower_scale() const
    {
        double level = mean_below(std::numeric_limits<double>::infinity()) / double(rule.n_antennas);
        for (int round = 0; round < scale_rounds; ++round)
            level = mean_below(rule.lower_limit * level) / rule.lower_mean;
        return level;
    }

    double mean_below(double limit) const
    {
        double sum = 0;
        size_t count = 0;
        for (size_t n = 0; n < statistic.size(); ++n)
            if (!fit.is_member[n] && statistic[n] <= limit) {
                sum += statistic[n];
                ++count;
            }
        return sum / double(count);
    }

    double sure_level() const
    {
        const double count = double(std::max<size_t>(fit.size(), 1));
        return std::max(rule.threshold, std::log10(double(statistic.size()) / (rule.sure * count)));
    }

    // LMMSE channels on the support, in `rows`; energy of the signal that they explain.
    double refit()
    {
        const size_t K = fit.size(), M = rule.n_antennas;
        double power = 0;
        for (size_t k = 0; k < K; ++k)
            power += energy_of(fit.channel(k), M) / double(M) - fit.variance(k) * noise_var;
        power /= double(std::max<size_t>(K, 1));
        const double ratio = noise_var / std::max(power, 1e-3 * noise_var + DBL_MIN);
        regular.resize(K * K);
        rows.resize(K * M);
        for (size_t i = 0; i < K; ++i) {
            for (size_t k = 0; k <= i; ++k)
                regular[i * K + k] = fit.gram.at(fit.members[i], fit.members[k]);
            regular[i * K + i] += added(i, ratio);
            for (size_t m = 0; m < M; ++m)
                rows[i * M + m] = fit.correlation(fit.members[i], m);
        }
        solve_hermitian(regular, K, rows, M);
        return explained(ratio);
    }

    // What the regular matrix has on its diagonal besides the Gram matrix.
    double added(size_t k, double ratio) const { return ridge * fit.gram.norm(fit.members[k]) + ratio; }

    // xᴴGx of the rows x, for which (G + D)x is the correlation.
    double explained(double ratio) const
    {
        const size_t M = rule.n_antennas;
        double signal = 0;
        for (size_t k = 0; k < fit.size(); ++k) {
            for (size_t m = 0; m < M; ++m)
                signal += times(std::conj(rows[k * M + m]), fit.correlation(fit.members[k], m)).real();
            signal -= added(k, ratio) * energy_of(&rows[k * M], M);
        }
        return signal;
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
        fit.follow_all();
        fit.statistics(statistic.data());
    }
};

Detector::Detector(const Gram& gram, const Rule& rule) : d_work(new Work(gram, rule)) {}

Detector::~Detector() = default;

void Detector::decide(const Frame& frame, const Decision& decision)
{
    Work& work = *d_work;
    work.decide(frame);
    const size_t M = work.rule.n_antennas;
    for (size_t n = 0; n < work.statistic.size(); ++n) {
        decision.activity[n] = work.fit.is_member[n];
        decision.score[n] = work.score(n, work.statistic[n]);
    }
    const double signal = work.refit();
    if (decision.channel)
        for (size_t k = 0; k < work.fit.size(); ++k)
            std::copy_n(&work.rows[k * M], M, decision.channel + work.fit.members[k] * M);
    *decision.noise_var = work.noise_var;
    const double noise = work.noise_var * double(work.rule.pilot_length * M);
    *decision.snr_db =
        signal > 0 ? 10 * std::log10(signal / noise) : -std::numeric_limits<double>::infinity();
}

} // namespace jadce
