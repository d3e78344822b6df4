// SPDX-License-Identifier: GPL-3.0-or-later
// The channels of a support's members.
#pragma once

#include "detection/hermitian.hpp"

#include <cstddef>

namespace jadce {

// X = B T in planes of members, antenna by antenna, T = A_SᴴY, and for each member Re Σ_m conj(t_km) x_km and
// Σ_m |x_km|²; rows of B are conjugated columns.
struct MemberChannels
{
    const Hermitian& inverse;
    const double* target;
    double *channel, *explained, *energies;

    void fit(std::size_t n_antennas) const
    {
        std::size_t m = 0;
        for (; m + 2 <= n_antennas; m += 2) {
            fit_antennas<2>(m);
        }
        for (; m < n_antennas; ++m) {
            fit_antennas<1>(m);
        }
    }

private:
    // C antennas from antenna m on.
    template <int C>
    void fit_antennas(std::size_t m) const
    {
        const std::size_t stride = inverse.stride(), size = inverse.size();
        const double* t = target + 2 * m * stride;
        for (std::size_t i = 0; i < stride; i += lanes<double>) {
            Vec<double> re[C] = {}, im[C] = {}, re_by_im[C] = {}, im_by_re[C] = {};
            for (std::size_t k = 0; k < size; ++k) {
                const Vec<double> b_re = vec(inverse.real(k) + i), b_im = vec(inverse.imag(k) + i);
                for (int c = 0; c < C; ++c) {
                    const double t_re = t[2 * c * stride + k], t_im = t[(2 * c + 1) * stride + k];
                    re[c] += t_re * b_re;
                    im[c] += t_im * b_re;
                    re_by_im[c] += t_im * b_im;
                    im_by_re[c] += t_re * b_im;
                }
            }
            for (int c = 0; c < C; ++c) {
                store(m + c, i, re[c] + re_by_im[c], im[c] - im_by_re[c]);
            }
        }
    }

    // Of antenna m and the members from member i on.
    void store(std::size_t m, std::size_t i, Vec<double> re, Vec<double> im) const
    {
        const std::size_t stride = inverse.stride();
        const double* t = target + 2 * m * stride + i;
        double* x = channel + 2 * m * stride + i;
        vec(x) = re;
        vec(x + stride) = im;
        vec(explained + i) += vec(t) * re + vec(t + stride) * im;
        vec(energies + i) += re * re + im * im;
    }
};

} // namespace jadce
