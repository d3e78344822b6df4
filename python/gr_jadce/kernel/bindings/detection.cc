// SPDX-License-Identifier: GPL-3.0-or-later
// Detection of the module.
#include "bindings/arguments.hpp"
#include "bindings/parts.hpp"
#include "detection/book.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace jadce {
namespace {

template <class Sample>
using Channel = std::optional<Contiguous<std::complex<Sample>>>; // of estimates that are posterior means
using Correlation = std::optional<Contiguous<Complex>>;          // of books with fast products

std::unique_ptr<Book> book_of(const Contiguous<Complex>& gram,
                              const std::optional<Contiguous<Complex>>& pilots)
{
    check(gram.ndim() == 2 && gram.shape(0) == gram.shape(1), "gram: expected (N, N)");
    check(!pilots || (pilots->ndim() == 2 && pilots->shape(1) == gram.shape(0)), "pilots: expected (L, N)");
    return make_book(gram.data(),
                     int(gram.shape(0)),
                     pilots ? pilots->data() : nullptr,
                     pilots ? int(pilots->shape(0)) : 0);
}

template <class Sample>
void check_frames(const Book& book,
                  const Contiguous<std::complex<Sample>>& received,
                  const Correlation& correlation,
                  const Contiguous<double>& score,
                  const Contiguous<double>& noise_var,
                  const Channel<Sample>& channel,
                  py::ssize_t L)
{
    const py::ssize_t N = py::ssize_t(book.n_devices());
    check(received.ndim() == 3 && received.shape(1) == L && received.shape(2) > 0 && L > 0,
          "received: expected (B, L, M)");
    const py::ssize_t B = received.shape(0), M = received.shape(2);
    if (correlation) {
        check(correlation->ndim() == 3 && correlation->shape(0) == N && correlation->shape(1) == B &&
                  correlation->shape(2) == M,
              "correlation: expected (N, B, M)");
    } else {
        check(book.pilot_length() == L, "received: expected frames of the pilots' length");
    }
    check(score.ndim() == 2 && score.shape(0) == B && score.shape(1) == N, "score: expected (B, N)");
    check(noise_var.ndim() == 1 && noise_var.shape(0) == B, "noise_var: expected (B,)");
    check(!channel || (channel->ndim() == 3 && channel->shape(0) == B && channel->shape(1) == N &&
                       channel->shape(2) == M),
          "channel: expected (B, N, M)");
}

// The rows of all frames, one frame after another → where each frame's begin (B + 1,), device, channel,
// score.
py::tuple joined(const std::vector<ActiveRows>& frames, py::ssize_t M)
{
    auto start = vector_of<std::int64_t>(py::ssize_t(frames.size()) + 1);
    std::int64_t* place = start.mutable_data();
    *place = 0;
    for (const ActiveRows& rows : frames) {
        place[1] = place[0] + std::int64_t(rows.device.size());
        ++place;
    }
    auto device = vector_of<std::uint32_t>(*place);
    py::array_t<Complex> channel({py::ssize_t(*place), M});
    auto score = vector_of<double>(*place);
    auto* devices = device.mutable_data();
    auto* channels = channel.mutable_data();
    auto* scores = score.mutable_data();
    for (const ActiveRows& rows : frames) {
        devices = std::copy(rows.device.begin(), rows.device.end(), devices);
        channels = std::copy(rows.channel.begin(), rows.channel.end(), channels);
        scores = std::copy(rows.score.begin(), rows.score.end(), scores);
    }
    return py::make_tuple(start, device, channel, score);
}

// Of gr_jadce.detection.dense.Rule: pilot_length, threshold, max_rounds, n_proposed, n_members, (limit, mean,
// excess), scale, (share, least), (least, crowded) lead.
Rule rule_of(const py::tuple& given, py::ssize_t M)
{
    check(given.size() == 9, "rule: expected 9 entries");
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
            lead[1]};
}

// received (B, L, M), correlation (N, B, M) or None, score (B, N), noise_var (B,) and channel (B, N, M) or
// None → the rows of active devices as of `joined`, noise_var, snr_db, noise_cov (B, M, M), noise_dof,
// uncertainty, evidence, noise_statistics (B, 2), where the channels are the given ones (B,), the scores of
// all devices (none unless wanted).
template <class Sample>
py::tuple decide(const Book& book,
                 const Contiguous<std::complex<Sample>>& received,
                 const Correlation& correlation,
                 const Contiguous<double>& score,
                 const Contiguous<double>& noise_var,
                 const Channel<Sample>& channel,
                 double agreement,
                 const py::tuple& given,
                 bool with_scores,
                 int threads)
{
    const Rule rule = rule_of(given, received.ndim() == 3 ? received.shape(2) : 0);
    check_frames(book, received, correlation, score, noise_var, channel, py::ssize_t(rule.pilot_length));
    check(threads > 0, "threads: expected at least 1");
    const py::ssize_t B = received.shape(0), M = received.shape(2);
    const py::ssize_t N = py::ssize_t(book.n_devices());
    py::array_t<double> scores({with_scores ? B : 0, N}), statistics({B, py::ssize_t(2)});
    auto noise = vector_of<double>(B), snr_db = vector_of<double>(B), dof = vector_of<double>(B),
         uncertainty = vector_of<double>(B), evidence = vector_of<double>(B);
    auto agrees = vector_of<bool>(B);
    py::array_t<Complex> noise_cov({B, M, M});
    std::vector<ActiveRows> rows(static_cast<std::size_t>(B));
    const DetectionFrames<Sample> frames = {received.data(),
                                            correlation ? correlation->data() : nullptr,
                                            score.data(),
                                            noise_var.data(),
                                            channel ? channel->data() : nullptr,
                                            agreement,
                                            agrees.mutable_data(),
                                            std::size_t(B)};
    const Decision all = {rows.data(),
                          with_scores ? scores.mutable_data() : nullptr,
                          noise_cov.mutable_data(),
                          statistics.mutable_data(),
                          noise.mutable_data(),
                          snr_db.mutable_data(),
                          dof.mutable_data(),
                          uncertainty.mutable_data(),
                          evidence.mutable_data()};
    {
        py::gil_scoped_release release;
        book.decide(rule, frames, threads, all);
    }
    return py::make_tuple(
        joined(rows, M), noise, snr_db, noise_cov, dof, uncertainty, evidence, statistics, agrees, scores);
}

template <class Sample>
void bind_for(py::class_<Book>& bound, const py::arg& received)
{
    bound.def("decide",
              &decide<Sample>,
              received,
              py::arg("correlation"),
              py::arg("score"),
              py::arg("noise_var"),
              py::arg("channel"),
              py::arg("agreement"),
              py::arg("rule"),
              py::arg("with_scores"),
              py::arg("threads"));
}

} // namespace

void bind_detection(py::module_& module)
{
    py::class_<Book> bound(
        module, "Detection", "Decisions about frames of a pilot book.", py::module_local());
    bound.def(py::init(&book_of), py::arg("gram"), py::arg("pilots") = py::none());
    bind_for<float>(bound, py::arg("received").noconvert());
    bind_for<double>(bound, py::arg("received"));
}

} // namespace jadce
