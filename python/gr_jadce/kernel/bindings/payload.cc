// SPDX-License-Identifier: GPL-3.0-or-later
// The payload's parts of the module.
#include "bindings/arguments.hpp"
#include "bindings/parts.hpp"
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

} // namespace

void bind_payload(py::module_& module) { module.def("viterbi", &viterbi, py::arg("llr")); }

} // namespace jadce
