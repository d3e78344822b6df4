// SPDX-License-Identifier: GPL-3.0-or-later
// The forward pass of the unrolled network for one frame, in single precision: unrolled/layers.py.
//
// As in pc_admm/iteration.hpp, U~ = −Bᴴ push, and B Bᴴ is diagonal, so that B Z and B U follow from B Z~
// alone: one product with Bᴴ a layer, and one with the columns of B at which the gain is not negligible.
// Where most devices, or nearly L of them, are active, the rounding of B U would grow from layer to layer:
// there it is a product, too.
#pragma once

#include "arithmetic/elementary.hpp"
#include "arithmetic/simd.hpp"
#include "network/excitation.hpp"
#include "network/layer.hpp"
#include "network/mixture.hpp"

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

namespace jadce {

struct Corrector
{ // of Z by d; of U by r and a factor
    float d, r, dual_scale;
};

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
        NetworkState state = {};
        Corrector corrector = {};
        int n_layers = 0;                            // run so far
        Array<float> Z, U, G, estimate;              // of devices and antennas
        Array<float> Y, samples, push, AZ, AU, next; // of symbols and antennas
        Array<float> weight;
        Array<float> n, gain, score, sum_log, sum_active, sum_slopes, sum_seen; // of devices
        Array<int> listed;
        int n_listed = 0;
        typename Pilots::Scratch scratch;
    };

    Network(const Pilots& pilots, std::vector<Layer> layers) : pilots_(pilots), layers_(std::move(layers)) {}

    int n_layers() const { return int(layers_.size()); }

    // Begins with the loaded frame; `noise_var` is 0 if unknown.
    void start(Workspace& work, float noise_var) const
    {
        for (Array<float>* array : {&work.Z, &work.U, &work.AZ, &work.AU, &work.estimate}) {
            std::fill(array->data(), array->data() + array->size(), 0.0f);
        }
        pilots_.rotate(work.samples.data(), work.M, work.Y.data(), work.scratch);
        work.state = {noise_var, 1, prior_logit, prior_log_power, float(pilots_.devices) / pilots_.length};
        work.n_layers = 0;
    }

    // Runs layers on, until so many are done or one moves the estimate by less than tol times its error
    // variance; whether it has come to rest. The estimate, the score and the layers run are in the workspace.
    bool run(Workspace& work, int until, float tol) const
    {
        while (work.n_layers < until) {
            if (work.n_layers > 0) {
                follow(work);
            }
            const float moved = run_layer(layers_[work.n_layers++], work);
            if (moved < tol * work.state.error) {
                return true;
            }
        }
        return false;
    }

    // How many devices the last layer takes for active.
    float expected(const Workspace& work) const { return total_of(work.sum_active); }

    // Variance of the last layer's energies of devices over their mean's square, times M: 1 for those of
    // noise.
    float scatter(const Workspace& work) const
    {
        const float N = float(pilots_.devices);
        Vec<float> total = {}, fourth = {};
        for (std::size_t n = 0; n < work.n.size(); n += lanes<float>) {
            total += vec(&work.n[n]);
            fourth += vec(&work.n[n]) * vec(&work.n[n]);
        }
        const float mean = sum<float>(total) / N;
        return mean > 0 ? float(work.M) * (sum<float>(fourth) / N / (mean * mean) - 1) : 1e30f;
    }

