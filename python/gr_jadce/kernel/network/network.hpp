// SPDX-License-Identifier: GPL-3.0-or-later
// The forward pass of the unrolled network for one frame, in single precision: unrolled/layers.py.
//
// As in pc_admm.hpp, U~ = −Bᴴ push, and B Bᴴ is diagonal, so that B Z and B U follow from B Z~ alone:
// one product with Bᴴ a layer, and one with the columns of B at which the gain is not negligible. Where
// most devices, or nearly L of them, are active, the rounding of B U would grow from layer to layer: there
// it is a product, too.
#pragma once

#include "arithmetic/elementary.hpp"
#include "arithmetic/frames.hpp"

#include <array>

namespace jadce {

constexpr int n_hidden = 16, n_features = 11, n_excite = 7;
constexpr float prior_logit = -2.1972246f, prior_log_power = 2.3025851f;

// The learned parameters of a layer, named as in unrolled/layers.py.
struct Layer
{
    float error_gain, error_mix, noise_floor, beta, reflect, power, power_keep, prior, prior_keep, noise,
        slope, spread, damping, dual_gain;
    std::array<float, n_hidden * n_features> squeeze_weight;
    std::array<float, n_hidden> squeeze_bias;
    std::array<float, n_excite * n_hidden> excite_weight;
    std::array<float, n_excite> excite_bias;
};

inline float clip(float x, float low, float high) { return std::min(std::max(x, low), high); }
inline float sigmoid(float x) { return 1 / (1 + std::exp(-clip(x, -60, 60))); }

template <class Pilots>
class Network
{
public:
    struct Workspace
    {
        Workspace(const Pilots& pilots, int M)
            : M(M), Z(std::size_t(2) * M * padded<float>(pilots.devices)), U(Z.size()), G(Z.size()),
              estimate(Z.size()), Y(std::size_t(2) * M * padded<float>(pilots.length)), samples(Y.size()),
              push(Y.size()), AZ(Y.size()), AU(Y.size()), next(Y.size()),
              weight(padded<float>(pilots.length)), n(padded<float>(pilots.devices)), gain(n.size()),
              score(n.size()), sum_log(n.size()), sum_active(n.size()), sum_slopes(n.size()),
              sum_seen(n.size()), listed(pilots.devices), scratch(pilots, M)
        {
        }
        int M;
        Array<float> Z, U, G, estimate;              // of devices and antennas
        Array<float> Y, samples, push, AZ, AU, next; // of symbols and antennas
        Array<float> weight;
        Array<float> n, gain, score, sum_log, sum_active, sum_slopes, sum_seen; // of devices
        Array<int> listed;
        int n_listed = 0;
        typename Pilots::Scratch scratch;
    };

    // The frame's own numbers; noise_var is 0 where unknown.
    struct State
    {
        float noise_var, error, logit, log_power, energy;
    };

    Network(const Pilots& pilots, std::vector<Layer> layers) : pilots_(pilots), layers_(std::move(layers)) {}

    // Runs layers on the loaded frame until one moves the estimate by less than tol times its error
    // variance; leaves the estimate and the score in the workspace and returns the layers run.
    int run(Workspace& work, float noise_var, float tol) const
    {
        for (Array<float>* array : {&work.Z, &work.U, &work.AZ, &work.AU, &work.estimate}) {
            std::fill(array->data(), array->data() + array->size(), 0.0f);
        }
        pilots_.rotate(work.samples.data(), work.M, work.Y.data(), work.scratch);
        State state = {noise_var, 1, prior_logit, prior_log_power, float(pilots_.devices) / pilots_.length};
        const int most = int(layers_.size());
        for (int k = 0; k < most; ++k) {
            if (run_layer(layers_[k], work, state, k + 1 == most, tol)) {
                return k + 1;
            }
        }
        return most;
    }

private:
    struct Excited
    { // what the frame changes in the layer's parameters, and its filter
        float tau2, noise, energy, gamma;
        std::array<float, n_excite> h;
    };
    struct Corrector
    {
        float d, r, dual_scale;
    };

