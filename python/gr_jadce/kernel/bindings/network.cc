// SPDX-License-Identifier: GPL-3.0-or-later
// Network of the module.
#include "bindings/arguments.hpp"
#include "bindings/parts.hpp"
#include "network/frame_network.hpp"

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace jadce {
namespace {

using Weights = std::map<std::string, Contiguous<float>>;

// The entries of `name` that belong to layer k.
const float* part(const Weights& weights, const char* name, int k, int size)
{
    const auto found = weights.find(name);
    const bool fits = found != weights.end() && found->second.ndim() > 0 && k < found->second.shape(0) &&
                      found->second.size() == found->second.shape(0) * size;
    check(fits, (std::string(name) + ": missing, or of another shape than expected").c_str());
    return found->second.data() + std::size_t(k) * size;
}

Layer layer_from(const Weights& weights, int k)
{
    Layer layer;
    const auto take = [&](const char* name, auto& values) {
        const int size = int(sizeof values / sizeof(float)); // of a number, or of an array of them
        std::copy_n(part(weights, name, k, size), size, reinterpret_cast<float*>(&values));
    };
    take("error_gain", layer.error_gain);
    take("error_mix", layer.error_mix);
    take("noise_floor", layer.noise_floor);
    take("beta", layer.beta);
    take("reflect", layer.reflect);
    take("power", layer.power);
    take("power_keep", layer.power_keep);
    take("prior", layer.prior);
    take("prior_keep", layer.prior_keep);
    take("noise", layer.noise);
    take("slope", layer.slope);
    take("spread", layer.spread);
    take("damping", layer.damping);
    take("dual_gain", layer.dual_gain);
    take("squeeze_weight", layer.squeeze_weight);
    take("squeeze_bias", layer.squeeze_bias);
    take("excite_weight", layer.excite_weight);
    take("excite_bias", layer.excite_bias);
    return layer;
}

std::unique_ptr<FrameNetwork> network_of(const Contiguous<Complex>& B,
                                         const Contiguous<Complex>& Q,
                                         const Contiguous<double>& s,
                                         double energy,
                                         const Weights& weights,
                                         const std::vector<int>& order)
{
    check_rotated(B, Q, s);
    std::vector<Layer> layers;
    for (const int k : order) {
        layers.push_back(layer_from(weights, k));
    }
    return make_network(
        int(B.shape(0)), int(B.shape(1)), B.data(), Q.data(), s.data(), energy, std::move(layers));
}

// received (B, L, M), noise_var (B,) with 0 for unknown → channel (B, N, M), score, n_iter.
template <class Sample>
py::tuple run(const FrameNetwork& network,
              const Contiguous<std::complex<Sample>>& received,
              const Contiguous<double>& noise_var,
              double tol,
              int threads)
{
    check(received.ndim() == 3 && received.shape(1) == network.length() && received.shape(2) > 0,
          "received: expected frames (B, L, M) of the pilots' length");
    check(noise_var.ndim() == 1 && noise_var.shape(0) == received.shape(0),
          "noise_var: expected one number for each frame");
    check(threads > 0, "threads: expected at least 1");
    const int B = int(received.shape(0)), M = int(received.shape(2)), N = network.devices();
    py::array_t<std::complex<Sample>> channel({B, N, M});
    py::array_t<float> score({B, N});
    auto n_iter = vector_of<std::int64_t>(B);
    const NetworkFrames<Sample> frames = {received.data(), noise_var.data(), B, M};
    const NetworkEstimates<Sample> estimates = {
        channel.mutable_data(), score.mutable_data(), n_iter.mutable_data()};
    {
        py::gil_scoped_release release;
        network.run(frames, float(tol), threads, estimates);
    }
    return py::make_tuple(channel, score, n_iter);
}

template <class Sample>
void bind_for(py::class_<FrameNetwork>& bound, const py::arg& received)
{
    bound.def("run", &run<Sample>, received, py::arg("noise_var"), py::arg("tol"), py::arg("threads"));
}

} // namespace

void bind_network(py::module_& module)
{
    py::class_<FrameNetwork> bound(
        module, "Network", "The unrolled network for a dense pilot book.", py::module_local());
    bound.def(py::init(&network_of),
              py::arg("B"),
              py::arg("Q"),
              py::arg("s"),
              py::arg("energy"),
              py::arg("weights"),
              py::arg("order"));
    bind_for<float>(bound, py::arg("received").noconvert());
    bind_for<double>(bound, py::arg("received"));
}

} // namespace jadce
