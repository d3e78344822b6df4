// SPDX-License-Identifier: GPL-3.0-or-later
// gr_jadce._kernel: each part of the kernel binds itself, in a file of its own.
#include <pybind11/pybind11.h>

namespace py = pybind11;

namespace jadce {
// Of other files of this directory, one declaration a line:
void bind_network(py::module_& module);
void bind_pc_admm(py::module_& module);
void bind_detection(py::module_& module);
void bind_sampling(py::module_& module);
} // namespace jadce

PYBIND11_MODULE(_kernel, module)
{
    module.doc() = "Compiled kernel of gr_jadce; the NumPy forms beside it define what it computes.";
    jadce::bind_network(module);
    jadce::bind_pc_admm(module);
    jadce::bind_detection(module);
    jadce::bind_sampling(module);
}
