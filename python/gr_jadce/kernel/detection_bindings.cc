// SPDX-License-Identifier: GPL-3.0-or-later
#include "detection.hpp"
#include "frames.hpp"

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

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

py::tuple decide(const Gram& gram,
                 const Contiguous<cplx>& correlation,
                 const Contiguous<double>& energy,
                 const Contiguous<double>& score,
                 const Contiguous<double>& noise_var,
                 const Rule& rule,
                 int threads)
{
    const py::ssize_t N = py::ssize_t(gram.n_devices());
    check(correlation.ndim() == 3 && correlation.shape(0) == N, "correlation: expected (N, B, M)");
    const py::ssize_t B = correlation.shape(1), M = correlation.shape(2);
    check(energy.ndim() == 1 && energy.shape(0) == B, "energy: expected (B,)");
    check(score.ndim() == 2 && score.shape(0) == B && score.shape(1) == N, "score: expected (B, N)");
    check(noise_var.ndim() == 1 && noise_var.shape(0) == B, "noise_var: expected (B,)");
    check(rule.n_antennas == size_t(M) && M > 0 && rule.pilot_length > 0, "expected M, L > 0");
    check(threads > 0, "threads: expected at least 1");

    py::array_t<bool> activity({B, N});
    py::array_t<cplx> channel({B, N, M});
    py::array_t<double> scores({B, N}), noise({B}), snr_db({B});
    std::fill_n(channel.mutable_data(), channel.size(), cplx(0));
    const cplx* correlations = correlation.data();
    const double *energies = energy.data(), *proposed = score.data(), *known = noise_var.data();
    bool* active = activity.mutable_data();
    cplx* channels = channel.mutable_data();
    double *p_scores = scores.mutable_data(), *noises = noise.mutable_data(), *snrs = snr_db.mutable_data();
    {
        py::gil_scoped_release release;
        for_each_frame(
            int(B),
            threads,
            [&] { return Detector(gram, rule); },
            [&](int b, Detector& detector) {
                detector.decide(
                    {correlations + b * M, size_t(B * M), energies[b], proposed + b * N, known[b]},
                    {active + b * N, channels + b * N * M, p_scores + b * N, noises + b, snrs + b});
            });
    }
    return py::make_tuple(activity, channel, scores, noise, snr_db);
}

} // namespace

void bind_detection(py::module_& module)
{
    py::class_<Gram>(module, "Gram").def(py::init([](const Contiguous<cplx>& values) {
        check(values.ndim() == 2 && values.shape(0) == values.shape(1), "values: expected (N, N)");
        return Gram(values.data(), size_t(values.shape(0)));
    }));
    module.def("decide",
               [](const Gram& gram,
                  const Contiguous<cplx>& correlation,
                  const Contiguous<double>& energy,
                  const Contiguous<double>& score,
                  const Contiguous<double>& noise_var,
                  size_t pilot_length,
                  double threshold,
                  int max_rounds,
                  double sure,
                  double lower_limit,
                  double lower_mean,
                  int threads) {
                   const size_t n_antennas = correlation.ndim() == 3 ? size_t(correlation.shape(2)) : 0;
                   return decide(
                       gram,
                       correlation,
                       energy,
                       score,
                       noise_var,
                       {pilot_length, n_antennas, threshold, max_rounds, sure, lower_limit, lower_mean},
                       threads);
               });
}

} // namespace jadce
