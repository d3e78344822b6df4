// SPDX-License-Identifier: GPL-3.0-or-later
#include "bindings/parts.hpp"

PYBIND11_MODULE(_kernel, module)
{
    module.doc() = "Compiled kernel of gr_jadce; the NumPy forms beside it define what it computes.";
    jadce::bind_network(module);
    jadce::bind_pc_admm(module);
    jadce::bind_detection(module);
    jadce::bind_sampling(module);
}
