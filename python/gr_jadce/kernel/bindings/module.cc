// SPDX-License-Identifier: GPL-3.0-or-later
// The module, of a name for each instruction set that it is compiled for.
#include "bindings/parts.hpp"

PYBIND11_MODULE(JADCE_MODULE, module)
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
}
