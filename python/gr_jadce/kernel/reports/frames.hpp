// SPDX-License-Identifier: GPL-3.0-or-later
// The scored fields of reports in lines of JSON, one column a field.
#pragma once

#include "reports/json_scanner.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace jadce {

struct FrameColumns
{
    std::int64_t n_lines = 0;       // of the text, frames or not
    std::vector<std::int64_t> line; // which line each frame stands in, from 0
    std::vector<std::uint64_t> frame_id;
    std::vector<std::int64_t> n_devices, n_antennas, n_active;
    std::vector<std::uint8_t> is_bad, is_truth;
    std::vector<std::int64_t> device;
    std::vector<float> channel; // real and imaginary parts
};

// Adds the frame in a line to columns.
class FrameReader
{
public:
    FrameReader(std::string_view line, std::uint64_t schema, FrameColumns& columns)
        : scanner_(line), schema_(schema), columns_(columns), first_device_(columns.device.size()),
          first_channel_(columns.channel.size())
    {
    }

    // Whether the line is for sure a report; if not, the columns are as before.
    bool read(std::int64_t line)
    {
        try {
            scanner_.read_object([this](std::string_view name) { read_field(name); });
            check();
        } catch (const Unsure&) {
            columns_.device.resize(first_device_);
            columns_.channel.resize(first_channel_);
            return false;
        }
        add(line);
        return true;
    }

private:
    static constexpr std::array<std::string_view, 8> names = {
        "frame_id", "n_devices", "n_antennas", "schema", "status", "estimator", "device", "channel"};

    void read_field(std::string_view name)
    {
        const std::size_t field = std::size_t(std::find(names.begin(), names.end(), name) - names.begin());
        if (field == names.size()) {
            return scanner_.skip_value();
        }
        expect_sure(!(seen_ & 1u << field)); // of a field that is there twice, the last would count
        seen_ |= 1u << field;
        read_scored_field(field);
    }

    void read_scored_field(std::size_t field)
    {
        switch (field) {
        case 0:
            frame_id_ = scanner_.read_unsigned();
            break;
        case 1:
            n_devices_ = scanner_.read_unsigned();
            break;
        case 2:
            n_antennas_ = scanner_.read_unsigned();
            break;
        case 3:
            expect_sure(scanner_.read_unsigned() == schema_);
            break;
        case 4:
            status_ = scanner_.read_text();
            break;
        case 5:
            estimator_ = scanner_.read_text();
            break;
        case 6:
            read_devices();
            break;
        default:
            read_channels();
        }
    }

    void read_devices()
    {
        scanner_.read_list([this] {
            const std::uint64_t device = scanner_.read_unsigned();
            expect_sure(device >= least_devices_ && device < max_devices); // they ascend
            least_devices_ = device + 1;
            columns_.device.push_back(std::int64_t(device));
        });
    }

    void read_channels()
    {
        scanner_.read_list([this] {
            std::size_t antennas = 0;
            scanner_.read_list([&] {
                read_pair();
                ++antennas;
            });
            expect_sure(antennas > 0 && (rows_ == 0 || antennas == row_size_));
            row_size_ = antennas;
            ++rows_;
        });
    }

    void read_pair()
    {
        const std::size_t before = columns_.channel.size();
        scanner_.read_list([this] { columns_.channel.push_back(scanner_.read_float()); });
        expect_sure(columns_.channel.size() == before + 2);
    }

    void check()
    {
        expect_sure(scanner_.at_end() && seen_ == (1u << names.size()) - 1);
        expect_sure(1 <= n_devices_ && n_devices_ <= max_devices);
        expect_sure(1 <= n_antennas_ && n_antennas_ <= max_antennas);
        expect_sure(least_devices_ <= n_devices_);
        expect_sure(rows_ == columns_.device.size() - first_device_);
        expect_sure(rows_ == 0 || row_size_ == n_antennas_);
        expect_sure(status_ == "ok" || status_ == "clipped" || status_ == "bad_input");
    }

    void add(std::int64_t line)
    {
        columns_.line.push_back(line);
        columns_.frame_id.push_back(frame_id_);
        columns_.n_devices.push_back(std::int64_t(n_devices_));
        columns_.n_antennas.push_back(std::int64_t(n_antennas_));
        columns_.n_active.push_back(std::int64_t(rows_));
        columns_.is_bad.push_back(status_ == "bad_input");
        columns_.is_truth.push_back(estimator_ == "truth");
    }

    static constexpr std::uint64_t max_devices = std::uint64_t(1) << 32, max_antennas = 1 << 16;

    JsonScanner scanner_;
    std::uint64_t schema_;
    FrameColumns& columns_;
    std::size_t first_device_, first_channel_;
    unsigned seen_ = 0; // a bit for each of `names`
    std::uint64_t frame_id_ = 0, n_devices_ = 0, n_antennas_ = 0;
    std::uint64_t least_devices_ = 0; // that there must be, for those that are active
    std::size_t rows_ = 0, row_size_ = 0;
    std::string_view status_, estimator_;
};

// The frames in the lines of a text that are for sure reports.
inline FrameColumns read_frames(std::string_view text, std::uint64_t schema)
{
    FrameColumns columns;
    for (; !text.empty(); ++columns.n_lines) {
        const std::size_t size = std::min(text.find('\n'), text.size());
        FrameReader(text.substr(0, size), schema, columns).read(columns.n_lines);
        text.remove_prefix(std::min(size + 1, text.size()));
    }
    return columns;
}

} // namespace jadce
