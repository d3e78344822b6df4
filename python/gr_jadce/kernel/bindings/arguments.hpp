// SPDX-License-Identifier: GPL-3.0-or-later
// The arguments of all bindings.
//
// Each overload for single precision comes first and takes its frames without conversion; the one for
// double precision converts whatever else it is given. The Python callers check all arguments and word
// the errors that users see; the checks here only keep wrong ones from reading beyond an array.
#pragma once

#include "arithmetic/complex.hpp"

#include <pybind11/complex.h>
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <vector>

namespace jadce {

namespace py = pybind11;

template <class T>
using Contiguous = py::array_t<T, py::array::c_style | py::array::forcecast>;

// An array (size,). From a bare count, pybind11 before 2.12 makes one of stride 0 under NumPy 2.
template <class T>
py::array_t<T> vector_of(py::ssize_t size)
{
    return py::array_t<T>(std::vector<py::ssize_t>{size});
}

inline void check(bool good, const char* what)
{
    if (!good) {
        throw py::value_error(what);
    }
}

// A number of a rule by its name.
template <class T>
T field(const py::object& rule, const char* name)
{
    return rule.attr(name).cast<T>();
}

// Pilots in rotated coordinates.
inline void
check_rotated(const Contiguous<Complex>& B, const Contiguous<Complex>& Q, const Contiguous<double>& s)
{
    const py::ssize_t L = B.ndim() == 2 ? B.shape(0) : 0;
    check(B.size() > 0 && L > 0 && Q.ndim() == 2 && Q.shape(0) == L && Q.shape(1) == L && s.ndim() == 1 &&
              s.shape(0) == L,
          "B, Q, s: expected (L, N), (L, L) and (L,)");
}

} // namespace jadce
