// SPDX-License-Identifier: GPL-3.0-or-later
// The line of JSON of a report, from its two PDUs: reports/json_lines.py, compiled.
#pragma once

#include "reports/number_text.hpp"
#include "reports/pdu.hpp"

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

namespace jadce {

enum class Source { activity_key, activity_vector, channel_vector };

struct LineField
{
    std::string name;
    Source source;
};

// What there is in a line, in order, and in a channel PDU; the schema and the statuses that there are.
struct LineForm
{
    std::vector<LineField> fields;
    std::vector<std::string> channel_keys;
    std::uint64_t schema;
    std::vector<std::string> statuses;
};

// Writes one line, its end included, behind a text; throws Unusual for what is not for sure a report.
class ReportLine
{
public:
    ReportLine(const LineForm& form, std::string_view activity, std::string_view channel, std::string& text)
        : form_(form), activity_(activity), channel_(channel), text_(text)
    {
    }

    void write()
    {
        std::size_t n_keys = 0;
        char before = '{';
        for (const LineField& field : form_.fields) {
            text_ += before;
            text_ += before == ',' ? " \"" : "\"";
            text_ += field.name;
            text_ += "\": ";
            if (field.source == Source::activity_key) {
                const PduValue& value = activity_.entry(field.name);
                ++n_keys;
                check(field.name, value);
                write(value);
            } else {
                write(field.source == Source::activity_vector ? activity_.vector : channel_.vector);
            }
            before = ',';
        }
        text_ += "}\n";
        expect_usual(n_keys == activity_.size());
        check_channel();
    }

private:
    void check(std::string_view name, const PduValue& value)
    {
        if (name == "n_devices") {
            n_devices_ = count_of(value);
            expect_usual(n_devices_ > 0);
            check_devices();
        } else if (name == "n_antennas") {
            n_antennas_ = count_of(value);
            expect_usual(n_antennas_ > 0 && n_antennas_ <= 1u << 16);
        } else if (name == "schema") {
            expect_usual(count_of(value) == form_.schema);
        } else if (name == "status") {
            expect_usual(value.tag == PduValue::symbol &&
                         std::find(form_.statuses.begin(), form_.statuses.end(), value.data) !=
                             form_.statuses.end());
        } else if (name == "score") {
            expect_usual(value.tag == PduValue::vector && value.kind == 8 &&
                         value.count == activity_.vector.count);
        }
    }

    static std::uint64_t count_of(const PduValue& value)
    {
        expect_usual(value.tag == PduValue::integer);
        const auto count = number_at<std::int32_t>(value.data.data());
        expect_usual(count >= 0);
        return std::uint64_t(count);
    }

    // They ascend, and are below N.
    void check_devices() const
    {
        const PduValue& devices = activity_.vector;
        expect_usual(devices.kind == 4);
        std::uint64_t least = 0;
        for (std::size_t k = 0; k < devices.count; ++k) {
            const auto device = number_at<std::uint32_t>(devices.data.data() + 4 * k);
            expect_usual(device >= least && device < n_devices_);
            least = std::uint64_t(device) + 1;
        }
    }

    // It is of the same frame.
    void check_channel() const
    {
        for (const std::string& name : form_.channel_keys) {
            const PduValue& value = channel_.entry(name);
            const bool is_vector = value.tag == PduValue::vector;
            const PduValue& same = is_vector ? activity_.vector : activity_.entry(name);
            expect_usual(value.tag == same.tag && value.kind == same.kind && value.data == same.data);
        }
        expect_usual(form_.channel_keys.size() == channel_.size() && channel_.vector.kind == 10);
        expect_usual(channel_.vector.count == activity_.vector.count * n_antennas_);
    }

    void write(const PduValue& value)
    {
        const char* data = value.data.data();
        switch (value.tag) {
        case PduValue::symbol:
            return write_text(value.data);
        case PduValue::integer:
            return write_integer(text_, count_of(value));
        case PduValue::unsigned_integer:
            return write_integer(text_, number_at<std::uint64_t>(data));
        case PduValue::number:
            return write_double(text_, number_at<double>(data));
        case PduValue::pair:
            text_ += "{\"seconds\": ";
            write_integer(text_, number_at<std::uint64_t>(data + 1));
            text_ += ", \"fraction\": ";
            expect_usual(std::isfinite(number_at<double>(data + 10)));
            write_double(text_, number_at<double>(data + 10));
            text_ += '}';
            return;
        default:
            return write_vector(value);
        }
    }

    void write_text(std::string_view text)
    {
        text_ += '"';
        for (const char letter : text) {
            expect_usual(letter >= ' ' && letter <= '~' && letter != '"' && letter != '\\');
        }
        text_ += text;
        text_ += '"';
    }

    void write_vector(const PduValue& vector)
    {
        const char* data = vector.data.data();
        if (vector.kind == 10) {
            return write_channels(vector);
        }
        list(vector.count, [&](std::size_t k) {
            if (vector.kind == 4) {
                write_integer(text_, number_at<std::uint32_t>(data + 4 * k));
            } else {
                write_single(text_, number_at<float>(data + 4 * k));
            }
        });
    }

    void write_channels(const PduValue& vector)
    {
        expect_usual(n_antennas_ > 0);
        list(vector.count / n_antennas_, [&](std::size_t k) {
            list(n_antennas_, [&](std::size_t m) {
                const char* pair = vector.data.data() + 8 * (k * n_antennas_ + m);
                list(2, [&](std::size_t i) { write_single(text_, number_at<float>(pair + 4 * i)); });
            });
        });
    }

    template <class Write>
    void list(std::size_t count, Write write_one)
    {
        text_ += '[';
        for (std::size_t i = 0; i < count; ++i) {
            if (i > 0) {
                text_ += ", ";
            }
            write_one(i);
        }
        text_ += ']';
    }

    const LineForm& form_;
    const Pdu activity_, channel_;
    std::string& text_;
    std::uint64_t n_devices_ = 0, n_antennas_ = 0;
};

} // namespace jadce