    bool run_layer(const Layer& w, Workspace& work, State& state, bool last, float tol) const
    {
        Excited excited = predict(w, work, state);
        attend(w, work, state, excited);
        const Corrector corrector = gate(w, work, state, excited);
        const float moved = correct(work, corrector);
        if (last || moved < tol * state.error) {
            return true;
        }
        list_rows(work);
        pilots_.forward(
            work.estimate.data(), work.listed.data(), work.n_listed, work.M, work.next.data(), work.scratch);
        correct_products(work, corrector);
        if (corrector.dual_scale * std::abs(1 - 2 * corrector.r) > 1) { // by which errors of B U grow
            pilots_.forward(work.U.data(), nullptr, pilots_.devices, work.M, work.AU.data(), work.scratch);
        }
        return false;
    }

    // The filtered residual in work.push, and the variance of the effective noise.
    Excited predict(const Layer& w, Workspace& work, State& state) const
    {
        const float L = float(pilots_.length), N = float(pilots_.devices);
        Vec<float> squares = {};
        for (std::size_t i = 0; i < work.Y.size(); i += lanes<float>) {
            const Vec<float> residual = vec(&work.Y[i]) - vec(&work.AZ[i]) - vec(&work.AU[i]);
            vec(&work.push[i]) = residual;
            squares += residual * residual;
        }
        Excited found;
        found.energy = sum<float>(squares) / (L * float(work.M));
        found.noise = noise_of(w, state, found.energy, N / L * state.error);
        const float mix = sigmoid(w.error_mix), seen = std::max(L / N * (found.energy - found.noise), 0.0f);
        const float error =
            std::exp(w.error_gain) * (mix * state.error + (1 - mix) * seen) + 1e-9f + 0.02f * found.noise;
        filter(w, work, found, error);
        return found;
    }

    static float noise_of(const Layer& w, const State& state, float energy, float error)
    {
        const float found = std::max(energy - error, 0.0f) + std::exp(w.noise_floor) * energy;
        return std::max(state.noise_var > 0 ? state.noise_var : found, 1e-7f);
    }

    void filter(const Layer& w, Workspace& work, Excited& found, float error) const
    {
        const float N = float(pilots_.devices), beta = std::exp(w.beta) * found.noise / error;
        float first = 0, second = 0, mixed = 0; // Σ s w, Σ (s w)², Σ s w²
        for (int l = 0; l < pilots_.length; ++l) {
            const float s = pilots_.spectrum[l], weight = 1 / (s + beta);
            work.weight[l] = weight;
            first += s * weight;
            second += s * weight * s * weight;
            mixed += s * weight * weight;
        }
        found.gamma = N / first;
        const float squared = found.gamma * found.gamma;
        found.tau2 =
            error * std::max(squared * second / N - 1, 0.0f) + found.noise * squared * mixed / N + 1e-9f;
        const float factor = 0.5f * w.reflect * found.gamma;
        const std::size_t stride = work.weight.size();
        for (std::size_t plane = 0; plane < work.push.size(); plane += stride) {
            for (std::size_t l = 0; l < stride; l += lanes<float>) {
                vec(&work.push[plane + l]) *= factor * vec(&work.weight[l]);
            }
        }
    }

    // T in work.G + work.Z + work.U (kept apart), the energies n of its rows, and the excitation.
    void attend(const Layer& w, Workspace& work, const State& state, Excited& found) const
    {
        pilots_.adjoint(work.push.data(), work.M, work.G.data(), work.scratch);
        const std::size_t stride = work.n.size();
        const float antennas = float(work.M);
        Vec<float> total = {}, fourth = {};
        for (std::size_t n = 0; n < stride; n += lanes<float>) {
            Vec<float> squares = {};
            for (std::size_t i = n; i < work.Z.size(); i += stride) {
                const Vec<float> t = vec(&work.Z[i]) + vec(&work.U[i]) + 2.0f * vec(&work.G[i]);
                squares += t * t;
            }
            squares /= antennas;
            vec(&work.n[n]) = squares;
            total += squares;
            fourth += squares * squares;
        }
        for (std::size_t n = 0; n < stride; ++n) {
            work.sum_log[n] = fast_log(work.n[n] + 1e-9f);
        }
        const float N = float(pilots_.devices);
        excite(w,
               state,
               found,
               antennas,
               sum<float>(total) / N,
               sum<float>(fourth) / N,
               total_of(work.sum_log) / N);
    }

