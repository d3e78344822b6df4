// SPDX-License-Identifier: GPL-3.0-or-later
#include "detection.hpp"

#include <algorithm>
#include <cfloat>
#include <cmath>
#include <limits>

namespace jadce {
namespace {

constexpr double ridge = 1e-9;       // keeps equal pilots from making a singular system
constexpr double independent = 1e-6; // least share of a pilot's energy off the span of the others
constexpr double rounding = 1e-12;   // of a frame's energy: what its residual is known to
constexpr size_t enough = 100;       // devices that tell the scale of a tight frame
constexpr int scale_rounds = 20;
constexpr double huge_sum = 1e250;

// Without the checks for infinities that operator* makes.
cplx times(cplx a, cplx b)
{
    return {a.real() * b.real() - a.imag() * b.imag(), a.real() * b.imag() + a.imag() * b.real()};
}

double energy_of(cplx a) { return a.real() * a.real() + a.imag() * a.imag(); }

double energy_of(const cplx* row, size_t count)
{
    double sum = 0;
    for (size_t i = 0; i < count; ++i)
        sum += energy_of(row[i]);
    return sum;
}

double safe_log(double value) { return std::log(std::max(value, DBL_MIN)); }

// log Σ_{j<count} t_j, t_0 = 1, t_j = t_{j-1} ratio(j).
template <typename Ratio>
double log_series(size_t count, Ratio ratio)
{
    double term = 1, total = 1, log_scale = 0;
    for (size_t j = 1; j < count; ++j) {
        term *= ratio(double(j));
        total += term;
        if (total > huge_sum) {
            log_scale += std::log(total);
            term /= total;
            total = 1;
        }
    }
    return log_scale + std::log(total);
}

// −log10 P(Gamma(M, 1) ≥ energy).
double score_known(double energy, size_t n_antennas)
{
    return (energy - log_series(n_antennas, [=](double k) { return energy / k; })) / M_LN10;
}

// −log10 P(F ≥ (energy/M) / (rest/dof)), F of 2M and 2·dof degrees of freedom.
double score_unknown(double energy, double rest, size_t n_antennas, double dof)
{
    if (dof <= 0)
        return 0;
    const double both = std::max(energy + rest, DBL_MIN);
    const double y = std::max(energy, DBL_MIN) / both;
    const double total = log_series(n_antennas, [=](double j) { return y * ((dof + j - 1) / j); });
    return -std::min(total + dof * (safe_log(rest) - std::log(both)), 0.0) / M_LN10;
}

// Least squares on a support, brought up to date by one-rank updates when devices come and go.
class Fit
{
public:
    Fit(const Gram& gram, const Rule& rule)
        : gram(gram), n_antennas(rule.n_antennas), pilot_length(rule.pilot_length),
          is_member(gram.n_devices()), d_inverse_real(rule.pilot_length * rule.pilot_length),
          d_inverse_imag(d_inverse_real.size()), d_column_real(rule.pilot_length),
          d_column_imag(rule.pilot_length), d_inner(rule.pilot_length),
          d_channel(rule.pilot_length * n_antennas), d_step(n_antennas), d_share(gram.stride()),
          d_left(2 * n_antennas * gram.stride()), d_rows(2 * rule.pilot_length * 4 * lanes<double>)
    {
    }

    const Gram& gram;
    const size_t n_antennas, pilot_length;
    std::vector<size_t> members;
    std::vector<char> is_member;

    void start(const Frame& frame)
    {
        d_frame = &frame;
        members.clear();
        std::fill(is_member.begin(), is_member.end(), 0);
        d_residual = frame.energy;
        d_follows_all = false;
    }

    size_t size() const { return members.size(); }
    double residual() const { return std::max(d_residual, rounding * d_frame->energy); }
    double dof() const { return double(n_antennas * std::max<size_t>(pilot_length - size(), 1)); }
    const cplx* channel(size_t k) const { return &d_channel[k * n_antennas]; }
    // Variance over σ² of a member's channel.
    double variance(size_t k) const { return d_inverse_real[k * pilot_length + k]; }
    double own_statistic(size_t k) const { return energy_of(channel(k), n_antennas) / variance(k); }

