// SPDX-License-Identifier: GPL-3.0-or-later
// What a support leaves of every device's pilot, and of the frame in its direction.
#pragma once

#include "detection/gram.hpp"
#include "detection/hermitian.hpp"
#include "detection/pilot_shares.hpp"
#include "detection/residual.hpp"

#include <algorithm>
#include <vector>

namespace jadce {

constexpr double independent = 1e-6; // least share of a pilot's energy off the span of the others

// A fit on some members: the lower triangular T with TᴴT = B, and channels B A_SᴴY in planes, as many real
// parts as T has in a row, then imaginary ones, of each antenna.
struct FitView
{
    const std::vector<std::size_t>& members;
    const Hermitian& factor;
    const double* channel;
};

class OffSupport
{
public:
    OffSupport(const BookArrays& book, std::size_t n_antennas)
        : gram_(book.gram), n_antennas_(n_antennas), shares_(gram_), share_(gram_.stride()),
          left_(2 * n_antennas * gram_.stride()), slope_(2 * gram_.stride()), energy_(gram_.stride())
    {
    }

    // a_nᴴ P a_n.
    double share(std::size_t n) const { return share_[n]; }

    // Takes the members off the pilots and off the frame; `crowded` where they leave little of most pilots.
    void take_off(const FitView& fit, Residual& residual, bool crowded)
    {
        shares_.measure(fit.members, fit.factor, crowded, share_.data());
        residual.correlate(fit.members, fit.channel, fit.factor.stride(), left_.data());
    }

    // The energy of the frame along what is left of each pilot; 0 where that is next to nothing.
    void statistics(double* t) const
    {
        const std::size_t N = gram_.n_devices();
        std::fill(t, t + N, 0.0);
        for (std::size_t m = 0; m < n_antennas_; ++m) {
            const double *re = left(m), *im = re + gram_.stride();
            for (std::size_t n = 0; n < N; ++n) {
                t[n] += re[n] * re[n] + im[n] * im[n];
            }
        }
        for (std::size_t n = 0; n < N; ++n) {
            t[n] = share_[n] > independent * gram_.norm(n) ? t[n] / share_[n] : 0;
        }
    }

    // t of the device outside that explains most in the place of member k. Without k, P grows by B_kk v vᴴ,
    // v = A_S B e_k/B_kk.
    double replacement_statistic(const FitView& fit, const Hermitian& inverse, std::size_t k)
    {
        find_slope(fit.members, inverse, k);
        add_energy_along_slope(fit, k);
        const double* slope_im = slope_.data() + gram_.stride();
        double best = 0;
        for (std::size_t n = 0, j = 0; n < gram_.n_devices(); ++n) {
            if (j < fit.members.size() && fit.members[j] == n) {
                ++j;
                continue;
            }
            const double along = slope_[n] * slope_[n] + slope_im[n] * slope_im[n];
            const double share = share_[n] + inverse.real(k)[k] * along;
            if (share > independent * gram_.norm(n)) {
                best = std::max(best, energy_[n] / share);
            }
        }
        return best;
    }

private:
    // conj(a_nᴴ v).
    void find_slope(const std::vector<std::size_t>& members, const Hermitian& inverse, std::size_t k)
    {
        const std::size_t stride = gram_.stride();
        const double scale = 1 / inverse.real(k)[k];
        std::fill_n(slope_.data(), 2 * stride, 0.0);
        for (std::size_t j = 0; j < members.size(); ++j) {
            const double re = scale * inverse.real(k)[j], im = scale * inverse.imag(k)[j];
            const double *gram_re = gram_.real(members[j]), *gram_im = gram_.imag(members[j]);
            for (std::size_t n = 0; n < stride; n += lanes<double>) {
                const Vec<double> g = vec(gram_re + n), h = vec(gram_im + n);
                vec(&slope_[n]) += re * g - im * h;
                vec(&slope_[stride + n]) += re * h + im * g;
            }
        }
    }

    // ‖c_n + (a_nᴴ v) x_k‖², c what is left.
    void add_energy_along_slope(const FitView& fit, std::size_t k)
    {
        const std::size_t stride = gram_.stride();
        std::fill_n(energy_.data(), stride, 0.0);
        for (std::size_t m = 0; m < n_antennas_; ++m) {
            const double* x = fit.channel + 2 * m * fit.factor.stride() + k;
            const double x_re = x[0], x_im = x[fit.factor.stride()];
            for (std::size_t n = 0; n < stride; n += lanes<double>) {
                const Vec<double> p = vec(&slope_[n]), q = vec(&slope_[stride + n]);
                const Vec<double> re = vec(left(m) + n) + (p * x_re + q * x_im);
                const Vec<double> im = vec(left(m) + stride + n) + (p * x_im - q * x_re);
                vec(&energy_[n]) += re * re + im * im;
            }
        }
    }

    double* left(std::size_t m) { return &left_[2 * m * gram_.stride()]; }
    const double* left(std::size_t m) const { return &left_[2 * m * gram_.stride()]; }

    const Gram& gram_;
    const std::size_t n_antennas_;
    PilotShares shares_;
    Array<double> share_, left_;   // (N,) of energies, and (M, 2, N) in planes, padded
    Array<double> slope_, energy_; // of a replacement, (2, N) in planes, and (N,)
};

} // namespace jadce
