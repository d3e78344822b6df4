// SPDX-License-Identifier: GPL-3.0-or-later
// read_frames of the module.
#include "bindings/arguments.hpp"
#include "bindings/parts.hpp"
#include "reports/frames.hpp"

#include <algorithm>

namespace jadce {
namespace {

template <class T>
py::array_t<T> array_of(const std::vector<T>& values)
{
    auto array = vector_of<T>(py::ssize_t(values.size()));
    std::copy(values.begin(), values.end(), array.mutable_data());
    return array;
}

py::tuple read_frames_of(const py::bytes& text, std::uint64_t schema)
{
    const std::string_view view = text;
    FrameColumns columns;
    {
        py::gil_scoped_release release;
        columns = read_frames(view, schema);
    }
    return py::make_tuple(columns.n_lines,
                          array_of(columns.line),
                          array_of(columns.frame_id),
                          array_of(columns.n_devices),
                          array_of(columns.n_antennas),
                          array_of(columns.n_active),
                          array_of(columns.is_bad),
                          array_of(columns.is_truth),
                          array_of(columns.has_delays),
                          array_of(columns.n_taps),
                          array_of(columns.device),
                          array_of(columns.channel),
                          array_of(columns.tap_row),
                          array_of(columns.tap_delay),
                          array_of(columns.tap_gain));
}

} // namespace

void bind_reports(py::module_& module)
{
    using namespace py::literals;
    module.def(
        "read_frames",
        &read_frames_of,
        "How many lines there are, those that are for sure reports, and columns of their scored fields.",
        "text"_a,
        "schema"_a);
}

} // namespace jadce