    // From here on, keep what `statistics` needs up to date. The least squares are done anew, which
    // forgets the rounding of devices that came and went.
    void follow_all()
    {
        if (d_follows_all)
            return;
        d_follows_all = true;
        for (size_t n = 0; n < gram.n_devices(); ++n)
            d_share[n] = gram.norm(n);
        std::copy_n(d_frame->correlation, d_left.size(), d_left.data());
        factorise();
        fit_factors();
        project(d_factor.data(), size(), d_steps.data(), -1);
    }

    // t_n of every device, members left out of the support that they are tested against.
    void statistics(double* t) const
    {
        const size_t N = gram.n_devices();
        std::fill(t, t + N, 0.0);
        for (size_t m = 0; m < n_antennas; ++m) {
            const double *re = left(m), *im = re + gram.stride();
            for (size_t n = 0; n < N; ++n)
                t[n] += re[n] * re[n] + im[n] * im[n];
        }
        for (size_t n = 0; n < N; ++n)
            t[n] = d_share[n] > independent * gram.norm(n) ? t[n] / d_share[n] : 0;
        for (size_t k = 0; k < size(); ++k)
            t[members[k]] = own_statistic(k);
    }

    void add(size_t device)
    {
        const size_t K = size(), M = n_antennas;
        double share = gram.norm(device) * (1 + ridge);
        for (size_t m = 0; m < M; ++m)
            d_step[m] = correlation(device, m);
        for (size_t k = 0; k < K; ++k)
            d_inner[k] = gram.at(device, members[k]);
        solve_column();
        for (size_t i = 0; i < K; ++i) {
            share -= d_inner[i].real() * d_column_real[i] - d_inner[i].imag() * d_column_imag[i];
            for (size_t m = 0; m < M; ++m)
                d_step[m] -= times(d_inner[i], channel(i)[m]);
        }
        share = std::max(share, ridge * gram.norm(device));
        members.push_back(device);
        is_member[device] = 1;
        if (d_follows_all) {
            d_factor.resize(K + 1);
            for (size_t k = 0; k < K; ++k)
                d_factor[k] = {-d_column_real[k], d_column_imag[k]};
            d_factor[K] = 1;
            project(d_factor.data(), 1, d_step.data(), -1 / share);
        }
        for (size_t i = 0; i < K; ++i) {
            const cplx b(d_column_real[i] / share, d_column_imag[i] / share);
            add_column_to_inverse(i, b, K);
            set_inverse(i, K, -b);
            set_inverse(K, i, -std::conj(b));
            for (size_t m = 0; m < M; ++m)
                d_channel[i * M + m] -= times(b, d_step[m]);
        }
        set_inverse(K, K, 1 / share);
        for (size_t m = 0; m < M; ++m)
            d_channel[K * M + m] = d_step[m] / share;
        d_residual -= energy_of(d_step.data(), M) / share;
    }

    void remove(size_t index)
    {
        const size_t last = size() - 1, M = n_antennas;
        swap_members(index, last);
        const double v = variance(last);
        for (size_t m = 0; m < M; ++m)
            d_step[m] = d_channel[last * M + m];
        if (d_follows_all) {
            d_factor.resize(last + 1);
            for (size_t k = 0; k <= last; ++k)
                d_factor[k] = inverse(last, k);
            project(d_factor.data(), 1, d_step.data(), 1 / v);
        }
        for (size_t k = 0; k < last; ++k) {
            d_column_real[k] = inverse(last, k).real();
            d_column_imag[k] = -inverse(last, k).imag();
        }
        for (size_t i = 0; i < last; ++i) {
            const cplx b = inverse(i, last) / v;
            add_column_to_inverse(i, -b, last + 1);
            for (size_t m = 0; m < M; ++m)
                d_channel[i * M + m] -= times(b, d_step[m]);
        }
        d_residual += energy_of(d_step.data(), M) / v;
        is_member[members[last]] = 0;
        members.pop_back();
    }

    cplx correlation(size_t n, size_t m) const
    {
        const double* plane = d_frame->correlation + 2 * m * gram.stride();
        return {plane[n], plane[gram.stride() + n]};
    }

private:
    cplx inverse(size_t i, size_t k) const
    {
        return {d_inverse_real[i * pilot_length + k], d_inverse_imag[i * pilot_length + k]};
    }

