// SPDX-License-Identifier: GPL-3.0-or-later
// read_frames and ReportLines of the module.
#include "bindings/arguments.hpp"
#include "bindings/parts.hpp"
#include "reports/frames.hpp"
#include "reports/line.hpp"

#include <algorithm>
#include <string>
#include <utility>

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

// (name, 0 for a key of the activity PDU, 1 for its vector, 2 for that of the channel PDU), …
LineForm make_form(const std::vector<std::pair<std::string, int>>& fields,
                   const std::vector<std::string>& channel_keys,
                   std::uint64_t schema,
                   const std::vector<std::string>& statuses)
{
    LineForm form = {{}, channel_keys, schema, statuses};
    for (const auto& [name, source] : fields) {
        check(source >= 0 && source <= 2, "fields: expected sources 0 to 2");
        form.fields.push_back({name, Source(source)});
    }
    return form;
}

// Activity and channel PDU of a report, those of the next, … → a line for each two, empty where they are not
// for sure the usual ones of one frame.
py::list write_lines(const LineForm& form, const std::vector<py::bytes>& pdus)
{
    std::vector<std::string_view> views(pdus.begin(), pdus.end());
    std::vector<std::string> lines(views.size() / 2);
    {
        py::gil_scoped_release release;
        for (std::size_t i = 0; i < lines.size(); ++i) {
            try {
                ReportLine(form, views[2 * i], views[2 * i + 1], lines[i]).write();
            } catch (const Unusual&) {
                lines[i].clear();
            }
        }
    }
    py::list written;
    for (const std::string& line : lines) {
        written.append(py::bytes(line));
    }
    return written;
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
    py::class_<LineForm>(module, "ReportLines", "Writes PDUs of reports as lines.", py::module_local())
        .def(py::init(&make_form), "fields"_a, "channel_keys"_a, "schema"_a, "statuses"_a)
        .def("write", &write_lines, "pdus"_a);
}

} // namespace jadce
