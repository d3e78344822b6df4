// SPDX-License-Identifier: GPL-3.0-or-later
// sample_sweep of the module.
#include "bindings/arguments.hpp"
#include "bindings/parts.hpp"
#include "sampling/sweep.hpp"

#include <algorithm>

namespace jadce {
namespace {

using Doubles = Contiguous<double>;
using Complexes = Contiguous<Complex>;
using Integers = Contiguous<std::int64_t>;

void check_size(const py::array& array, std::size_t expected)
{
    check(std::size_t(array.size()) == expected, "expected arrays of N, B, L and M that agree");
}

SweepSizes sizes_from(const Complexes& pilots, const Doubles& power, const Complexes& filtered)
{
    check(pilots.ndim() == 2 && power.ndim() == 2 && filtered.ndim() == 3,
          "expected (N, L), (B, P), (B, L, M)");
    check(power.shape(1) > 0, "power: expected at least one");
    return {std::size_t(power.shape(0)),
            std::size_t(pilots.shape(0)),
            std::size_t(pilots.shape(1)),
            std::size_t(filtered.shape(2)),
            std::size_t(power.shape(1))};
}

void check_order(const Integers& order, std::size_t N)
{
    check_size(order, N);
    const std::int64_t* devices = order.data();
    check(std::all_of(devices, devices + N, [&](std::int64_t n) { return n >= 0 && std::size_t(n) < N; }),
          "order: expected devices");
}

void sample_sweep(const Complexes& pilots,
                  Integers& kind,
                  Doubles& variance,
                  Complexes& inverse,
                  Complexes& filtered,
                  Doubles& chance,
                  const Doubles& power,
                  const Doubles& logit,
                  const Doubles& share,
                  const Integers& order,
                  const Doubles& uniform,
                  double least_chance,
                  int threads)
{
    const SweepSizes s = sizes_from(pilots, power, filtered);
    for (const py::array& array : {py::array(kind), py::array(variance), py::array(chance)}) {
        check_size(array, s.B * s.N);
    }
    check_size(inverse, s.B * s.L * s.L);
    check_size(filtered, s.B * s.L * s.M);
    check_size(logit, s.B);
    check_size(share, s.B * s.P);
    check_size(uniform, 2 * s.N);
    check_order(order, s.N);
    check(threads > 0, "threads: expected at least 1");
    const SweepModel model = {
        pilots.data(), order.data(), uniform.data(), power.data(), share.data(), logit.data(), least_chance};
    const SweepState state = {kind.mutable_data(),
                              variance.mutable_data(),
                              chance.mutable_data(),
                              inverse.mutable_data(),
                              filtered.mutable_data()};
    py::gil_scoped_release release;
    sweep_all(s, model, state, threads);
}

} // namespace

void bind_sampling(py::module_& module)
{
    // No conversions: the state is changed in place.
    module.def("sample_sweep",
               &sample_sweep,
               py::arg("pilots").noconvert(),
               py::arg("kind").noconvert(),
               py::arg("variance").noconvert(),
               py::arg("inverse").noconvert(),
               py::arg("filtered").noconvert(),
               py::arg("chance").noconvert(),
               py::arg("power").noconvert(),
               py::arg("logit").noconvert(),
               py::arg("share").noconvert(),
               py::arg("order").noconvert(),
               py::arg("uniform").noconvert(),
               py::arg("least_chance"),
               py::arg("threads"));
}

} // namespace jadce
