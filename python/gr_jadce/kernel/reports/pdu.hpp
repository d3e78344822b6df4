// SPDX-License-Identifier: GPL-3.0-or-later
// PDUs of reports in the form of pmt.serialize_str, as far as reports/pdu_bytes.py reads it.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <vector>

namespace jadce {

struct Unusual
{ // thrown where a PDU is none of the usual form
};

inline void expect_usual(bool good)
{
    if (!good) {
        throw Unusual();
    }
}

// A big-endian number.
template <class T>
T number_at(const char* place)
{
    unsigned char bytes[sizeof(T)];
    for (std::size_t i = 0; i < sizeof(T); ++i) {
        bytes[i] = static_cast<unsigned char>(place[sizeof(T) - 1 - i]);
    }
    T value;
    std::memcpy(&value, bytes, sizeof(T));
    return value;
}

// A value: its tag, its bytes behind that, and of a vector its kind and how many numbers there are.
struct PduValue
{
    enum Tag : char { symbol = 2, integer = 3, number = 4, pair = 7, vector = 10, unsigned_integer = 11 };

    char tag = 0, kind = 0;
    std::string_view data;
    std::size_t count = 0;
};

struct PduEntry
{
    std::string_view name;
    PduValue value;
};

// Reads a pair (dictionary . vector).
class Pdu
{
public:
    explicit Pdu(std::string_view data) : rest_(data)
    {
        expect_usual(take(1) == "\x07");
        while (!rest_.empty() && rest_[0] == '\t') {
            expect_usual(take(3) == std::string_view("\t\x07\x02", 3));
            const std::string_view name = take(number_at<std::uint16_t>(take(2).data()));
            entries_.push_back({name, value()});
        }
        expect_usual(take(1) == "\x06");
        vector = value();
        expect_usual(rest_.empty() && vector.tag == PduValue::vector);
    }

    PduValue vector;

    const PduValue& entry(std::string_view name) const
    {
        const auto has_name = [&](const PduEntry& entry) { return entry.name == name; };
        const auto found = std::find_if(entries_.begin(), entries_.end(), has_name);
        expect_usual(found != entries_.end());
        return found->value;
    }

    std::size_t size() const { return entries_.size(); }

private:
    std::string_view take(std::size_t count)
    {
        expect_usual(count <= rest_.size());
        const std::string_view taken = rest_.substr(0, count);
        rest_.remove_prefix(count);
        return taken;
    }

    PduValue value()
    {
        PduValue found;
        found.tag = take(1)[0];
        switch (found.tag) {
        case PduValue::symbol:
            found.data = take(number_at<std::uint16_t>(take(2).data()));
            break;
        case PduValue::integer:
            found.data = take(4);
            break;
        case PduValue::number:
        case PduValue::unsigned_integer:
            found.data = take(8);
            break;
        case PduValue::pair: // (uint64 . double)
            found.data = take(18);
            expect_usual(found.data[0] == PduValue::unsigned_integer && found.data[9] == PduValue::number);
            break;
        case PduValue::vector:
            read_vector(found);
            break;
        default:
            throw Unusual();
        }
        return found;
    }

    void read_vector(PduValue& found)
    {
        found.kind = take(1)[0];
        found.count = number_at<std::uint32_t>(take(4).data());
        expect_usual(take(2) == std::string_view("\x01\x00", 2));
        expect_usual(found.kind == 4 || found.kind == 8 || found.kind == 10);
        found.data = take(found.count * (found.kind == 10 ? 8 : 4));
    }

    std::string_view rest_;
    std::vector<PduEntry> entries_;
};

} // namespace jadce