private:
    // Returns the mean square by which the estimate moved.
    float run_layer(const Layer& w, Workspace& work) const
    {
        const Measured found = predict(w, work, work.state);
        const Excitation h = excite(w, attend(work, work.state, found));
        work.corrector = gate(w, work, work.state, found, h);
        return correct(work, work.corrector);
    }

    // The products of the last layer's results, for the next.
    void follow(Workspace& work) const
    {
        list_rows(work);
        pilots_.forward(
            work.estimate.data(), work.listed.data(), work.n_listed, work.M, work.next.data(), work.scratch);
        correct_products(work, work.corrector);
        if (work.corrector.dual_scale * std::abs(1 - 2 * work.corrector.r) > 1) { // errors of B U grow by it
            pilots_.forward(work.U.data(), nullptr, pilots_.devices, work.M, work.AU.data(), work.scratch);
        }
    }

    // The filtered residual in work.push, and the variance of the effective noise.
    Measured predict(const Layer& w, Workspace& work, const NetworkState& state) const
    {
        const float L = float(pilots_.length), N = float(pilots_.devices);
        Vec<float> squares = {};
        for (std::size_t i = 0; i < work.Y.size(); i += lanes<float>) {
            const Vec<float> residual = vec(&work.Y[i]) - vec(&work.AZ[i]) - vec(&work.AU[i]);
            vec(&work.push[i]) = residual;
            squares += residual * residual;
        }
        Measured found;
        found.energy = sum<float>(squares) / (L * float(work.M));
        found.noise = noise_of(w, state, found.energy, N / L * state.error);
        const float mix = sigmoid(w.error_mix), seen = std::max(L / N * (found.energy - found.noise), 0.0f);
        const float error =
            std::exp(w.error_gain) * (mix * state.error + (1 - mix) * seen) + 1e-9f + 0.02f * found.noise;
        found.tau2 = filter(w, work, found.noise, error);
        return found;
    }

    static float noise_of(const Layer& w, const NetworkState& state, float energy, float error)
    {
        const float found = std::max(energy - error, 0.0f) + std::exp(w.noise_floor) * energy;
        return std::max(state.noise_var > 0 ? state.noise_var : found, 1e-7f);
    }

    // Returns the variance of the effective noise.
    float filter(const Layer& w, Workspace& work, float noise, float error) const
    {
        const float N = float(pilots_.devices), beta = std::exp(w.beta) * noise / error;
        float first = 0, second = 0, mixed = 0; // Σ s w, Σ (s w)², Σ s w²
        for (int l = 0; l < pilots_.length; ++l) {
            const float s = pilots_.spectrum[l], weight = 1 / (s + beta);
            work.weight[l] = weight;
            first += s * weight;
            second += s * weight * s * weight;
            mixed += s * weight * weight;
        }
        const float gamma = N / first, squared = gamma * gamma;
        weigh(work, 0.5f * w.reflect * gamma);
        return error * std::max(squared * second / N - 1, 0.0f) + noise * squared * mixed / N + 1e-9f;
    }

    static void weigh(Workspace& work, float factor)
    {
        const std::size_t stride = work.weight.size();
        for (std::size_t plane = 0; plane < work.push.size(); plane += stride) {
            for (std::size_t l = 0; l < stride; l += lanes<float>) {
                vec(&work.push[plane + l]) *= factor * vec(&work.weight[l]);
            }
        }
    }

    // T in work.G + work.Z + work.U (kept apart), and the energies n of its rows.
    Features attend(Workspace& work, const NetworkState& state, const Measured& found) const
    {
        pilots_.adjoint(work.push.data(), work.M, work.G.data(), work.scratch);
        const std::size_t stride = work.n.size();
        const float antennas = float(work.M), N = float(pilots_.devices);
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
        const Moments mean = {sum<float>(total) / N, sum<float>(fourth) / N, total_of(work.sum_log) / N};
        return features(state, found, mean, antennas, N / float(pilots_.length));
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

    // Gains and scores of all devices; the state for the next layer; the corrector.
    Corrector gate(const Layer& w,
                   Workspace& work,
                   NetworkState& state,
                   const Measured& found,
                   const Excitation& h) const
    {
        const float M = float(work.M), N = float(pilots_.devices), L = float(pilots_.length);
        const float log_power =
            w.power_keep * (state.log_power - prior_log_power) + prior_log_power + w.power + h[0];
        const float vx = std::exp(clip(log_power, -12, 12)), t2 = found.tau2 * std::exp(w.noise + h[3]);
        const float slope = std::exp(w.slope + h[1]);
        const float prior = w.prior + w.prior_keep * (state.logit - prior_logit) + 3 * h[2];
        gate_all(work, Mixture(M, vx, t2, slope, std::exp(clip(w.spread + h[4], -6, 1.5f)), prior));

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

    static void gate_all(Workspace& work, const Mixture mixture)
    {
        const std::size_t count = work.n.size();
        const float* energy = work.n.data();
        float *gain = work.gain.data(), *scores = work.score.data(), *actives = work.sum_active.data(),
              *slopes = work.sum_slopes.data(), *seens = work.sum_seen.data();
#pragma GCC ivdep
        for (std::size_t i = 0; i < count; ++i) {
            const Gate gate = gate_of(mixture, energy[i]);
            gain[i] = gate.gain;
            scores[i] = gate.score;
            actives[i] = gate.active;
            slopes[i] = gate.slope;
            seens[i] = gate.seen;
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
