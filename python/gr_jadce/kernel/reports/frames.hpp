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
    std::vector<std::uint8_t> is_bad, is_truth, has_delays;
    std::vector<std::int64_t> n_taps; // of each frame
    std::vector<std::int64_t> device;
    std::vector<float> channel;        // real and imaginary parts
    std::vector<std::int64_t> tap_row; // which of a frame's devices a tap is of
    std::vector<float> tap_delay;
    std::vector<float> tap_gain; // real and imaginary parts

    struct Sizes
    {
        std::size_t device, channel, taps, tap_gain;
    };

    Sizes sizes() const { return {device.size(), channel.size(), tap_row.size(), tap_gain.size()}; }

    void shrink(const Sizes& sizes)
    {
        device.resize(sizes.device);
        channel.resize(sizes.channel);
        tap_row.resize(sizes.taps);
        tap_delay.resize(sizes.taps);
        tap_gain.resize(sizes.tap_gain);
    }
};

// Adds the frame in a line to columns.
class FrameReader
{
public:
    FrameReader(std::string_view line, std::uint64_t schema, FrameColumns& columns)
        : scanner_(line), schema_(schema), columns_(columns), before_(columns.sizes())
    {
    }

    // Whether the line is for sure a report; if not, the columns are as before.
    bool read(std::int64_t line)
    {
        try {
            scanner_.read_object([this](std::string_view name) { read_field(name); });
            check();
        } catch (const Unsure&) {
            columns_.shrink(before_);
            return false;
        }
        add_taps();
        add(line);
        return true;
    }

private:
    static constexpr std::array<std::string_view, 10> names = {"frame_id",
                                                               "n_devices",
                                                               "n_antennas",
                                                               "schema",
                                                               "status",
                                                               "estimator",
                                                               "device",
                                                               "channel",
                                                               "delay",
                                                               "taps"};
    static constexpr unsigned needed = (1u << 8) - 1, delay_bit = 1u << 8, taps_bit = 1u << 9;

    void read_field(std::string_view name)
    {
        const std::size_t field = std::size_t(std::find(names.begin(), names.end(), name) - names.begin());
        if (field == names.size()) {
            expect_sure(name != "payload"); // left to Python: packets are scored, too
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
        case 7:
            rows_ = read_channels();
            break;
        case 8:
            scanner_.read_list([this] { delay_.push_back(scanner_.read_float()); });
            break;
        default:
            read_taps();
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

    std::size_t read_channels()
    {
        std::size_t rows = 0;
        scanner_.read_list([&] {
            read_gains(columns_.channel);
            ++rows;
        });
        return rows;
    }

    // A gain at each antenna: as many as all others of the frame.
    void read_gains(std::vector<float>& gains)
    {
        const std::size_t before = gains.size();
        scanner_.read_list([&] { read_pair(gains); });
        const std::size_t antennas = (gains.size() - before) / 2;
        expect_sure(antennas > 0 && (row_size_ == 0 || antennas == row_size_));
        row_size_ = antennas;
    }

    void read_pair(std::vector<float>& gains)
    {
        const std::size_t before = gains.size();
        scanner_.read_list([&] { gains.push_back(scanner_.read_float()); });
        expect_sure(gains.size() == before + 2);
    }

    void read_taps()
    {
        scanner_.read_list([this] {
            scanner_.read_list([this] { read_tap(); });
            ++devices_with_taps_;
        });
    }

    void read_tap()
    {
        unsigned members = 0;
        scanner_.read_object([&](std::string_view name) {
            const bool is_delay = name == "delay";
            expect_sure(is_delay ? !(members & 1u) : name == "gain" && !(members & 2u));
            members |= is_delay ? 1u : 2u;
            if (is_delay) {
                columns_.tap_delay.push_back(scanner_.read_float());
            } else {
                read_gains(columns_.tap_gain);
            }
        });
        expect_sure(members == 3u);
        columns_.tap_row.push_back(devices_with_taps_);
    }

    void check()
    {
        expect_sure(scanner_.at_end() && (seen_ & needed) == needed);
        expect_sure(1 <= n_devices_ && n_devices_ <= max_devices);
        expect_sure(1 <= n_antennas_ && n_antennas_ <= max_antennas);
        expect_sure(least_devices_ <= n_devices_);
        expect_sure(rows_ == columns_.device.size() - before_.device);
        expect_sure(row_size_ == 0 || row_size_ == n_antennas_);
        expect_sure(!(seen_ & delay_bit) || delay_.size() == rows_);
        expect_sure(!(seen_ & taps_bit) || std::size_t(devices_with_taps_) == rows_);
        expect_sure(status_ == "ok" || status_ == "clipped" || status_ == "bad_input");
    }

    // A device without taps has one, at its delay.
    void add_taps()
    {
        if ((seen_ & (delay_bit | taps_bit)) != delay_bit) {
            return;
        }
        for (std::size_t row = 0; row < rows_; ++row) {
            columns_.tap_row.push_back(std::int64_t(row));
            columns_.tap_delay.push_back(delay_[row]);
        }
        columns_.tap_gain.insert(columns_.tap_gain.end(),
                                 columns_.channel.begin() + std::ptrdiff_t(before_.channel),
                                 columns_.channel.end());
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
        columns_.has_delays.push_back((seen_ & (delay_bit | taps_bit)) != 0);
        columns_.n_taps.push_back(std::int64_t(columns_.tap_row.size() - before_.taps));
    }

    static constexpr std::uint64_t max_devices = std::uint64_t(1) << 32, max_antennas = 1 << 16;

    JsonScanner scanner_;
    std::uint64_t schema_;
    FrameColumns& columns_;
    FrameColumns::Sizes before_;
    unsigned seen_ = 0; // a bit for each of `names`
    std::uint64_t frame_id_ = 0, n_devices_ = 0, n_antennas_ = 0;
    std::uint64_t least_devices_ = 0; // that there must be, for those that are active
    std::size_t rows_ = 0, row_size_ = 0;
    std::string_view status_, estimator_;
    std::vector<float> delay_;
    std::int64_t devices_with_taps_ = 0;
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