    // Σ over devices, without the padding.
    float total_of(const Array<float>& values) const
    {
        const int whole = pilots_.devices / lanes<float> * lanes<float>;
        Vec<float> part = {};
        for (int n = 0; n < whole; n += lanes<float>) {
            part += vec(&values[n]);
        }
        float total = sum<float>(part);
        for (int n = whole; n < pilots_.devices; ++n) {
            total += values[n];
        }
        return total;
    }

    void excite(const Layer& w,
                const State& state,
                Excited& found,
                float M,
                float mean,
                float mean_square,
                float mean_log) const
    {
        const float tau2 = found.tau2, signal = std::max(mean - tau2, 1e-6f);
        const float fourth = mean_square / (1 + 1 / M) - tau2 * tau2 - 2 * signal * tau2;
        const float power = std::log(std::max(fourth, 1e-6f) / signal);
        const float usual = mean_log + 1 / (2 * M) + 1 / (12 * M * M), log_tau2 = std::log(tau2);
        const float ratio = float(pilots_.devices) / float(pilots_.length);
        const std::array<float, n_features> features = {
            log_tau2 / 3,
            std::log(found.noise) / 3,
            std::log((found.energy + 1e-9f) / found.noise) / 3,
            state.logit - prior_logit,
            state.log_power - prior_log_power,
            clip(power - state.log_power, -2, 2),
            std::log(M) / 2,
            std::log(ratio / 3),
            state.noise_var > 0 ? 0.5f : -0.5f,
            clip(std::log((found.energy + 1e-9f) / (state.energy + 1e-9f)), -2, 2),
            clip(usual - log_tau2, -2, 2),
        };
        found.h = w.excite_bias;
        for (int j = 0; j < n_hidden; ++j) {
            float hidden = w.squeeze_bias[j];
            for (int i = 0; i < n_features; ++i) {
                hidden += w.squeeze_weight[j * n_features + i] * features[i];
            }
            hidden *= sigmoid(hidden);
            for (int i = 0; i < n_excite; ++i) {
                found.h[i] += w.excite_weight[i * n_hidden + j] * hidden;
            }
        }
    }

    // Gains and scores of all devices; the state for the next layer; the corrector.
    Corrector gate(const Layer& w, Workspace& work, State& state, const Excited& found) const
    {
        const auto& h = found.h;
        const float M = float(work.M), N = float(pilots_.devices), L = float(pilots_.length);
        const float log_power =
            w.power_keep * (state.log_power - prior_log_power) + prior_log_power + w.power + h[0];
        const float vx = std::exp(clip(log_power, -12, 12)), t2 = found.tau2 * std::exp(w.noise + h[3]);
        const float slope = std::exp(w.slope + h[1]);
        const float prior = w.prior + w.prior_keep * (state.logit - prior_logit) + 3 * h[2];
        mix_powers(work, M, vx, t2, slope, std::exp(clip(w.spread + h[4], -6, 1.5f)), prior);

        const float most = std::min(0.9f, 0.9f * L / N), active = total_of(work.sum_active);
        const float divergence = clip(total_of(work.sum_slopes) / N, 1e-6f, most);
        const float ratio = divergence / (1 - divergence);
        const float d = sigmoid(w.damping + h[6]), kappa = d * std::exp(w.dual_gain + h[5]) * ratio;
        const float rate = clip(active / N, 1e-3f, 0.6f);
        const float seen = total_of(work.sum_seen) + 0.1f * vx;
        state.error = t2 * ratio;
        state.logit = std::log(rate / (1 - rate));
        state.log_power = std::log(std::min(std::max(seen / (active + 0.1f), 1e-3f), 1.5f / rate));
        state.energy = found.energy;
        return {d, kappa / (1 - d + kappa), 1 - d + kappa};
    }

