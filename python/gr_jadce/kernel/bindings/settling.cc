// SPDX-License-Identifier: GPL-3.0-or-later
// EarlyDecisions of the module.
#include "bindings/arguments.hpp"
#include "bindings/decisions.hpp"
#include "bindings/parts.hpp"
#include "settling/early_decisions.hpp"

#include <algorithm>
#include <array>
#include <memory>

namespace jadce {
namespace {

using Limits = std::array<double, 2>;

// Of gr_jadce.detection.settling.rule.SettlingRule: n_layers, tol, n_proposed, margin, missed, missed_late,
// missed_spread, unlike, spread, rows, rows_late, busy, limits, busy_limits, excess, unfound, evidence,
// scatter, scatter_late.
SettlingRule settling_of(const py::tuple& given)
{
    check(given.size() == 19, "settling: expected 19 entries");
    const auto number = [&](std::size_t place) { return given[place].cast<double>(); };
    const auto missed = given[4].cast<Limits>(), missed_late = given[5].cast<Limits>();
    const auto unlike = given[7].cast<Limits>(), unfound = given[15].cast<Limits>();
    const auto limits = given[12].cast<Limits>(), busy_limits = given[13].cast<Limits>();
    const auto scatter = given[17].cast<Limits>(), scatter_late = given[18].cast<Limits>();
    return {given[0].cast<int>(),
            given[1].cast<float>(),
            given[2].cast<std::size_t>(),
            number(3),
            {missed[0], missed[1]},
            {missed_late[0], missed_late[1]},
            number(6),
            {unlike[0], unlike[1]},
            number(8),
            number(9),
            number(10),
            number(11),
            {limits[0], limits[1]},
            {busy_limits[0], busy_limits[1]},
            number(14),
            {unfound[0], unfound[1]},
            number(16),
            {scatter[0], scatter[1]},
            {scatter_late[0], scatter_late[1]}};
}

// Of gr_jadce.detection.noise.look_rule.LookRule: sure, sure_crowd, whitened, crowded, telling, n_rounds,
// settled, coloured, coloured_crowd, odd, one_way.
NoiseRule noise_rule_of(const py::tuple& given, py::ssize_t M)
{
    check(given.size() == 11, "look: expected 11 entries");
    const auto rule = [&](std::size_t place) { return rule_of(given[place].cast<py::tuple>(), M); };
    NoiseRule found = {rule(0),
                       rule(1),
                       rule(2),
                       given[3].cast<double>(),
                       given[4].cast<double>(),
                       given[5].cast<int>(),
                       given[6].cast<double>(),
                       {},
                       {},
                       {},
                       {}};
    std::size_t place = 7;
    for (double* limits : {found.coloured, found.coloured_crowd, found.odd, found.one_way}) {
        const auto values = given[place++].cast<Limits>();
        std::copy(values.begin(), values.end(), limits);
    }
    return found;
}

std::unique_ptr<EarlyDecisions> early_decisions_of(const FrameNetwork& network,
                                                   const Book& book,
                                                   const py::tuple& rule,
                                                   const py::tuple& settling,
                                                   const py::tuple& look,
                                                   py::ssize_t n_antennas)
{
    const Rule asked = rule_of(rule, n_antennas);
    check(n_antennas > 0 && int(book.n_devices()) == network.devices() &&
              book.pilot_length() == network.length() && int(asked.pilot_length) == network.length(),
          "network, detection: expected those of one dense pilot book");
    return make_early_decisions(network, book, asked, settling_of(settling), noise_rule_of(look, n_antennas));
}

// received (B, L, M), told and noise_var (B,) → the stages of frames (B,), what `Decisions` gives, with no
// rows of open ones; channel (B, N, M) and score (B, N) of those that are open or sure; n_iter (B,).
template <class Sample>
py::tuple run_early(EarlyDecisions& decisions,
                    const Contiguous<std::complex<Sample>>& received,
                    const Contiguous<double>& told,
                    const Contiguous<double>& noise_var,
                    int threads)
{
    const py::ssize_t L = py::ssize_t(decisions.rule().pilot_length);
    const py::ssize_t M = py::ssize_t(decisions.rule().n_antennas), N = decisions.devices();
    check(received.ndim() == 3 && received.shape(1) == L && received.shape(2) == M,
          "received: expected frames (B, L, M)");
    const py::ssize_t B = received.shape(0);
    check(told.ndim() == 1 && told.shape(0) == B && noise_var.ndim() == 1 && noise_var.shape(0) == B,
          "told, noise_var: expected (B,)");
    check(threads > 0, "threads: expected at least 1");
    auto stage = vector_of<std::uint8_t>(B);
    Decisions decided(B, N, M, false);
    py::array_t<std::complex<Sample>> channel({B, N, M});
    py::array_t<float> score({B, N});
    auto n_iter = vector_of<std::int64_t>(B);
    const EarlyFrames<Sample> frames = {received.data(), told.data(), noise_var.data(), std::size_t(B)};
    const EarlyResults<Sample> results = {
        stage.mutable_data(),
        decided.places(),
        {channel.mutable_data(), score.mutable_data(), n_iter.mutable_data()}};
    {
        py::gil_scoped_release release;
        decisions.run(frames, threads, results);
    }
    return py::make_tuple(stage, decided.results(), channel, score, n_iter);
}

template <class Sample>
void bind_for(py::class_<EarlyDecisions>& bound, const py::arg& received)
{
    bound.def("run", &run_early<Sample>, received, py::arg("told"), py::arg("noise_var"), py::arg("threads"));
}

} // namespace

void bind_settling(py::module_& module)
{
    py::class_<EarlyDecisions> bound(
        module, "EarlyDecisions", "Decisions about frames after a few layers.", py::module_local());
    bound.def(py::init(&early_decisions_of),
              py::arg("network"),
              py::arg("detection"),
              py::arg("rule"),
              py::arg("settling"),
              py::arg("look"),
              py::arg("n_antennas"),
              py::keep_alive<1, 2>(),
              py::keep_alive<1, 3>());
    bind_for<float>(bound, py::arg("received").noconvert());
    bind_for<double>(bound, py::arg("received"));
}

} // namespace jadce