    void set_inverse(size_t i, size_t k, cplx value)
    {
        d_inverse_real[i * pilot_length + k] = value.real();
        d_inverse_imag[i * pilot_length + k] = value.imag();
    }

    // column = (A_SᴴA_S)⁻¹ conj(inner), by the rows of the inverse, which is Hermitian.
    void solve_column()
    {
        const size_t K = size();
        double *column_re = d_column_real.data(), *column_im = d_column_imag.data();
        std::fill_n(column_re, K, 0.0);
        std::fill_n(column_im, K, 0.0);
        for (size_t k = 0; k < K; ++k) {
            const double a = d_inner[k].real(), b = d_inner[k].imag();
            const double *re = &d_inverse_real[k * pilot_length], *im = &d_inverse_imag[k * pilot_length];
            for (size_t i = 0; i < K; ++i) {
                column_re[i] += re[i] * a - im[i] * b;
                column_im[i] -= re[i] * b + im[i] * a;
            }
        }
    }

    // The first entries of row i of the inverse += factor · columnᴴ.
    void add_column_to_inverse(size_t i, cplx factor, size_t count)
    {
        const double a = factor.real(), b = factor.imag();
        const double *column_re = d_column_real.data(), *column_im = d_column_imag.data();
        double *re = &d_inverse_real[i * pilot_length], *im = &d_inverse_imag[i * pilot_length];
        for (size_t k = 0; k < count; ++k) {
            re[k] += a * column_re[k] + b * column_im[k];
            im[k] += b * column_re[k] - a * column_im[k];
        }
    }

    // The lower triangular T with TᴴT = (A_SᴴA_S)⁻¹: the inverse of the Cholesky factor R, in its place.
    void factorise()
    {
        const size_t K = size();
        d_factor.resize(K * K);
        for (size_t i = 0; i < K; ++i) {
            cplx* row = &d_factor[i * K];
            double pivot = gram.norm(members[i]) * (1 + ridge);
            for (size_t j = 0; j < i; ++j) { // R_ij = Σ_{k<=j} G_ik conj(T_jk)
                cplx sum = 0;
                for (size_t k = 0; k <= j; ++k)
                    sum += times(gram.at(members[i], members[k]), std::conj(d_factor[j * K + k]));
                row[j] = sum;
                pivot -= energy_of(sum);
            }
            const double scale = 1 / std::sqrt(std::max(pivot, ridge * gram.norm(members[i])));
            for (size_t j = 0; j < i; ++j) { // T_ij = −Σ_{j<=k<i} R_ik T_kj / R_ii
                cplx sum = 0;
                for (size_t k = j; k < i; ++k)
                    sum -= times(row[k], d_factor[k * K + j]);
                row[j] = sum * scale;
            }
            row[i] = scale;
        }
    }

    // The least squares by the factor T: steps T A_Sᴴ Y, channels Tᴴ T A_Sᴴ Y, and (A_SᴴA_S)⁻¹ = Tᴴ T.
    void fit_factors()
    {
        const size_t K = size(), M = n_antennas;
        d_steps.assign(K * M, 0);
        d_residual = d_frame->energy;
        std::fill_n(d_inverse_real.begin(), K * pilot_length, 0.0);
        std::fill_n(d_inverse_imag.begin(), K * pilot_length, 0.0);
        std::fill_n(d_channel.begin(), K * M, cplx(0));
        for (size_t i = 0; i < K; ++i) {
            const cplx* factors = &d_factor[i * K];
            cplx* step = &d_steps[i * M];
            for (size_t k = 0; k <= i; ++k) {
                for (size_t m = 0; m < M; ++m)
                    step[m] += times(factors[k], correlation(members[k], m));
                d_column_real[k] = factors[k].real();
                d_column_imag[k] = -factors[k].imag();
            }
            for (size_t k = 0; k <= i; ++k) {
                add_column_to_inverse(k, std::conj(factors[k]), i + 1);
                for (size_t m = 0; m < M; ++m)
                    d_channel[k * M + m] += times(std::conj(factors[k]), step[m]);
            }
            d_residual -= energy_of(step, M);
        }
    }

