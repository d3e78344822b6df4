// SPDX-License-Identifier: GPL-3.0-or-later
// gr_jadce._kernel.PcAdmm: batches of frames in, estimates out.
#ifdef JADCE_FFTW
#include "pilots/fast_pilots.hpp"
#endif
#include "pc_admm/pc_admm.hpp"
#include "pilots/dense_pilots.hpp"

#include <pybind11/complex.h>
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <cstdlib>
#include <mutex>

namespace py = pybind11;

namespace jadce {
namespace {

template <class T>
using Contiguous = py::array_t<T, py::array::c_style | py::array::forcecast>;
using Complex = std::complex<double>;

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

// PC-ADMM in the frames' precision, and in double where single cannot certify the gap.
template <template <class> class Pilots>
class Solver
{
public:
    template <class... Arguments>
    explicit Solver(const PcAdmmOptions& options, Arguments&&... arguments)
        : options_(options), single_(arguments...), twice_(arguments...)
    {
    }

    // received (B, L, M); noise_var (B,), 0 where unknown → channel (B, N, M), score, n_iter, gap.
    template <class Sample>
    py::tuple solve(const Contiguous<std::complex<Sample>>& received,
                    const Contiguous<double>& noise_var,
                    int n_antennas,
                    int threads) const
    {
        check(received, threads);
        const int B = int(received.shape(0)), M = int(received.shape(2)), N = single_.devices;
        if (noise_var.ndim() != 1 || noise_var.shape(0) != B) {
            throw py::value_error("noise_var: expected one number for each frame");
        }
        auto channel = zeros<std::complex<Sample>>({B, N, M});
        auto score = zeros<double>({B, N});
        py::array_t<double> gap(B);
        py::array_t<std::int64_t> n_iter(B);
        const Batch<Sample> batch = {*this,
                                     received.data(),
                                     noise_var.data(),
                                     M,
                                     n_antennas,
                                     channel.mutable_data(),
                                     score.mutable_data(),
                                     gap.mutable_data(),
                                     n_iter.mutable_data()};
        {
            py::gil_scoped_release release;
            const bool done = single_may_do<Sample>() ? in_step<float>(single_, B, M, threads, batch)
                                                      : in_step<double>(twice_, B, M, threads, batch);
            if (!done) {
                run<Sample>(B, M, threads, [&](int frame, auto& solver, auto& workspace) {
                    return batch.solve(frame, solver, workspace);
                });
            }
        }
        return py::make_tuple(channel, score, n_iter, gap);
    }

    // σ² (B,) by the scaled LASSO.
    template <class Sample>
    py::array_t<double>
    estimate_noise_var(const Contiguous<std::complex<Sample>>& received, int n_antennas, int threads) const
    {
        check(received, threads);
        const int B = int(received.shape(0)), L = single_.length, M = int(received.shape(2));
        py::array_t<double> noise_var(B);
        const auto* samples = received.data();
        double* out = noise_var.mutable_data();
        const auto work = [&](int frame, auto& solver, auto& workspace) {
            const double scale = load_frame(solver, workspace, samples + std::size_t(frame) * L * M);
            out[frame] = solver.noise_var(workspace, solver.lam_max(workspace), n_antennas) / (scale * scale);
            return true;
        };
        {
            py::gil_scoped_release release;
            run<Sample>(B, M, threads, work);
        }
        return noise_var;
    }

private:
    struct Prepared
    {
        double scale, lam, lam_peak; // by which samples were multiplied; λ and the largest that counts
    };

    // Frames, and where their estimates go: zeroed arrays.
    template <class Sample>
    struct Batch
    {
        const Solver& self;
        const std::complex<Sample>* samples; // (B, L, M)
        const double* noise_var;
        int M, n_antennas;
        std::complex<Sample>* channel; // (B, N, M)
        double* score;                 // (B, N)
        double* gap;
        std::int64_t* n_iter;

        // One frame; whether this precision could certify it.
        template <class Solve, class Workspace>
        bool solve(int frame, const Solve& solver, Workspace& workspace) const
        {
            const Prepared given = prepare(frame, solver, workspace);
            const Certified found = solver.solve(workspace, given.lam, given.lam_peak, self.options_.tol);
            return take(frame, workspace, given.scale, found);
        }

