// SPDX-License-Identifier: GPL-3.0-or-later
// PathSearch of the module.
#include "asynchrony/found_paths.hpp"
#include "bindings/arguments.hpp"
#include "bindings/parts.hpp"

#include <cstdint>
#include <utility>
#include <vector>

namespace jadce {
namespace {

// The table of a pilot book's arrivals, which stays NumPy's.
class PathSearch
{
public:
    PathSearch(Contiguous<std::complex<float>> table,
               double first,
               int steps,
               int margin,
               int stride,
               std::vector<double> offsets)
        : array_(std::move(table))
    {
        check(array_.ndim() == 3 && array_.size() > 0 && array_.shape(1) > 2 * margin && array_.shape(1) >= 4,
              "table: expected (N, J, L)");
        check(steps > 0 && margin >= 0 && stride > 0, "steps, margin, stride: expected more than 0");
        check(!offsets.empty(), "offsets: expected at least one");
        table_ = {array_.data(),
                  int(array_.shape(0)),
                  int(array_.shape(1)),
                  int(array_.shape(2)),
                  first,
                  steps,
                  margin,
                  stride,
                  std::move(offsets),
                  {},
                  {}};
        table_.find_searched();
    }

    const ArrivalTable& table() const { return table_; }

private:
    Contiguous<std::complex<float>> array_;
    ArrivalTable table_;
};

py::array_t<double> numbers(const std::vector<double>& values)
{
    py::array_t<double> array(std::vector<py::ssize_t>{py::ssize_t(values.size())});
    std::copy(values.begin(), values.end(), array.mutable_data());
    return array;
}

py::array_t<std::int64_t> integers(const std::vector<std::int64_t>& values)
{
    py::array_t<std::int64_t> array(std::vector<py::ssize_t>{py::ssize_t(values.size())});
    std::copy(values.begin(), values.end(), array.mutable_data());
    return array;
}

// → start (B + 1,), noise_var, signal (B,), device, score, offset (ΣK,), tap_start (ΣK + 1,), tap_delay
// (ΣT,), tap_gain (ΣT, M).
py::tuple gather(const std::vector<FoundPaths>& all, py::ssize_t M)
{
    std::vector<std::int64_t> start{0}, device, tap_start{0};
    std::vector<double> noise_var, signal, score, offset, tap_delay;
    std::vector<Complex> gain;
    for (const FoundPaths& found : all) {
        noise_var.push_back(found.noise_var);
        signal.push_back(found.signal);
        for (const FoundDevice& one : found.devices) {
            device.push_back(one.device);
            score.push_back(one.score);
            offset.push_back(one.offset);
            tap_start.push_back(tap_start.back() + one.n_taps);
        }
        start.push_back(std::int64_t(device.size()));
        tap_delay.insert(tap_delay.end(), found.tap_delay.begin(), found.tap_delay.end());
        gain.insert(gain.end(), found.tap_gain.begin(), found.tap_gain.end());
    }
    py::array_t<Complex> gains({py::ssize_t(tap_delay.size()), M});
    std::copy(gain.begin(), gain.end(), gains.mutable_data());
    return py::make_tuple(integers(start),
                          numbers(noise_var),
                          numbers(signal),
                          integers(device),
                          numbers(score),
                          numbers(offset),
                          integers(tap_start),
                          numbers(tap_delay),
                          gains);
}

// Of gr_jadce.detection.asynchrony.search.RoundRule.
RoundRule round_rule_of(const py::object& given)
{
    const RoundRule rule = {field<int>(given, "rounds"),
                            field<double>(given, "strong"),
                            field<double>(given, "near"),
                            field<double>(given, "near_turned"),
                            field<double>(given, "weak"),
                            field<std::size_t>(given, "devices_at_once"),
                            field<std::size_t>(given, "paths_at_once"),
                            field<double>(given, "device_share"),
                            field<double>(given, "path_share"),
                            field<double>(given, "tried_share"),
                            field<int>(given, "looked_at"),
                            field<double>(given, "looked_at_share"),
                            field<int>(given, "settling"),
                            field<double>(given, "falling"),
                            field<double>(given, "least_noise_var"),
                            field<double>(given, "least_dof_share"),
                            field<double>(given, "sure_false_count")};
    check(rule.looked_at > 0, "looked_at: expected at least 1");
    return rule;
}

// Of gr_jadce.detection.asynchrony.moves.MoveRule.
MoveRule move_rule_of(const py::object& given)
{
    return {field<double>(given, "least_gain"),
            field<double>(given, "delay_step"),
            field<double>(given, "delay_reach"),
            field<double>(given, "offset_step"),
            field<double>(given, "offset_reach"),
            field<double>(given, "offset_beyond"),
            field<double>(given, "rounding"),
            field<double>(given, "least_rounded"),
            field<double>(given, "first_spread"),
            field<double>(given, "first_spread_low"),
            field<double>(given, "first_spread_high"),
            field<double>(given, "spread_step"),
            field<double>(given, "most_spread")};
}

// Of gr_jadce.detection.asynchrony.last_look.LookRule.
LookRule look_rule_of(const py::object& given)
{
    const LookRule rule = {field<int>(given, "looks"),
                           field<int>(given, "looked_at"),
                           field<std::size_t>(given, "added_at_once"),
                           field<double>(given, "added_share"),
                           field<double>(given, "near_share"),
                           field<int>(given, "settling"),
                           field<double>(given, "sure_share"),
                           field<double>(given, "flat"),
                           field<int>(given, "columns"),
                           field<double>(given, "least_share")};
    check(rule.looked_at > 0 && rule.columns > 0, "looked_at, columns: expected at least 1");
    return rule;
}

// Of gr_jadce.detection.asynchrony.diffuse.EchoRule.
EchoRule echo_rule_of(const py::object& given)
{
    const EchoRule rule = {field<double>(given, "share"),
                           field<int>(given, "steps"),
                           field<int>(given, "alternations"),
                           field<int>(given, "looked_at"),
                           field<double>(given, "least_power"),
                           field<double>(given, "least_energy"),
                           field<double>(given, "least_dof_share")};
    check(rule.looked_at > 0, "looked_at: expected at least 1");
    return rule;
}

template <class Sample>
py::tuple search(const PathSearch& self,
                 const py::array_t<std::complex<Sample>, py::array::c_style>& received,
                 const Contiguous<double>& noise_var,
                 double threshold,
                 double device_limit,
                 double path_limit,
                 std::pair<double, double> extent,
                 std::pair<double, double> bounds,
                 double max_offset,
                 int max_paths,
                 const py::object& rounds,
                 const py::object& moves,
                 const py::object& look,
                 const py::object& echoes,
                 int threads)
{
    const ArrivalTable& table = self.table();
    check(received.ndim() == 3 && received.shape(1) == table.L && received.shape(2) > 0,
          "received: expected frames (B, L, M) of the pilots' length");
    const int B = int(received.shape(0)), M = int(received.shape(2));
    check(noise_var.ndim() == 1 && noise_var.shape(0) == B, "noise_var: expected one number for each frame");
    check(max_paths > 0 && threads > 0, "max_paths, threads: expected at least 1");
    const SearchRule rule = {threshold,
                             device_limit,
                             path_limit,
                             {extent.first, extent.second},
                             bounds.first,
                             bounds.second,
                             max_offset,
                             max_paths,
                             round_rule_of(rounds),
                             move_rule_of(moves),
                             look_rule_of(look),
                             echo_rule_of(echoes)};
    const SearchFrames<Sample> frames = {received.data(), noise_var.data(), B, M};
    std::vector<FoundPaths> found;
    {
        py::gil_scoped_release release;
        found = search_all(table, rule, frames, threads);
    }
    return gather(found, M);
}

template <class Sample>
void bind_search(py::class_<PathSearch>& searches, const char* docstring)
{
    using namespace py::literals;
    searches.def("search",
                 &search<Sample>,
                 docstring,
                 "received"_a.noconvert(sizeof(Sample) == 4),
                 "noise_var"_a,
                 py::kw_only(),
                 "threshold"_a,
                 "device_limit"_a,
                 "path_limit"_a,
                 "extent"_a,
                 "bounds"_a,
                 "max_offset"_a,
                 "max_paths"_a,
                 "rounds"_a,
                 "moves"_a,
                 "look"_a,
                 "echoes"_a,
                 "threads"_a);
}

} // namespace

void bind_asynchrony(py::module_& module)
{
    using namespace py::literals;
    py::class_<PathSearch> searches(module,
                                    "PathSearch",
                                    "Searches for the devices of a pilot book that are out of step.",
                                    py::module_local());
    searches.def(py::init<Contiguous<std::complex<float>>, double, int, int, int, std::vector<double>>(),
                 "table"_a,
                 "first"_a,
                 "steps"_a,
                 "margin"_a,
                 "stride"_a,
                 "offsets"_a);
    bind_search<float>(searches, "What is found in frames in single precision.");
    bind_search<double>(searches, "The same, of any frames.");
}

} // namespace jadce
