// SPDX-License-Identifier: GPL-3.0-or-later
// The payload's parts of the module.
#include "bindings/arguments.hpp"
#include "bindings/parts.hpp"
#include "payload/equalizer.hpp"
#include "payload/viterbi.hpp"

namespace jadce {
namespace {

py::array_t<std::uint8_t> viterbi(const Contiguous<float>& llr)
{
    check(llr.ndim() == 2 && llr.shape(1) % 2 == 0, "llr: expected (K, 2n)");
    const py::ssize_t K = llr.shape(0), n = llr.shape(1) / 2;
    py::array_t<std::uint8_t> bits(std::vector<py::ssize_t>{K, n});
    const float* from = llr.data();
    std::uint8_t* to = bits.mutable_data();
    py::gil_scoped_release release;
    viterbi_all(std::size_t(K), std::size_t(n), from, to);
    return bits;
}

py::tuple equalize(const Contiguous<std::complex<float>>& signatures,
                   const Contiguous<std::complex<float>>& windows,
                   int overlap,
                   int threads)
{
    check(signatures.ndim() == 4 && windows.ndim() == 3 && signatures.size() > 0 &&
              signatures.shape(2) <= most_symbols,
          "signatures: expected (B, I, n, w), n of at most 64");
    const EqualizerSizes sizes = {int(signatures.shape(0)),
                                  int(signatures.shape(1)),
                                  int(signatures.shape(2)),
                                  int(signatures.shape(3)),
                                  overlap};
    check(windows.shape(0) == sizes.B && windows.shape(1) == sizes.I && windows.shape(2) == sizes.w,
          "windows: expected (B, I, w)");
    check(overlap >= 0 && overlap <= sizes.w && threads > 0, "overlap, threads: out of range");
    const std::vector<py::ssize_t> shape = {sizes.B, sizes.I, sizes.n};
    py::array_t<std::complex<float>> symbols(shape);
    py::array_t<float> variance(shape);
    auto* to = symbols.mutable_data();
    auto* spread = variance.mutable_data();
    {
        py::gil_scoped_release release;
        equalize_all(sizes, signatures.data(), windows.data(), to, spread, threads);
    }
    return py::make_tuple(symbols, variance);
}

} // namespace

void bind_payload(py::module_& module)
{
    module.def("viterbi", &viterbi, py::arg("llr"));
    module.def("equalize",
               &equalize,
               py::arg("signatures"),
               py::arg("windows"),
               py::arg("overlap"),
               py::arg("threads"));
}

} // namespace jadce
