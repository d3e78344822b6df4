// SPDX-License-Identifier: GPL-3.0-or-later
// One sweep of gr_jadce.unrolled.sampling over the devices of each frame, compiled.
#include "arithmetic/frames.hpp"

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <cstdint>

namespace py = pybind11;

namespace jadce {
namespace {

using cplx = std::complex<double>;

template <typename T>
using Values = py::array_t<T, py::array::c_style>;

// Without the checks for infinities that operator* makes.
cplx times(cplx a, cplx b)
{
    return {a.real() * b.real() - a.imag() * b.imag(), a.real() * b.imag() + a.imag() * b.real()};
}

void check(bool good, const char* what)
{
    if (!good)
        throw py::value_error(what);
}

struct Sizes
{
    size_t N, L, M, P; // devices, pilot symbols, antennas, relative powers
};

// What holds for a sweep of one frame; `share` is of the powers, ln π.
struct Model
{
    const double *power, *share;
    double logit;
};

// One frame's, changed in place.
struct State
{
    int64_t* kind;
    double *variance, *chance;
    cplx *inverse, *filtered;
};

struct Work
{
    explicit Work(const Sizes& s) : direction(s.L), match(s.M), log_odds(s.P) {}
    std::vector<cplx> direction, match;
    std::vector<double> log_odds;
};

// Σ⁻¹a and aᴴΣ⁻¹Y; returns aᴴΣ⁻¹a.
double filter(const Sizes& s, const cplx* pilot, const State& state, Work& work)
{
    std::fill(work.direction.begin(), work.direction.end(), cplx());
    std::fill(work.match.begin(), work.match.end(), cplx());
    for (size_t j = 0; j < s.L; ++j) {
        const cplx a = pilot[j], *row = state.inverse + j * s.L; // its conjugate is column j
        for (size_t l = 0; l < s.L; ++l)
            work.direction[l] += times(std::conj(row[l]), a);
        for (size_t m = 0; m < s.M; ++m)
            work.match[m] += times(std::conj(a), state.filtered[j * s.M + m]);
    }
    double spread = 0;
    for (size_t j = 0; j < s.L; ++j)
        spread += times(std::conj(pilot[j]), work.direction[j]).real();
    return spread;
}

// The chance of being active given all others; leaves the shares of the powers in `log_odds`.
double odds(const Sizes& s, double spread, double variance, const Model& model, Work& work)
{
    double match = 0, sum = 0;
    for (const cplx& value : work.match)
        match += std::norm(value);
    const double without = std::max(1 - variance * spread, 1e-9); // leaves the device's own part out
    for (size_t p = 0; p < s.P; ++p) {
        const double x = model.power[p] * (spread / without);
        work.log_odds[p] = match / (without * without) * model.power[p] / (1 + x) -
                           double(s.M) * std::log1p(x) + model.share[p];
    }
    const double peak = *std::max_element(work.log_odds.begin(), work.log_odds.end());
    for (double& value : work.log_odds)
        sum += value = std::exp(value - peak);
    return 1 / (1 + std::exp(-std::clamp(model.logit + peak + std::log(sum), -50.0, 50.0)));
}

// Σ⁻¹ and Σ⁻¹Y after the variance of a device has changed.
void update(const Sizes& s, double step, const State& state, const Work& work)
{
    for (size_t l = 0; l < s.L; ++l) {
        const cplx weighted = step * work.direction[l];
        for (size_t j = 0; j < s.L; ++j)
            state.inverse[l * s.L + j] -= times(weighted, std::conj(work.direction[j]));
        for (size_t m = 0; m < s.M; ++m)
            state.filtered[l * s.M + m] -= times(weighted, work.match[m]);
    }
}

// The power that a uniform number picks.
size_t pick(const std::vector<double>& shares, double uniform)
{
    double total = 0, below = 0;
    for (double share : shares)
        total += share;
    for (size_t p = 0; p + 1 < shares.size(); ++p) {
        below += shares[p];
        if (uniform * total < below)
            return p;
    }
    return shares.size() - 1;
}

void sweep(const Sizes& s,
           const cplx* pilots,
           const int64_t* order,
           const double* uniform,
           double least_chance,
           const Model& model,
           const State& state,
           Work& work)
{
    for (size_t i = 0; i < s.N; ++i) {
        const size_t n = size_t(order[i]);
        if (state.kind[n] < 0 && state.chance[n] <= least_chance)
            continue;
        const double spread = filter(s, pilots + n * s.L, state, work), old = state.variance[n];
        state.chance[n] = odds(s, spread, old, model, work);
        const bool active = uniform[n] < state.chance[n];
        const size_t kind = pick(work.log_odds, uniform[s.N + n]);
        state.kind[n] = active ? int64_t(kind) : -1;
        state.variance[n] = active ? model.power[kind] : 0;
        const double change = state.variance[n] - old;
        if (change != 0)
            update(s, change / (1 + change * spread), state, work);
    }
}

void sample_sweep(const Values<cplx>& pilots,
                  Values<int64_t>& kind,
                  Values<double>& variance,
                  Values<cplx>& inverse,
                  Values<cplx>& filtered,
                  Values<double>& chance,
                  const Values<double>& power,
                  const Values<double>& logit,
                  const Values<double>& share,
                  const Values<int64_t>& order,
                  const Values<double>& uniform,
                  double least_chance,
                  int threads)
{
    check(pilots.ndim() == 2 && power.ndim() == 2 && filtered.ndim() == 3,
          "expected (N, L), (B, P), (B, L, M)");
    const Sizes s{
        size_t(pilots.shape(0)), size_t(pilots.shape(1)), size_t(filtered.shape(2)), size_t(power.shape(1))};
    const size_t B = size_t(power.shape(0));
    const size_t sizes[][2] = {{size_t(kind.size()), B * s.N},
                               {size_t(variance.size()), B * s.N},
                               {size_t(chance.size()), B * s.N},
                               {size_t(inverse.size()), B * s.L * s.L},
                               {size_t(filtered.size()), B * s.L * s.M},
                               {size_t(logit.size()), B},
                               {size_t(share.size()), B * s.P},
                               {size_t(order.size()), s.N},
                               {size_t(uniform.size()), 2 * s.N}};
    check(s.P > 0 && threads > 0, "power, threads: expected at least one");
    for (const auto& [found, expected] : sizes)
        check(found == expected, "expected arrays of N, B, L and M that agree");
    const int64_t* devices = order.data();
    check(std::all_of(devices, devices + s.N, [&](int64_t n) { return n >= 0 && size_t(n) < s.N; }),
          "order: expected devices");
    const State all{kind.mutable_data(),
                    variance.mutable_data(),
                    chance.mutable_data(),
                    inverse.mutable_data(),
                    filtered.mutable_data()};
    const double *powers = power.data(), *shares = share.data(), *logits = logit.data();
    const cplx* columns = pilots.data();
    const double* drawn = uniform.data();
    py::gil_scoped_release release;
    for_each_frame(
        int(B),
        threads,
        [&] { return Work(s); },
        [&](int frame, Work& work) {
            const size_t b = size_t(frame);
            sweep(s,
                  columns,
                  devices,
                  drawn,
                  least_chance,
                  {powers + b * s.P, shares + b * s.P, logits[b]},
                  {all.kind + b * s.N,
                   all.variance + b * s.N,
                   all.chance + b * s.N,
                   all.inverse + b * s.L * s.L,
                   all.filtered + b * s.L * s.M},
                  work);
        });
}

} // namespace

void bind_sampling(py::module_& module)
{
    // No conversions: the state is changed in place.
    module.def("sample_sweep",
               &sample_sweep,
               py::arg().noconvert(),
               py::arg().noconvert(),
               py::arg().noconvert(),
               py::arg().noconvert(),
               py::arg().noconvert(),
               py::arg().noconvert(),
               py::arg().noconvert(),
               py::arg().noconvert(),
               py::arg().noconvert(),
               py::arg().noconvert(),
               py::arg().noconvert(),
               py::arg(),
               py::arg("threads"));
}

} // namespace jadce
