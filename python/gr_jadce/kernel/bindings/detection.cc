// SPDX-License-Identifier: GPL-3.0-or-later
#include "detection/detection.hpp"
#include "arithmetic/dense.hpp"
#include "arithmetic/frames.hpp"

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <optional>

namespace py = pybind11;

namespace jadce {
namespace {

template <typename T>
using Contiguous = py::array_t<T, py::array::c_style | py::array::forcecast>;

// gr_jadce.detection checks all arguments; this only keeps wrong ones from reading beyond an array.
void check(bool good, const char* what)
{
    if (!good)
        throw py::value_error(what);
}

// A pilot book: its Gram matrix and, unless it has fast products, the pilots themselves.
struct Book
{
    Gram gram;
    Packed<double> adjoint;
};

Book make_book(const Contiguous<cplx>& gram, const std::optional<Contiguous<cplx>>& pilots)
{
    check(gram.ndim() == 2 && gram.shape(0) == gram.shape(1), "gram: expected (N, N)");
    Book book{Gram(gram.data(), size_t(gram.shape(0))), {}};
    if (pilots) {
        check(pilots->ndim() == 2 && pilots->shape(1) == gram.shape(0), "pilots: expected (L, N)");
        const py::ssize_t N = pilots->shape(1);
        const cplx* values = pilots->data();
        book.adjoint = Packed<double>(
            int(N), int(pilots->shape(0)), false, [&](int n, int l) { return values[l * N + n]; });
    }
    return book;
}

// What a thread decides with: the detector, a frame's samples and its correlations, in planes.
struct Work
{
    Work(const Gram& gram, const Rule& rule)
        : detector(gram, rule), samples(2 * rule.n_antennas * size_t(padded<double>(int(rule.pilot_length)))),
          correlation(2 * rule.n_antennas * gram.stride())
    {
    }
    Detector detector;
    Array<double> samples, correlation;
};

// The frame's correlations with the pilots to `work`: those given, rows (N,) `stride` apart, or the product.
template <class Sample>
void correlate(const Book& book,
               const Rule& rule,
               const std::complex<Sample>* received,
               const cplx* given,
               size_t stride,
               Work& work)
{
    const int L = int(rule.pilot_length), M = int(rule.n_antennas), N = int(book.gram.n_devices());
    if (given) {
        for (int n = 0; n < N; ++n) {
            for (int m = 0; m < M; ++m) {
                double* place = &work.correlation[2 * m * book.gram.stride() + n];
                place[0] = given[n * stride + m].real();
                place[book.gram.stride()] = given[n * stride + m].imag();
            }
        }
    } else {
        to_planar(received, L, M, 1.0, work.samples.data());
        book.adjoint.multiply_conjugate(work.samples.data(), padded<double>(L), M, work.correlation.data());
    }
}

template <class Sample>
double energy_of(const std::complex<Sample>* samples, size_t count)
{
    double energy = 0;
    for (size_t i = 0; i < count; ++i) {
        const double re = samples[i].real(), im = samples[i].imag();
        energy += re * re + im * im;
    }
    return energy;
}

// received (B, L, M), correlation (N, B, M) of books with fast products, score (B, N) and noise_var (B,)
// → activity, channel (None unless wanted), score, noise_var, snr_db.
template <class Sample>
py::tuple decide(const Book& book,
                 const Contiguous<std::complex<Sample>>& received,
                 const std::optional<Contiguous<cplx>>& correlation,
                 const Contiguous<double>& score,
                 const Contiguous<double>& noise_var,
                 size_t pilot_length,
                 double threshold,
                 int max_rounds,
                 double sure,
                 double lower_limit,
                 double lower_mean,
                 bool with_channel,
                 int threads)
{
    const py::ssize_t N = py::ssize_t(book.gram.n_devices()), L = py::ssize_t(pilot_length);
    check(received.ndim() == 3 && received.shape(1) == L && received.shape(2) > 0 && L > 0,
          "received: expected (B, L, M)");
    const py::ssize_t B = received.shape(0), M = received.shape(2);
    if (correlation) {
        check(correlation->ndim() == 3 && correlation->shape(0) == N && correlation->shape(1) == B &&
                  correlation->shape(2) == M,
              "correlation: expected (N, B, M)");
    } else {
        check(book.adjoint.columns() == L, "received: expected frames of the pilots' length");
    }
    check(score.ndim() == 2 && score.shape(0) == B && score.shape(1) == N, "score: expected (B, N)");
    check(noise_var.ndim() == 1 && noise_var.shape(0) == B, "noise_var: expected (B,)");
    check(threads > 0, "threads: expected at least 1");
    const Rule rule = {pilot_length, size_t(M), threshold, max_rounds, sure, lower_limit, lower_mean};

    py::array_t<bool> activity({B, N});
    py::array_t<cplx> channel({with_channel ? B : 0, N, M});
    py::array_t<double> scores({B, N}), noise({B}), snr_db({B});
    std::fill_n(channel.mutable_data(), channel.size(), cplx(0));
    const auto* frames = received.data();
    const cplx* given = correlation ? correlation->data() : nullptr;
    const double *proposed = score.data(), *known = noise_var.data();
    bool* active = activity.mutable_data();
    cplx* channels = with_channel ? channel.mutable_data() : nullptr;
    double *p_scores = scores.mutable_data(), *noises = noise.mutable_data(), *snrs = snr_db.mutable_data();
    {
        py::gil_scoped_release release;
        for_each_frame(
            int(B),
            threads,
            [&] { return Work(book.gram, rule); },
            [&](int b, Work& work) {
                const auto* samples = frames + b * L * M;
                correlate(book, rule, samples, given ? given + b * M : nullptr, size_t(B * M), work);
                work.detector.decide(
                    {work.correlation.data(), energy_of(samples, size_t(L * M)), proposed + b * N, known[b]},
                    {active + b * N,
                     channels ? channels + b * N * M : nullptr,
                     p_scores + b * N,
                     noises + b,
                     snrs + b});
            });
    }
    return py::make_tuple(activity, with_channel ? py::object(channel) : py::none(), scores, noise, snr_db);
}

} // namespace

void bind_detection(py::module_& module)
{
    py::class_<Book> bound(module, "Detection", "Decisions about frames of a pilot book.");
    bound.def(py::init(&make_book), py::arg("gram"), py::arg("pilots") = py::none());
    const auto bind = [&](auto function, const py::arg& received) {
        bound.def("decide",
                  function,
                  received,
                  py::arg("correlation"),
                  py::arg("score"),
                  py::arg("noise_var"),
                  py::arg("pilot_length"),
                  py::arg("threshold"),
                  py::arg("max_rounds"),
                  py::arg("sure"),
                  py::arg("lower_limit"),
                  py::arg("lower_mean"),
                  py::arg("with_channel"),
                  py::arg("threads"));
    };
    bind(&decide<float>, py::arg("received").noconvert());
    bind(&decide<double>, py::arg("received"));
}

} // namespace jadce
