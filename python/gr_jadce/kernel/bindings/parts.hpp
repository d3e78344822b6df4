// SPDX-License-Identifier: GPL-3.0-or-later
// The parts of the module, each bound in a file of its own.
#pragma once

#include <pybind11/pybind11.h>

namespace jadce {

void bind_asynchrony(pybind11::module_& module);
void bind_covariance(pybind11::module_& module);
void bind_detection(pybind11::module_& module);
void bind_network(pybind11::module_& module);
void bind_payload(pybind11::module_& module);
void bind_pc_admm(pybind11::module_& module);
void bind_reports(pybind11::module_& module);
void bind_sampling(pybind11::module_& module);
void bind_settling(pybind11::module_& module);

} // namespace jadce
