// SPDX-License-Identifier: GPL-3.0-or-later
// Decisions about a batch of frames, as Python gets them.
#pragma once

#include "bindings/arguments.hpp"
#include "detection/detection.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace jadce {

inline DoubtRule doubt_rule_of(const py::object& given)
{
    return {field<double>(given, "entry"),
            field<std::size_t>(given, "max_entries"),
            field<double>(given, "leave"),
            field<double>(given, "likely"),
            field<double>(given, "least_weight"),
            field<double>(given, "any_power"),
            field<double>(given, "powers"),
            field<double>(given, "min_energy")};
}

// Of gr_jadce.detection.refinement.Rule: pilot_length, threshold, max_rounds, n_proposed, n_members, (limit,
// mean, excess), scale, (share, least), (least, crowded) lead, doubt.
inline Rule rule_of(const py::tuple& given, py::ssize_t M)
{
    check(given.size() == 10, "rule: expected 10 entries");
    const auto lower = given[5].cast<std::array<double, 3>>();
    const auto sure = given[7].cast<std::array<double, 2>>();
    const auto lead = given[8].cast<std::array<double, 2>>();
    const auto scale = given[6].cast<std::string>();
    return {given[0].cast<std::size_t>(),
            std::size_t(M),
            given[1].cast<double>(),
            given[2].cast<int>(),
            given[3].cast<std::size_t>(),
            given[4].cast<std::size_t>(),
            sure[0],
            sure[1],
            {lower[0], lower[1], lower[2]},
            scale == "spatial"    ? Scale::spatial
            : scale == "antennas" ? Scale::antennas
                                  : Scale::white,
            lead[0],
            lead[1],
            doubt_rule_of(given[9])};
}

class Decisions
{
public:
    Decisions(py::ssize_t B, py::ssize_t N, py::ssize_t M, bool with_scores)
        : rows_(static_cast<std::size_t>(B)), M_(M), with_scores_(with_scores),
          scores_({with_scores ? B : 0, N}), statistics_({B, py::ssize_t(2)}), noise_cov_({B, M, M}),
          noise_var_(vector_of<double>(B)), snr_db_(vector_of<double>(B)), dof_(vector_of<double>(B)),
          uncertainty_(vector_of<double>(B)), evidence_(vector_of<double>(B))
    {
    }

    // Where they go.
    Decision places()
    {
        return {rows_.data(),
                with_scores_ ? scores_.mutable_data() : nullptr,
                noise_cov_.mutable_data(),
                statistics_.mutable_data(),
                noise_var_.mutable_data(),
                snr_db_.mutable_data(),
                dof_.mutable_data(),
                uncertainty_.mutable_data(),
                evidence_.mutable_data()};
    }

    // The rows of active devices as of `joined`, noise_var, snr_db, noise_cov (B, M, M), noise_dof,
    // uncertainty, evidence and noise_statistics (B, 2).
    py::tuple results() const
    {
        return py::make_tuple(
            joined(), noise_var_, snr_db_, noise_cov_, dof_, uncertainty_, evidence_, statistics_);
    }

    const py::array_t<double>& scores() const { return scores_; }

private:
    // The rows of all frames, one frame after another → where each frame's begin (B + 1,), device, channel,
    // score.
    py::tuple joined() const
    {
        auto start = vector_of<std::int64_t>(py::ssize_t(rows_.size()) + 1);
        std::int64_t* place = start.mutable_data();
        *place = 0;
        for (const ActiveRows& rows : rows_) {
            place[1] = place[0] + std::int64_t(rows.device.size());
            ++place;
        }
        auto device = vector_of<std::uint32_t>(*place);
        py::array_t<Complex> channel({py::ssize_t(*place), M_});
        auto score = vector_of<double>(*place);
        auto* devices = device.mutable_data();
        auto* channels = channel.mutable_data();
        auto* scores = score.mutable_data();
        for (const ActiveRows& rows : rows_) {
            devices = std::copy(rows.device.begin(), rows.device.end(), devices);
            channels = std::copy(rows.channel.begin(), rows.channel.end(), channels);
            scores = std::copy(rows.score.begin(), rows.score.end(), scores);
        }
        return py::make_tuple(start, device, channel, score);
    }

    std::vector<ActiveRows> rows_;
    const py::ssize_t M_;
    const bool with_scores_;
    py::array_t<double> scores_, statistics_;
    py::array_t<Complex> noise_cov_;
    py::array_t<double> noise_var_, snr_db_, dof_, uncertainty_, evidence_;
};

} // namespace jadce