    // The mixture over the spread of powers, for every device.
    static void
    mix_powers(Workspace& work, float M, float vx, float t2, float slope, float half_width, float prior)
    {
        constexpr float node = 0.7745967f;
        const float v0 = vx * std::exp(-node * half_width), v1 = vx, v2 = vx * std::exp(node * half_width);
        const float b0 = slope / (v0 + t2), b1 = slope / (v1 + t2), b2 = slope / (v2 + t2);
        const float g0 = v0 / (v0 + t2), g1 = v1 / (v1 + t2), g2 = v2 / (v2 + t2);
        constexpr float outer = -1.2809338f, middle = -0.8109302f; // ln 5/18, ln 8/18
        const float c0 = outer - M * std::log(1 + v0 / t2), c1 = middle - M * std::log(1 + v1 / t2),
                    c2 = outer - M * std::log(1 + v2 / t2);
        const std::size_t count = work.n.size();
        const float* energy = work.n.data();
        float *gain = work.gain.data(), *scores = work.score.data(), *actives = work.sum_active.data(),
              *slopes = work.sum_slopes.data(), *seens = work.sum_seen.data();
#pragma GCC ivdep
        for (std::size_t i = 0; i < count; ++i) {
            const float n = energy[i];
            const float l0 = c0 - M * b0 * n, l1 = c1 - M * b1 * n, l2 = c2 - M * b2 * n;
            float peak = l0 > l1 ? l0 : l1;
            peak = peak > l2 ? peak : l2;
            const float p0 = fast_exp(l0 - peak), p1 = fast_exp(l1 - peak), p2 = fast_exp(l2 - peak);
            const float total = p0 + p1 + p2, each = 1 / total;
            const float shrink = (p0 * g0 + p1 * g1 + p2 * g2) * each;
            const float loss = (p0 * b0 + p1 * b1 + p2 * b2) * n * each;
            const float covariance =
                (p0 * g0 * (loss - b0 * n) + p1 * g1 * (loss - b1 * n) + p2 * g2 * (loss - b2 * n)) * each;
            const float score = M * slope * n / t2 + peak + fast_log(total) + prior;
            float bounded = score < -60.0f ? -60.0f : score;
            bounded = bounded > 60.0f ? 60.0f : bounded;
            const float odds = fast_exp(-bounded), active = 1 / (1 + odds), idle = odds * active;
            gain[i] = active * shrink;
            scores[i] = score;
            actives[i] = active;
            slopes[i] = active * (shrink * (1 + idle * (slope * n / t2 - loss)) + covariance);
            seens[i] = active * (n - t2);
        }
    }

    // The estimate, the correction of Z and U, and the mean square by which the estimate moved.
    float correct(Workspace& work, const Corrector& corrector) const
    {
        const std::size_t stride = work.n.size();
        Vec<float> moved = {};
        for (std::size_t n = 0; n < stride; n += lanes<float>) {
            const Vec<float> gain = vec(&work.gain[n]);
            for (std::size_t i = n; i < work.Z.size(); i += stride) {
                const Vec<float> z = vec(&work.Z[i]), u = vec(&work.U[i]), g = vec(&work.G[i]);
                const Vec<float> estimate = gain * (z + u + 2.0f * g), dz = z - estimate;
                const Vec<float> step = estimate - vec(&work.estimate[i]);
                moved += step * step;
                vec(&work.estimate[i]) = estimate;
                vec(&work.Z[i]) = z - corrector.d * dz;
                vec(&work.U[i]) = corrector.dual_scale * (u - corrector.r * dz - 2 * corrector.r * (u + g));
            }
        }
        return sum<float>(moved) / (float(pilots_.devices) * float(work.M));
    }

    // Rows whose gain is so small that leaving them out of B Z~ is no more than rounding.
    void list_rows(Workspace& work) const
    {
        int count = 0;
        for (int n = 0; n < pilots_.devices; ++n) {
            work.listed[count] = n;
            count += work.gain[n] > negligible;
        }
        work.n_listed = count;
    }

    void correct_products(Workspace& work, const Corrector& c) const
    {
        const std::size_t stride = work.weight.size();
        for (std::size_t plane = 0; plane < work.AZ.size(); plane += stride) {
            for (std::size_t l = 0; l < stride; l += lanes<float>) {
                const std::size_t i = plane + l;
                const Vec<float> az = vec(&work.AZ[i]), au = vec(&work.AU[i]), dz = az - vec(&work.next[i]);
                const Vec<float> back = au + vec(&pilots_.spectrum[l]) * vec(&work.push[i]);
                vec(&work.AZ[i]) = az - c.d * dz;
                vec(&work.AU[i]) = c.dual_scale * (au - c.r * dz - 2 * c.r * back);
            }
        }
    }

    static constexpr float negligible = 1e-5f; // moves estimates by a few parts in a million
    const Pilots& pilots_;
    const std::vector<Layer> layers_;
};

} // namespace jadce
