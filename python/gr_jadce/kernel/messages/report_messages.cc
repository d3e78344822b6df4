// SPDX-License-Identifier: GPL-3.0-or-later
// gr_jadce._messages: reports to the messages that pdus.to_pmts makes of them, and to whom they are
// connected. Apart from the kernel, as it is tied to the GNU Radio that it was built with.
#include "bindings/arguments.hpp"

#include <gnuradio/basic_block.h>
#include <gnuradio/block_registry.h>
#include <pmt/pmt.h>

#include <complex>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <set>
#include <stdexcept>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

namespace py = pybind11;

namespace {

using jadce::Contiguous;

pmt::pmt_t indices(py::handle value)
{
    const auto array = value.cast<Contiguous<std::uint32_t>>();
    return pmt::init_u32vector(array.size(), array.data());
}

pmt::pmt_t numbers(py::handle value)
{
    const auto array = value.cast<Contiguous<float>>();
    return pmt::init_f32vector(array.size(), array.data());
}

pmt::pmt_t channels(py::handle value)
{
    const auto array = value.cast<Contiguous<std::complex<float>>>();
    return pmt::init_c32vector(array.size(), array.data());
}

pmt::pmt_t time(py::handle value)
{
    const auto [seconds, fraction] = value.cast<std::pair<std::uint64_t, double>>();
    return pmt::cons(pmt::from_uint64(seconds), pmt::from_double(fraction));
}

pmt::pmt_t texts(py::handle value)
{
    const auto names = value.cast<std::vector<std::string>>();
    const pmt::pmt_t vector = pmt::make_vector(names.size(), pmt::PMT_NIL);
    for (std::size_t i = 0; i < names.size(); ++i) {
        pmt::vector_set(vector, i, pmt::intern(names[i]));
    }
    return vector;
}

// How many taps each device has, their delays, and their gains.
pmt::pmt_t taps(py::handle value)
{
    return pmt::make_tuple(
        indices(value.attr("counts")), numbers(value.attr("delay")), channels(value.attr("gain")));
}

// How many bytes each packet has, and the bytes of all.
pmt::pmt_t packets(py::handle value)
{
    std::vector<std::uint32_t> sizes;
    std::string data;
    for (const auto& packet : value.cast<std::vector<std::string>>()) {
        sizes.push_back(std::uint32_t(packet.size()));
        data += packet;
    }
    const auto* bytes = reinterpret_cast<const std::uint8_t*>(data.data());
    return pmt::make_tuple(pmt::init_u32vector(sizes.size(), sizes), pmt::init_u8vector(data.size(), bytes));
}

using Write = pmt::pmt_t (*)(py::handle);

// By the names of fields.Kind.
Write writer_of(const std::string& kind)
{
    static const std::vector<std::pair<std::string, Write>> all{
        {"UINT64", [](py::handle value) { return pmt::from_uint64(value.cast<std::uint64_t>()); }},
        {"INTEGER", [](py::handle value) { return pmt::from_long(value.cast<long>()); }},
        {"NUMBER", [](py::handle value) { return pmt::from_double(value.cast<double>()); }},
        {"TEXT", [](py::handle value) { return pmt::intern(value.cast<std::string>()); }},
        {"TIME", time},
        {"TEXTS", texts},
        {"INDICES", indices},
        {"NUMBERS", numbers},
        {"CHANNELS", channels},
        {"TAPS", taps},
        {"PACKETS", packets}};
    for (const auto& [name, write] : all) {
        if (name == kind) {
            return write;
        }
    }
    throw std::invalid_argument("kind: expected one of fields.Kind, got " + kind);
}

struct Field
{
    py::str name;
    pmt::pmt_t key;
    Write write;
};

struct Port
{
    pmt::pmt_t name;
    std::vector<std::size_t> keys, steady_keys; // places among the fields
    std::size_t vector;
    pmt::pmt_t steady_entries; // how the dictionaries end that hold the steady values of the last report
};

// The PDUs of reports: for each port a dictionary and a vector of some of a report's fields. Dictionaries end
// with the steady fields, and share these entries as long as their values are the same objects.
class ReportMessages
{
public:
    using Places = std::vector<std::size_t>;
    using PortForm = std::tuple<std::string, Places, Places, std::size_t>;

    ReportMessages(const std::vector<std::pair<std::string, std::string>>& fields,
                   const std::vector<PortForm>& ports)
    {
        for (const auto& [name, kind] : fields) {
            fields_.push_back({py::str(name), pmt::intern(name), writer_of(kind)});
        }
        for (const auto& [name, keys, steady_keys, vector] : ports) {
            ports_.push_back({pmt::intern(name), keys, steady_keys, vector, nullptr});
            steady_places_.insert(steady_keys.begin(), steady_keys.end());
        }
    }