    void swap_members(size_t a, size_t b)
    {
        if (a == b)
            return;
        for (std::vector<double>* part : {&d_inverse_real, &d_inverse_imag}) {
            double* values = part->data();
            for (size_t k = 0; k < size(); ++k)
                std::swap(values[a * pilot_length + k], values[b * pilot_length + k]);
            for (size_t k = 0; k < size(); ++k)
                std::swap(values[k * pilot_length + a], values[k * pilot_length + b]);
        }
        std::swap_ranges(
            &d_channel[a * n_antennas], &d_channel[a * n_antennas] + n_antennas, &d_channel[b * n_antennas]);
        std::swap(members[a], members[b]);
    }

    double* left(size_t m) { return &d_left[2 * m * gram.stride()]; }
    const double* left(size_t m) const { return &d_left[2 * m * gram.stride()]; }

    // Take directions u_i = Σ_k conj(factor_ik) a_k, sums of members, off what is left of all pilots and
    // of the frame (weight < 0), or put one back (weight > 0). Steps (i, m) are u_iᴴ Y. One direction is
    // of all members, of several the i-th is of the first i + 1.
    void project(const cplx* factors, size_t directions, const cplx* steps, double weight)
    {
        const size_t stride = gram.stride();
        size_t n = 0;
        for (; n + 4 * lanes<double> <= stride; n += 4 * lanes<double>)
            project_part<4>(n, factors, directions, steps, weight);
        for (; n < stride; n += lanes<double>)
            project_part<1>(n, factors, directions, steps, weight);
    }

    // The same of W vectors of devices, from device n on.
    template <int W>
    void project_part(size_t n, const cplx* factors, size_t directions, const cplx* steps, double weight)
    {
        constexpr size_t width = W * lanes<double>;
        for (size_t i = 0; i < directions; ++i)
            add_members<W>(n, factors + i * size(), directions == 1 ? size() : i + 1, &d_rows[2 * i * width]);
        for (int w = 0; w < W; ++w) {
            Vec<double>& share = vec(&d_share[n + w * lanes<double>]);
            for (size_t i = 0; i < directions; ++i) {
                const Vec<double> re = row<W>(2 * i, w), im = row<W>(2 * i + 1, w);
                share += weight * (re * re + im * im);
            }
        }
        for (size_t m = 0; m < n_antennas; ++m) {
            for (int w = 0; w < W; ++w) {
                double* place = left(m) + n + w * lanes<double>;
                Vec<double> left_re = vec(place), left_im = vec(place + gram.stride());
                for (size_t i = 0; i < directions; ++i) {
                    const cplx step = weight * steps[i * n_antennas + m];
                    const Vec<double> re = row<W>(2 * i, w), im = row<W>(2 * i + 1, w);
                    left_re += step.real() * re + step.imag() * im;
                    left_im += step.imag() * re - step.real() * im;
                }
                vec(place) = left_re;
                vec(place + gram.stride()) = left_im;
            }
        }
    }

    template <int W>
    const Vec<double>& row(size_t plane, int w) const
    {
        return vec(&d_rows[(plane * W + w) * lanes<double>]);
    }

    // u_iᴴ a_n of W vectors of devices: real parts, then imaginary ones.
    template <int W>
    void add_members(size_t n, const cplx* factors, size_t count, double* row) const
    {
        Vec<double> re[W], im[W];
        for (int w = 0; w < W; ++w)
            re[w] = im[w] = Vec<double>{};
        for (size_t k = 0; k < count; ++k) {
            const double a = factors[k].real(), b = factors[k].imag();
            const double *gram_re = gram.real(members[k]) + n, *gram_im = gram.imag(members[k]) + n;
            for (int w = 0; w < W; ++w) {
                const Vec<double> g = vec(gram_re + w * lanes<double>), h = vec(gram_im + w * lanes<double>);
                re[w] += a * g - b * h;
                im[w] += a * h + b * g;
            }
        }
        for (int w = 0; w < W; ++w) {
            vec(row + w * lanes<double>) = re[w];
            vec(row + (W + w) * lanes<double>) = im[w];
        }
    }

    const Frame* d_frame = nullptr;
    double d_residual = 0;
    bool d_follows_all = false;
    std::vector<double> d_inverse_real, d_inverse_imag, d_column_real, d_column_imag;
    std::vector<cplx> d_inner, d_channel, d_step, d_factor, d_steps;
    Array<double> d_share, d_left; // (N,), and (M, 2, N) in planes, padded
    Array<double> d_rows;          // of `project`
};

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
    Fit fit;
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
