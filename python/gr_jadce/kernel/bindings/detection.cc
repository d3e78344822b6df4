// SPDX-License-Identifier: GPL-3.0-or-later
// Detection of the module.
#include "bindings/arguments.hpp"
#include "bindings/decisions.hpp"
#include "bindings/parts.hpp"
#include "detection/book.hpp"

#include <memory>
#include <optional>

namespace jadce {
namespace {

template <class Sample>
using Channel = std::optional<Contiguous<std::complex<Sample>>>; // of estimates that are posterior means

std::unique_ptr<Book> book_of(const Contiguous<Complex>& gram, const Contiguous<Complex>& pilots)
{
    check(gram.ndim() == 2 && gram.shape(0) == gram.shape(1), "gram: expected (N, N)");
    check(pilots.ndim() == 2 && pilots.shape(1) == gram.shape(0), "pilots: expected (L, N)");
    return make_book(gram.data(), int(gram.shape(0)), pilots.data(), int(pilots.shape(0)));
}

template <class Sample>
void check_frames(const Book& book,
                  const Contiguous<std::complex<Sample>>& received,
                  const Contiguous<double>& score,
                  const Contiguous<double>& noise_var,
                  const Channel<Sample>& channel,
                  py::ssize_t L)
{
    const py::ssize_t N = py::ssize_t(book.n_devices());
    check(received.ndim() == 3 && received.shape(1) == L && received.shape(2) > 0 && L > 0,
          "received: expected (B, L, M)");
    const py::ssize_t B = received.shape(0), M = received.shape(2);
    check(book.pilot_length() == L, "received: expected frames of the pilots' length");
    check(score.ndim() == 2 && score.shape(0) == B && score.shape(1) == N, "score: expected (B, N)");
    check(noise_var.ndim() == 1 && noise_var.shape(0) == B, "noise_var: expected (B,)");
    check(!channel || (channel->ndim() == 3 && channel->shape(0) == B && channel->shape(1) == N &&
                       channel->shape(2) == M),
          "channel: expected (B, N, M)");
}

// received (B, L, M), score (B, N), noise_var (B,) and channel (B, N, M) or
// None → what `Decisions` gives, where the channels are the given ones (B,), the scores of all devices (none
// unless wanted).
template <class Sample>
py::tuple decide(const Book& book,
                 const Contiguous<std::complex<Sample>>& received,
                 const Contiguous<double>& score,
                 const Contiguous<double>& noise_var,
                 const Channel<Sample>& channel,
                 double agreement,
                 const py::tuple& given,
                 bool with_scores,
                 int threads)
{
    const Rule rule = rule_of(given, received.ndim() == 3 ? received.shape(2) : 0);
    check_frames(book, received, score, noise_var, channel, py::ssize_t(rule.pilot_length));
    check(threads > 0, "threads: expected at least 1");
    const py::ssize_t B = received.shape(0), M = received.shape(2);
    const py::ssize_t N = py::ssize_t(book.n_devices());
    auto agrees = vector_of<bool>(B);
    Decisions decisions(B, N, M, with_scores);
    const DetectionFrames<Sample> frames = {received.data(),
                                            score.data(),
                                            noise_var.data(),
                                            channel ? channel->data() : nullptr,
                                            agreement,
                                            agrees.mutable_data(),
                                            std::size_t(B)};
    const Decision places = decisions.places();
    {
        py::gil_scoped_release release;
        book.decide(rule, frames, threads, places);
    }
    return py::make_tuple(decisions.results(), agrees, decisions.scores());
}

template <class Sample>
void bind_for(py::class_<Book>& bound, const py::arg& received)
{
    bound.def("decide",
              &decide<Sample>,
              received,
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
    bound.def(py::init(&book_of), py::arg("gram"), py::arg("pilots"));
    bind_for<float>(bound, py::arg("received").noconvert());
    bind_for<double>(bound, py::arg("received"));
}

} // namespace jadce
