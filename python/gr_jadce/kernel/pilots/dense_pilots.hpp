// SPDX-License-Identifier: GPL-3.0-or-later
// Pilots as the algorithms see them: B (L, N) in coordinates in which B Bᴴ = diag(s).
//
// Any class with the members of DensePilots will do. Where B is a fast transform, `selects` is false
// and nothing is ever selected; the rotation is identity for a tight frame. Padding must stay zero.
#pragma once

#include "arithmetic/complex.hpp"
#include "arithmetic/dense.hpp"

#include <algorithm>
#include <cmath>

namespace jadce {

template <class T>
class DensePilots
{
public:
    using Scalar = T;
    struct Scratch
    { // what products need besides their arguments, one for each thread
        Scratch(const DensePilots& pilots, int /*antennas*/)
            : selected(pilots.length, pilots.devices / 2 + 4, true, [](int, int) { return T(0); }),
              spare(Packed<T>::spare_size(std::max({pilots.length, pilots.devices, selected.columns()})))
        {
        }
        Packed<T> selected; // columns of B
        Array<T> spare;
    };
    static constexpr bool selects = true;
    bool has_gram() const { return false; }
    void gram(const int*, int, T*, T*, int) const {}

    // B = QᴴA and Q, row-major, and the eigenvalues s of A Aᴴ; energy is the mean of ‖a_n‖².
    DensePilots(int L, int N, const Complex* B, const Complex* Q, const double* s, double energy)
        : length(L), devices(N), energy(energy), largest_norm(largest(L, N, B)), spectrum(padded<T>(L)),
          columns_(L, N, true, [&](int l, int n) { return std::complex<T>(B[std::size_t(l) * N + n]); }),
          adjoint_(N, L, false, [&](int n, int l) { return std::complex<T>(B[std::size_t(l) * N + n]); }),
          rotation_(L, L, false, [&](int i, int l) { return std::complex<T>(Q[std::size_t(l) * L + i]); })
    {
        std::copy(s, s + L, spectrum.data());
    }

    // out = Qᴴ y.
    void rotate(const T* y, int M, T* out, Scratch& scratch) const
    {
        rotation_.multiply_conjugate(y, padded<T>(length), M, out, scratch.spare.data());
    }

    // out = B x, of which only the listed rows of x are not zero.
    void forward(const T* x, const int* list, int count, int M, T* out, Scratch& scratch) const
    {
        columns_.multiply(
            x, padded<T>(devices), count < devices ? list : nullptr, count, M, out, scratch.spare.data());
    }

    // out = Bᴴ y.
    void adjoint(const T* y, int M, T* out, Scratch& scratch) const
    {
        adjoint_.multiply_conjugate(y, padded<T>(length), M, out, scratch.spare.data());
    }

    // From now on the next two are products with these columns of B only.
    void select(const int* list, int count, Scratch& scratch) const
    {
        scratch.selected.select(columns_, list, count);
    }

    void
    forward_selected(const T* x, int rows, const int* list, int count, int M, T* out, Scratch& scratch) const
    {
        scratch.selected.multiply(
            x, padded<T>(rows), count < rows ? list : nullptr, count, M, out, scratch.spare.data());
    }

    void adjoint_selected(const T* y, int rows, int M, T* out, Scratch& scratch) const
    {
        scratch.selected.dot(y, rows, M, out, padded<T>(rows));
    }

    const int length, devices;
    const double energy, largest_norm; // mean ‖a_n‖², largest ‖a_n‖
    Array<T> spectrum;                 // padded with zeros

private:
    static double largest(int L, int N, const Complex* B)
    {
        double most = 0;
        for (int n = 0; n < N; ++n) {
            double squares = 0;
            for (int l = 0; l < L; ++l) {
                squares += std::norm(B[std::size_t(l) * N + n]);
            }
            most = std::max(most, squares);
        }
        return std::sqrt(most);
    }

    Packed<T> columns_, adjoint_, rotation_;
};

} // namespace jadce