    void publish(const std::string& alias, const py::sequence& reports)
    {
        std::vector<pmt::pmt_t> messages;
        for (const py::handle report : reports) {
            append(messages, report);
        }
        py::gil_scoped_release released;
        const auto block = global_block_registry.block_lookup(pmt::intern(alias));
        for (std::size_t i = 0; i < messages.size(); ++i) {
            block->message_port_pub(ports_[i % ports_.size()].name, messages[i]);
        }
    }

private:
    void append(std::vector<pmt::pmt_t>& messages, py::handle report)
    {
        std::vector<pmt::pmt_t> values(fields_.size());
        for (std::size_t place = 0; place < fields_.size(); ++place) {
            if (!steady_places_.count(place)) {
                values[place] = value_of(report, place);
            }
        }
        take_steady(report); // last: while values were read, other threads may have had the interpreter
        for (const Port& port : ports_) {
            messages.push_back(
                pmt::cons(with_entries(port.steady_entries, port.keys, values), values[port.vector]));
        }
    }

    void take_steady(py::handle report)
    {
        std::vector<py::object> steady;
        bool are_same = !steady_.empty();
        for (const std::size_t place : steady_places_) {
            steady.push_back(report.attr(fields_[place].name));
            are_same = are_same && steady.back().is(steady_[steady.size() - 1]);
        }
        if (are_same) {
            return;
        }
        std::vector<pmt::pmt_t> values(fields_.size());
        for (const std::size_t place : steady_places_) {
            values[place] = value_of(report, place);
        }
        for (Port& port : ports_) {
            port.steady_entries = with_entries(pmt::make_dict(), port.steady_keys, values);
        }
        steady_ = std::move(steady);
    }

    // Nothing of an optional field that a report does not have.
    pmt::pmt_t value_of(py::handle report, std::size_t place) const
    {
        const py::object value = report.attr(fields_[place].name);
        return value.is_none() ? nullptr : fields_[place].write(value);
    }

    // As pmt::dict_add, but without looking whether a key is there.
    pmt::pmt_t with_entries(pmt::pmt_t dict, const Places& keys, const std::vector<pmt::pmt_t>& values) const
    {
        for (auto place = keys.rbegin(); place != keys.rend(); ++place) {
            if (values[*place]) {
                dict = pmt::acons(fields_[*place].key, values[*place], dict);
            }
        }
        return dict;
    }

    std::vector<Field> fields_;
    std::vector<Port> ports_;
    std::set<std::size_t> steady_places_;
    std::vector<py::object> steady_; // values of the last report
};

std::string serialized_or_nil(const pmt::pmt_t& message)
{
    try {
        return pmt::serialize_str(message);
    } catch (const std::exception&) {
        return pmt::serialize_str(pmt::PMT_NIL);
    }
}

// What waits at a port of a block, at most so many and nothing behind an end of file, as pmt.serialize_str
// writes it: nil where it has no such form.
std::vector<py::bytes> take(const std::string& alias, const std::string& port, std::size_t limit)
{
    std::vector<std::string> taken;
    {
        py::gil_scoped_release released;
        const auto block = global_block_registry.block_lookup(pmt::intern(alias));
        const pmt::pmt_t name = pmt::intern(port);
        while (taken.size() < limit) {
            const pmt::pmt_t message = block->delete_head_nowait(name);
            if (!message) {
                break;
            }
            taken.push_back(serialized_or_nil(message));
            if (pmt::equal(message, pmt::get_PMT_EOF())) {
                break;
            }
        }
    }
    return {taken.begin(), taken.end()};
}

} // namespace

PYBIND11_MODULE(_messages, module)
{
    module.doc() = "Reports as messages of GNU Radio.";
    module.attr("PYBIND11") = py::make_tuple(PYBIND11_VERSION_MAJOR, PYBIND11_VERSION_MINOR);
    module.def("take", &take, py::arg("alias"), py::arg("port"), py::arg("limit"));
    py::class_<ReportMessages>(module, "ReportMessages")
        .def(py::init<const std::vector<std::pair<std::string, std::string>>&,
                      const std::vector<ReportMessages::PortForm>&>(),
             py::arg("fields"),
             py::arg("ports"))
        .def("publish", &ReportMessages::publish, py::arg("alias"), py::arg("reports"));
}
