// SPDX-License-Identifier: GPL-3.0-or-later
// gr_jadce._kernel.Network: batches of frames in, estimates out.
#include "network/network.hpp"
#include "pilots/dense_pilots.hpp"

#include <pybind11/complex.h>
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

namespace py = pybind11;

namespace jadce {
namespace {

template <class T>
using Contiguous = py::array_t<T, py::array::c_style | py::array::forcecast>;
using Pilots = DensePilots<float>;
using Weights = std::map<std::string, Contiguous<float>>;

// The entries of `name` that belong to layer k.
const float* part(const Weights& weights, const char* name, int k, int size)
{
    const auto found = weights.find(name);
    if (found == weights.end() || found->second.ndim() < 1 || k >= found->second.shape(0) ||
        found->second.size() != found->second.shape(0) * size) {
        throw py::value_error(std::string(name) + ": missing, or of another shape than expected");
    }
    return found->second.data() + std::size_t(k) * size;
}

Layer layer_from(const Weights& weights, int k)
{
    Layer layer;
    const std::pair<const char*, float*> scalars[] = {
        {"error_gain", &layer.error_gain},
        {"error_mix", &layer.error_mix},
        {"noise_floor", &layer.noise_floor},
        {"beta", &layer.beta},
        {"reflect", &layer.reflect},
        {"power", &layer.power},
        {"power_keep", &layer.power_keep},
        {"prior", &layer.prior},
        {"prior_keep", &layer.prior_keep},
        {"noise", &layer.noise},
        {"slope", &layer.slope},
        {"spread", &layer.spread},
        {"damping", &layer.damping},
        {"dual_gain", &layer.dual_gain},
    };
    for (const auto& [name, value] : scalars) {
        *value = *part(weights, name, k, 1);
    }
    const auto take = [&](const char* name, auto& array) {
        const int size = int(array.size());
        const float* values = part(weights, name, k, size);
        std::copy(values, values + size, array.begin());
    };
    take("squeeze_weight", layer.squeeze_weight);
    take("squeeze_bias", layer.squeeze_bias);
    take("excite_weight", layer.excite_weight);
    take("excite_bias", layer.excite_bias);
    return layer;
}

class DenseNetwork
{
public:
    DenseNetwork(const Contiguous<std::complex<double>>& B,
                 const Contiguous<std::complex<double>>& Q,
                 const Contiguous<double>& s,
                 double energy,
                 const Weights& weights,
                 const std::vector<int>& order)
        : energy_(energy),
          pilots_(checked_length(B, Q, s), int(B.shape(1)), B.data(), Q.data(), s.data(), 1.0)
    {
        for (const int k : order) {
            layers_.push_back(layer_from(weights, k));
        }
    }

    // received (B, L, M), noise_var (B,) with 0 for unknown → channel (B, N, M), score, n_iter.
    template <class Sample>
    py::tuple run(const Contiguous<std::complex<Sample>>& received,
                  const Contiguous<double>& noise_var,
                  double tol,
                  int threads) const
    {
        const int L = pilots_.length, N = pilots_.devices;
        if (received.ndim() != 3 || received.shape(1) != L || received.shape(2) < 1 ||
            noise_var.ndim() != 1 || noise_var.shape(0) != received.shape(0) || threads < 1) {
            throw py::value_error("received, noise_var, threads: expected (B, L, M), (B,) and at least 1");
        }
        const int B = int(received.shape(0)), M = int(received.shape(2));
        py::array_t<std::complex<Sample>> channel({B, N, M});
        py::array_t<float> score({B, N});
        py::array_t<std::int64_t> n_iter(B);
        const auto* samples = received.data();
        const double* noise = noise_var.data();
        auto* out = channel.mutable_data();
        float* scores = score.mutable_data();
        auto* layers = n_iter.mutable_data();
        const Network<Pilots> network(pilots_, layers_);
        {
            py::gil_scoped_release release;
            for_each_frame(
                B,
                threads,
                [&] { return Network<Pilots>::Workspace(pilots_, M); },
                [&](int frame, auto& work) {
                    const std::size_t place = std::size_t(frame) * N;
                    const double scale = load(work, samples + std::size_t(frame) * L * M);
                    layers[frame] = network.run(work, relative(noise[frame], scale), float(tol));
                    from_planar(work.estimate.data(), N, M, scale / std::sqrt(energy_), out + place * M);
                    std::copy(work.score.data(), work.score.data() + N, scores + place);
                });
        }
        return py::make_tuple(channel, score, n_iter);
    }

private:
    static int checked_length(const Contiguous<std::complex<double>>& B,
                              const Contiguous<std::complex<double>>& Q,
                              const Contiguous<double>& s)
    {
        if (B.ndim() != 2 || B.size() == 0 || Q.ndim() != 2 || Q.shape(0) != B.shape(0) ||
            Q.shape(1) != B.shape(0) || s.ndim() != 1 || s.shape(0) != B.shape(0)) {
            throw py::value_error("B, Q, s: expected (L, N), (L, L) and (L,)");
        }
        return int(B.shape(0));
    }

    // The frame at unit energy a device, and the amplitude that was divided out.
    template <class Work, class Sample>
    double load(Work& work, const std::complex<Sample>* samples) const
    {
        const int L = pilots_.length;
        const std::size_t count = std::size_t(L) * work.M;
        double power = 0;
        for (std::size_t i = 0; i < count; ++i) {
            const double re = samples[i].real(), im = samples[i].imag();
            power += re * re + im * im;
        }
        power *= double(L) / double(count) / pilots_.devices;
        const double scale = power > 0 ? std::sqrt(power) : 1.0;
        to_planar(samples, L, work.M, 1 / scale, work.samples.data());
        return scale;
    }

    float relative(double noise_var, double scale) const
    {
        if (!(noise_var > 0)) {
            return 0;
        }
        const double most = 2.0 * pilots_.devices / pilots_.length; // a frame's energy is N/L a sample
        return float(std::min(std::max(noise_var / (scale * scale), 1e-7), most));
    }

    const double energy_;
    const Pilots pilots_;
    std::vector<Layer> layers_;
};

} // namespace

void bind_network(py::module_& module)
{
    py::class_<DenseNetwork>(module, "Network", "The unrolled network for a dense pilot book.")
        .def(py::init<const Contiguous<std::complex<double>>&,
                      const Contiguous<std::complex<double>>&,
                      const Contiguous<double>&,
                      double,
                      const Weights&,
                      const std::vector<int>&>(),
             py::arg("B"),
             py::arg("Q"),
             py::arg("s"),
             py::arg("energy"),
             py::arg("weights"),
             py::arg("order"))
        .def("run",
             &DenseNetwork::run<float>,
             py::arg("received").noconvert(),
             py::arg("noise_var"),
             py::arg("tol"),
             py::arg("threads"))
        .def("run",
             &DenseNetwork::run<double>,
             py::arg("received"),
             py::arg("noise_var"),
             py::arg("tol"),
             py::arg("threads"));
}

} // namespace jadce