        // Some frames in step; in double precision, one by one, those that single could not certify.
        template <class Solve, class Group>
        void solve(int first, int count, const Solve& solver, Group& group) const
        {
            std::vector<typename Solve::Problem> problems;
            std::vector<double> scales;
            for (int i = 0; i < count; ++i) {
                const Prepared given = prepare(first + i, solver, *group.works[i]);
                problems.push_back({group.works[i].get(), given.lam, given.lam_peak});
                scales.push_back(given.scale);
            }
            solver.solve(problems, self.options_.tol, group.shared);
            for (int i = 0; i < count; ++i) {
                if (!take(first + i, *problems[i].work, scales[i], problems[i].found)) {
                    typename PcAdmm<Pilots<double>>::Workspace workspace(self.twice_, M);
                    solve(first + i, PcAdmm<Pilots<double>>(self.twice_, self.options_), workspace);
                }
            }
        }

        // Loads a frame, and finds its λ.
        template <class Solve, class Workspace>
        Prepared prepare(int frame, const Solve& solver, Workspace& workspace) const
        {
            const std::size_t size = std::size_t(self.single_.length) * M;
            const double scale = self.load_frame(solver, workspace, samples + frame * size);
            const double lam_peak = solver.lam_max(workspace), known = noise_var[frame] * scale * scale;
            if (self.options_.lam_ratio > 0) {
                return {scale, self.options_.lam_ratio * lam_peak, lam_peak};
            }
            const double found = known > 0 ? known : solver.noise_var(workspace, lam_peak, n_antennas);
            return {scale, solver.lam_for(found, n_antennas), lam_peak};
        }

        // The estimate in the workspace, if it is certain.
        template <class Workspace>
        bool take(int frame, const Workspace& workspace, double scale, const Certified& found) const
        {
            gap[frame] = found.gap;
            n_iter[frame] = found.n_iter;
            const int N = self.single_.devices, *active = workspace.all.active.data();
            const std::size_t place = std::size_t(frame) * N;
            const int count = found.certain ? workspace.all.n_active : 0;
            const auto* Z = workspace.all.Z.data();
            some_from_planar(Z, N, active, count, M, 1 / scale, channel + place * M);
            for (int i = 0; i < count; ++i) {
                score[place + active[i]] = double(workspace.all.norm[active[i]]) / scale;
            }
            return found.certain;
        }
    };

    template <class T>
    void check(const Contiguous<std::complex<T>>& received, int threads) const
    {
        if (received.ndim() != 3 || received.shape(1) != single_.length || received.shape(2) < 1) {
            throw py::value_error("received: expected frames (B, L, M) of the pilots' length");
        }
        if (threads < 1) {
            throw py::value_error("threads: expected at least 1");
        }
    }

    struct Both
    {
        int M = 0;
        std::unique_ptr<typename PcAdmm<Pilots<float>>::Workspace> single;
        std::unique_ptr<typename PcAdmm<Pilots<double>>::Workspace> twice;
    };

    // A thread's workspaces, kept from call to call: pages of memory new to a process take time.
    struct Lease
    {
        Lease(const Solver& solver, int M) : solver(solver)
        {
            const std::lock_guard<std::mutex> lock(solver.spare_lock_);
            if (!solver.spare_.empty() && solver.spare_.back().M == M) {
                both = std::move(solver.spare_.back());
                solver.spare_.pop_back();
            } else {
                solver.spare_.clear();
                both.M = M;
            }
        }
        Lease(const Lease&) = delete;
        Lease& operator=(const Lease&) = delete;
        ~Lease()
        {
            const std::lock_guard<std::mutex> lock(solver.spare_lock_);
            solver.spare_.push_back(std::move(both));
        }
        const Solver& solver;
        Both both;
    };

    template <class Sample>
    bool single_may_do() const
    {
        return sizeof(Sample) == sizeof(float) && options_.tol >= 1e-5;
    }

    // What frames in step are solved with.
    template <class T>
    struct Group
    {
        using Workspace = typename PcAdmm<Pilots<T>>::Workspace;
        Group(const Pilots<T>& pilots, int M, int size) : shared(pilots, size * M)
        {
            for (int i = 0; i < size; ++i) {
                works.push_back(std::make_unique<Workspace>(pilots, M));
            }
        }
        std::vector<std::unique_ptr<Workspace>> works;
        typename PcAdmm<Pilots<T>>::Shared shared;
    };

    // Solves all frames, some of them in step; false, and nothing, where each goes alone.
    template <class T, class Frames>
    bool in_step(const Pilots<T>& pilots, int frames, int M, int threads, const Frames& batch) const
    {
        const PcAdmm<Pilots<T>> solver(pilots, options_);
        const int size = solver.in_step(M);
        if (std::min(size, frames) <= 1) {
            return false;
        }
        for_each_frame((frames + size - 1) / size,
                       threads,
                       [&] { return Group<T>(pilots, M, size); },
                       [&](int part, Group<T>& group) {
                           batch.solve(part * size, std::min(size, frames - part * size), solver, group);
                       });
        return true;
    }

