// SPDX-License-Identifier: GPL-3.0-or-later
// The module, of a name for each instruction set that a kernel may be built for. The bindings are compiled
// once and linked to the kernel of each.
#include "bindings/parts.hpp"

namespace {

void bind_all(pybind11::module_& module)
{
    module.doc() = "Compiled kernel of gr_jadce; the NumPy forms beside it define what it computes.";
    // backend.py refuses a kernel whose pybind11 does not know the NumPy that is there.
    module.attr("PYBIND11") = pybind11::make_tuple(PYBIND11_VERSION_MAJOR, PYBIND11_VERSION_MINOR);
    jadce::bind_network(module);
    jadce::bind_pc_admm(module);
    jadce::bind_detection(module);
    jadce::bind_sampling(module);
    jadce::bind_covariance(module);
    jadce::bind_asynchrony(module);
    jadce::bind_reports(module);
    jadce::bind_settling(module);
    jadce::bind_payload(module);
}

} // namespace

// Python calls the one that is named as the file.
PYBIND11_MODULE(_kernel_v2, module) { bind_all(module); }
PYBIND11_MODULE(_kernel_v3, module) { bind_all(module); }
PYBIND11_MODULE(_kernel_v4, module) { bind_all(module); }
PYBIND11_MODULE(_kernel_generic, module) { bind_all(module); }
PYBIND11_MODULE(_kernel_native, module) { bind_all(module); }
