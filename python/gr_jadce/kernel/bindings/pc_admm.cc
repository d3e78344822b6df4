// SPDX-License-Identifier: GPL-3.0-or-later
// PcAdmm and FastPcAdmm of the module.
#include "bindings/arguments.hpp"
#include "bindings/parts.hpp"
#include "pc_admm/frame_solver.hpp"

#include <cstdlib>
#include <memory>
#include <new>
#include <string>
#include <vector>

namespace jadce {
namespace {

// Of memory that is zero from the start: pages that are never written take no time.
template <class T>
py::array_t<T> zeros(std::vector<py::ssize_t> shape)
{
    std::size_t size = 1;
    for (const auto extent : shape) {
        size *= std::size_t(extent);
    }
    void* data = std::calloc(std::max<std::size_t>(size, 1), sizeof(T));
    if (!data) {
        throw std::bad_alloc();
    }
    return py::array_t<T>(shape, static_cast<T*>(data), py::capsule(data, std::free));
}

template <class Sample>
PcAdmmFrames<Sample> frames_from(const PcAdmmSolver& solver,
                                 const Contiguous<std::complex<Sample>>& received,
                                 int n_antennas,
                                 int threads)
{
    check(received.ndim() == 3 && received.shape(1) == solver.length() && received.shape(2) > 0,
          "received: expected frames (B, L, M) of the pilots' length");
    check(threads > 0, "threads: expected at least 1");
    return {received.data(), int(received.shape(0)), int(received.shape(2)), n_antennas};
}

// received (B, L, M); noise_var (B,), 0 where unknown → channel (B, N, M), score, n_iter, gap.
template <class Sample>
py::tuple solve(const PcAdmmSolver& solver,
                const Contiguous<std::complex<Sample>>& received,
                const Contiguous<double>& noise_var,
                int n_antennas,
                int threads)
{
    const PcAdmmFrames<Sample> frames = frames_from(solver, received, n_antennas, threads);
    const int B = frames.count, N = solver.devices();
    check(noise_var.ndim() == 1 && noise_var.shape(0) == B, "noise_var: expected one number for each frame");
    auto channel = zeros<std::complex<Sample>>({B, N, frames.M});
    auto score = zeros<double>({B, N});
    auto gap = vector_of<double>(B);
    auto n_iter = vector_of<std::int64_t>(B);
    const PcAdmmEstimates<Sample> estimates = {
        channel.mutable_data(), score.mutable_data(), gap.mutable_data(), n_iter.mutable_data()};
    {
        const double* known = noise_var.data();
        py::gil_scoped_release release;
        solver.solve(frames, known, threads, estimates);
    }
    return py::make_tuple(channel, score, n_iter, gap);
}

// received (B, L, M) → σ² (B,).
template <class Sample>
py::array_t<double> estimate_noise_var(const PcAdmmSolver& solver,
                                       const Contiguous<std::complex<Sample>>& received,
                                       int n_antennas,
                                       int threads)
{
    const PcAdmmFrames<Sample> frames = frames_from(solver, received, n_antennas, threads);
    auto noise_var = vector_of<double>(frames.count);
    double* out = noise_var.mutable_data();
    py::gil_scoped_release release;
    solver.estimate_noise_var(frames, threads, out);
    return noise_var;
}

PcAdmmOptions options_from(const py::dict& dict)
{
    PcAdmmOptions options;
    const auto take = [&](const char* name, auto& value) {
        if (dict.contains(name)) {
            value = dict[name].cast<std::decay_t<decltype(value)>>();
        }
    };
    take("r", options.r);
    take("c", options.c);
    take("e", options.e);
    take("beta_factor", options.beta_factor);
    take("lam_ratio", options.lam_ratio);
    take("lam_factor", options.lam_factor);
    take("tol", options.tol);
    take("max_iter", options.max_iter);
    take("check_every", options.check_every);
    take("screen", options.screen);
    take("descend", options.descend);
    return options;
}

template <class Sample>
void bind_for(py::class_<PcAdmmSolver>& bound, const py::arg& received)
{
    bound.def(
        "solve", &solve<Sample>, received, py::arg("noise_var"), py::arg("n_antennas"), py::arg("threads"));
    bound.def("estimate_noise_var",
              &estimate_noise_var<Sample>,
              received,
              py::arg("n_antennas"),
              py::arg("threads"));
}

std::unique_ptr<PcAdmmSolver> make_dense(const Contiguous<Complex>& B,
                                         const Contiguous<Complex>& Q,
                                         const Contiguous<double>& s,
                                         double energy,
                                         const py::dict& options)
{
    check_rotated(B, Q, s);
    return make_dense_solver(
        options_from(options), int(B.shape(0)), int(B.shape(1)), B.data(), Q.data(), s.data(), energy);
}

#ifdef JADCE_FFTW
std::unique_ptr<PcAdmmSolver> make_fast(const std::string& kind,
                                        int pilot_length,
                                        int n_devices,
                                        const Contiguous<std::int64_t>& index,
                                        double bound,
                                        const py::dict& options)
{
    const std::int64_t* first = index.data();
    return make_fast_solver(options_from(options),
                            {kind, pilot_length, n_devices, {first, first + index.size()}, bound});
}

void bind_fast(py::module_& module)
{
    module.def("fast_pc_admm",
               &make_fast,
               "PC-ADMM for a structured pilot book, by transforms.",
               py::arg("kind"),
               py::arg("pilot_length"),
               py::arg("n_devices"),
               py::arg("index"),
               py::arg("bound"),
               py::arg("options"));
}
#endif

} // namespace

void bind_pc_admm(py::module_& module)
{
    py::class_<PcAdmmSolver> bound(
        module, "PcAdmm", "PC-ADMM for a dense pilot book in rotated coordinates.", py::module_local());
    bound.def(py::init(&make_dense),
              py::arg("B"),
              py::arg("Q"),
              py::arg("s"),
              py::arg("energy"),
              py::arg("options"));
    bind_for<float>(bound, py::arg("received").noconvert());
    bind_for<double>(bound, py::arg("received"));
#ifdef JADCE_FFTW
    bind_fast(module);
#endif
}

} // namespace jadce
