// SPDX-License-Identifier: GPL-3.0-or-later
// The module, of a name for each instruction set that it is compiled for.
#include "bindings/parts.hpp"

PYBIND11_MODULE(JADCE_MODULE, module)
{
    module.doc() = "Compiled kernel of gr_jadce; the NumPy forms beside it define what it computes.";
    jadce::bind_network(module);
    jadce::bind_pc_admm(module);
    jadce::bind_detection(module);
    jadce::bind_sampling(module);
    jadce::bind_covariance(module);
    jadce::bind_reports(module);
}