    // work(frame, solver, workspace) for every frame: in single precision if that may do, and in
    // double where it then returns false.
    template <class Sample, class Work>
    void run(int frames, int M, int threads, Work work) const
    {
        const PcAdmm<Pilots<float>> single(single_, options_);
        const PcAdmm<Pilots<double>> twice(twice_, options_);
        const bool may = single_may_do<Sample>();
        for_each_frame(
            frames,
            threads,
            [&] { return Lease(*this, M); },
            [&](int frame, Lease& lease) {
                Both& both = lease.both;
                if (may && !both.single) {
                    both.single = std::make_unique<typename PcAdmm<Pilots<float>>::Workspace>(single_, M);
                }
                if (may && work(frame, single, *both.single)) {
                    return;
                }
                if (!both.twice) {
                    both.twice = std::make_unique<typename PcAdmm<Pilots<double>>::Workspace>(twice_, M);
                }
                work(frame, twice, *both.twice);
            });
    }

    // Y, scaled by the power of two returned.
    template <class Solve, class Workspace, class Sample>
    double load_frame(const Solve& solver, Workspace& workspace, const std::complex<Sample>* samples) const
    {
        const int L = single_.length, M = workspace.M;
        const double scale = scale_of(samples, std::size_t(L) * M);
        to_planar(samples, L, M, scale, workspace.samples.data());
        solver.load(workspace);
        return scale;
    }

    const PcAdmmOptions options_;
    const Pilots<float> single_;
    const Pilots<double> twice_;
    mutable std::mutex spare_lock_;
    mutable std::vector<Both> spare_;
};

using DenseSolver = Solver<DensePilots>;

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
    take("dense", options.dense);
    take("descend", options.descend);
    return options;
}

std::unique_ptr<DenseSolver> make_dense(const Contiguous<Complex>& B,
                                        const Contiguous<Complex>& Q,
                                        const Contiguous<double>& s,
                                        double energy,
                                        const py::dict& options)
{
    if (B.ndim() != 2 || B.size() == 0) {
        throw py::value_error("B: expected a matrix (L, N)");
    }
    const py::ssize_t L = B.shape(0), N = B.shape(1);
    if (Q.ndim() != 2 || Q.shape(0) != L || Q.shape(1) != L || s.ndim() != 1 || s.shape(0) != L) {
        throw py::value_error("Q, s: expected (L, L) and (L,) with the L of B");
    }
    return std::make_unique<DenseSolver>(
        options_from(options), int(L), int(N), B.data(), Q.data(), s.data(), energy);
}

#ifdef JADCE_FFTW
using FastSolver = Solver<FastPilots>;

std::unique_ptr<FastSolver> make_fast(const std::string& kind,
                                      int pilot_length,
                                      int n_devices,
                                      const Contiguous<std::int64_t>& index,
                                      double bound,
                                      const py::dict& options)
{
    const std::int64_t* first = index.data();
    return std::make_unique<FastSolver>(
        options_from(options), FastBook{kind, pilot_length, n_devices, {first, first + index.size()}, bound});
}
#endif

template <class Class>
void bind_solver(py::class_<Class>& bound)
{
    bound.def("solve",
              &Class::template solve<float>,
              py::arg("received").noconvert(),
              py::arg("noise_var"),
              py::arg("n_antennas"),
              py::arg("threads"));
    bound.def("solve",
              &Class::template solve<double>,
              py::arg("received"),
              py::arg("noise_var"),
              py::arg("n_antennas"),
              py::arg("threads"));
    bound.def("estimate_noise_var",
              &Class::template estimate_noise_var<float>,
              py::arg("received").noconvert(),
              py::arg("n_antennas"),
              py::arg("threads"));
    bound.def("estimate_noise_var",
              &Class::template estimate_noise_var<double>,
              py::arg("received"),
              py::arg("n_antennas"),
              py::arg("threads"));
}

} // namespace

void bind_pc_admm(py::module_& module)
{
    py::class_<DenseSolver> dense(module, "PcAdmm", "PC-ADMM for a dense pilot book in rotated coordinates.");
    dense.def(py::init(&make_dense),
              py::arg("B"),
              py::arg("Q"),
              py::arg("s"),
              py::arg("energy"),
              py::arg("options"));
    bind_solver(dense);
#ifdef JADCE_FFTW
    py::class_<FastSolver> fast(module, "FastPcAdmm", "PC-ADMM for a structured pilot book, by transforms.");
    fast.def(py::init(&make_fast),
             py::arg("kind"),
             py::arg("pilot_length"),
             py::arg("n_devices"),
             py::arg("index"),
             py::arg("bound"),
             py::arg("options"));
    bind_solver(fast);
#endif
}

} // namespace jadce
