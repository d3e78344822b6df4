// SPDX-License-Identifier: GPL-3.0-or-later
// PowerDescent of the module.
#include "bindings/arguments.hpp"
#include "bindings/parts.hpp"
#include "covariance/power_descent.hpp"

#include <memory>
#include <vector>

namespace jadce {
namespace {

std::unique_ptr<PowerDescent> descent_of(const Contiguous<Complex>& pilots)
{
    check(pilots.ndim() == 2 && pilots.size() > 0, "pilots: expected (L, N)");
    return make_power_descent(pilots.data(), int(pilots.shape(0)), int(pilots.shape(1)));
}

void check_frames(const PowerDescent& pilots,
                  const Contiguous<Complex>& received,
                  const Contiguous<double>& power,
                  const Contiguous<double>& noise_var,
                  const Contiguous<bool>& allowed,
                  const Contiguous<double>& floor)
{
    check(received.ndim() == 3 && received.shape(1) == pilots.length() && received.shape(2) > 0,
          "received: expected frames (B, L, M) of the pilots' length");
    const py::ssize_t B = received.shape(0);
    check(power.ndim() == 2 && power.shape(0) == B && power.shape(1) == pilots.devices(),
          "power: expected (B, N)");
    check(allowed.ndim() == 2 && allowed.shape(0) == B && allowed.shape(1) == pilots.devices(),
          "allowed: expected (B, N)");
    check(noise_var.ndim() == 1 && noise_var.shape(0) == B, "noise_var: expected one number for each frame");
    check(floor.ndim() == 1 && floor.shape(0) == B, "floor: expected one number for each frame");
}

// → power (B, N), noise_var (B,), channel (B, N, M), cost (B,), n_iter (B,), n_updates (B,).
py::tuple descend(const PowerDescent& pilots,
                  const Contiguous<Complex>& received,
                  const Contiguous<double>& power,
                  const Contiguous<double>& noise_var,
                  const Contiguous<bool>& allowed,
                  const Contiguous<double>& floor,
                  std::vector<double> ramp,
                  int held,
                  int passes,
                  double tol,
                  int max_iter,
                  int threads)
{
    check_frames(pilots, received, power, noise_var, allowed, floor);
    check(!ramp.empty(), "ramp: expected a share for the first round");
    check(threads > 0, "threads: expected at least 1");
    const py::ssize_t B = received.shape(0), N = pilots.devices(), M = received.shape(2);
    py::array_t<double> powers({B, N});
    auto noise = vector_of<double>(B), cost = vector_of<double>(B);
    py::array_t<Complex> channel({B, N, M});
    auto n_iter = vector_of<std::int64_t>(B), n_updates = vector_of<std::int64_t>(B);
    std::fill(channel.mutable_data(), channel.mutable_data() + channel.size(), Complex());
    const DescentRule rule = {std::move(ramp), held, passes, max_iter, tol};
    const DescentFrames frames = {
        received.data(), power.data(), noise_var.data(), floor.data(), allowed.data(), int(B), int(M)};
    const DescentResults results = {powers.mutable_data(),
                                    noise.mutable_data(),
                                    channel.mutable_data(),
                                    cost.mutable_data(),
                                    n_iter.mutable_data(),
                                    n_updates.mutable_data()};
    {
        py::gil_scoped_release release;
        pilots.descend(rule, frames, threads, results);
    }
    return py::make_tuple(powers, noise, channel, cost, n_iter, n_updates);
}

// → gain, leaves, enters, power (B, count) each.
py::tuple exchanges(const PowerDescent& pilots,
                    const Contiguous<Complex>& received,
                    const Contiguous<double>& power,
                    const Contiguous<double>& noise_var,
                    const Contiguous<bool>& allowed,
                    int count,
                    double least,
                    int threads)
{
    check_frames(pilots, received, power, noise_var, allowed, noise_var);
    check(count > 0, "count: expected at least 1");
    check(threads > 0, "threads: expected at least 1");
    const py::ssize_t B = received.shape(0);
    const std::vector<py::ssize_t> shape{B, count};
    py::array_t<double> gain(shape), best(shape);
    py::array_t<std::int64_t> leaves(shape), enters(shape);
    const ExchangeFrames frames = {received.data(),
                                   power.data(),
                                   noise_var.data(),
                                   allowed.data(),
                                   int(B),
                                   int(received.shape(2)),
                                   count,
                                   least};
    const ExchangeResults results = {
        gain.mutable_data(), leaves.mutable_data(), enters.mutable_data(), best.mutable_data()};
    {
        py::gil_scoped_release release;
        pilots.exchange(frames, threads, results);
    }
    return py::make_tuple(gain, leaves, enters, best);
}

} // namespace

void bind_covariance(py::module_& module)
{
    using namespace py::literals;
    py::class_<PowerDescent>(
        module, "PowerDescent", "Descents over the powers of a pilot book's devices.", py::module_local())
        .def(py::init(&descent_of), "pilots"_a)
        .def("descend",
             &descend,
             "received"_a,
             "power"_a,
             "noise_var"_a,
             "allowed"_a,
             "floor"_a,
             "ramp"_a,
             "held"_a,
             "passes"_a,
             "tol"_a,
             "max_iter"_a,
             "threads"_a)
        .def("exchanges",
             &exchanges,
             "received"_a,
             "power"_a,
             "noise_var"_a,
             "allowed"_a,
             "count"_a,
             "least"_a,
             "threads"_a);
}

} // namespace jadce
