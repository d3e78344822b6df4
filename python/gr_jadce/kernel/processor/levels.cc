// SPDX-License-Identifier: GPL-3.0-or-later
// gr_jadce._processor: which kernels this processor can run. It is compiled for any processor of the
// architecture, so that it can be asked before one of them is loaded.
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <string>
#include <vector>

namespace {

// Best first. GCC also asks whether the operating system saves the registers of an instruction set.
std::vector<std::string> levels()
{
    std::vector<std::string> found;
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("x86-64-v4")) {
        found.push_back("v4");
    }
    if (__builtin_cpu_supports("x86-64-v3")) {
        found.push_back("v3");
    }
    if (__builtin_cpu_supports("x86-64-v2")) {
        found.push_back("v2");
    }
#endif
    found.push_back("generic");
    return found;
}

} // namespace

PYBIND11_MODULE(_processor, module)
{
    module.doc() = "What the processor can run.";
    module.def("levels", &levels, "Instruction sets that kernels may be built for, best first.");
}
