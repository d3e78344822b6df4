// SPDX-License-Identifier: GPL-3.0-or-later
// What a support leaves of every device's pilot, and of the frame in its direction.
#pragma once

#include "detection/gram.hpp"
#include "detection/hermitian.hpp"
#include "detection/pilot_shares.hpp"
#include "detection/residual.hpp"

#include <algorithm>
#include <limits>
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
          left_(2 * n_antennas * gram_.stride()), least_(gram_.stride())
    {
    }

    // a_nᴴ P a_n.
    double share(std::size_t n) const { return share_[n]; }

    // Takes the members off the pilots and off the frame; `crowded` where they leave little of most pilots.
    void take_off(const FitView& fit, Residual& residual, bool crowded)
    {
        shares_.measure(fit.members, fit.factor, crowded, share_.data());
        along_ = residual.correlate(fit.members, fit.channel, fit.factor.stride());
    }

    // The energy of the frame along what is left of each pilot; 0 where that is next to nothing.
    void statistics(double* t) const
    {
        const std::size_t N = gram_.n_devices();
        std::fill(t, t + N, 0.0);
        for (std::size_t m = 0; m < n_antennas_; ++m) {
            const float *re = along(2 * m), *im = along(2 * m + 1);
            for (std::size_t n = 0; n < N; ++n) {
                t[n] += double(re[n]) * double(re[n]) + double(im[n]) * double(im[n]);
            }
        }
        const double square = along_.factor * along_.factor;
        for (std::size_t n = 0; n < N; ++n) {
            t[n] = share_[n] > independent * gram_.norm(n) ? square * t[n] / share_[n] : 0;
        }
    }

    // t of the device outside that explains most in the place of each member k. Without k, P grows by
    // B_kk v vᴴ, v = A_S B e_k/B_kk.
    void replacement_statistics(const FitView& fit, const Hermitian& inverse, std::vector<double>& best)
    {
        bar_members(fit.members);
        widen();
        best.resize(fit.members.size());
        const std::size_t stride = gram_.stride();
        for (std::size_t k = 0; k < best.size(); ++k) {
            Vec<double> most = {};
            std::size_t n = 0;
            for (; n + 4 * lanes<double> <= stride; n += 4 * lanes<double>) {
                replace<4>(n, fit, inverse, k, most);
            }
            for (; n < stride; n += lanes<double>) {
                replace<1>(n, fit, inverse, k, most);
            }
            best[k] = largest(most);
        }
    }

private:
    // What is left along the pilots, in double precision.
    void widen()
    {
        for (std::size_t plane = 0; plane < 2 * n_antennas_; ++plane) {
            for (std::size_t n = 0; n < gram_.n_devices(); ++n) {
                left_[plane * gram_.stride() + n] = along_.factor * double(along(plane)[n]);
            }
        }
    }

    // The shares that are asked for: none of members and of padding is as large.
    void bar_members(const std::vector<std::size_t>& members)
    {
        std::fill_n(least_.data(), least_.size(), std::numeric_limits<double>::infinity());
        for (std::size_t n = 0; n < gram_.n_devices(); ++n) {
            least_[n] = independent * gram_.norm(n);
        }
        for (const std::size_t n : members) {
            least_[n] = std::numeric_limits<double>::infinity();
        }
    }

    // Of W vectors of devices, from device n on.
    template <int W>
    void replace(
        std::size_t n, const FitView& fit, const Hermitian& inverse, std::size_t k, Vec<double>& most) const
    {
        Vec<double> re[W], im[W];
        find_slope<W>(n, fit.members, inverse, k, re, im);
        const double variance = inverse.real(k)[k];
        for (int w = 0; w < W; ++w) {
            const std::size_t place = n + w * lanes<double>;
            const Vec<double> share = vec(&share_[place]) + variance * (re[w] * re[w] + im[w] * im[w]);
            const Vec<double> energy = energy_along(place, fit, k, re[w], im[w]);
            const Vec<double> t = share > vec(&least_[place]) ? energy / share : Vec<double>{};
            most = t > most ? t : most;
        }
    }

    // conj(a_nᴴ v).
    template <int W>
    void find_slope(std::size_t n,
                    const std::vector<std::size_t>& members,
                    const Hermitian& inverse,
                    std::size_t k,
                    Vec<double>* re,
                    Vec<double>* im) const
    {
        const double scale = 1 / inverse.real(k)[k];
        for (int w = 0; w < W; ++w) {
            re[w] = im[w] = Vec<double>{};
        }
        for (std::size_t j = 0; j < members.size(); ++j) {
            const double a = scale * inverse.real(k)[j], b = scale * inverse.imag(k)[j];
            const double *gram_re = gram_.real(members[j]) + n, *gram_im = gram_.imag(members[j]) + n;
            for (int w = 0; w < W; ++w) {
                const Vec<double> g = vec(gram_re + w * lanes<double>), h = vec(gram_im + w * lanes<double>);
                re[w] += a * g; // each a fused multiply-add
                im[w] += a * h;
                re[w] -= b * h;
                im[w] += b * g;
            }
        }
    }

    // ‖c_n + (a_nᴴ v) x_k‖², c what is left.
    Vec<double>
    energy_along(std::size_t n, const FitView& fit, std::size_t k, Vec<double> p, Vec<double> q) const
    {
        Vec<double> energy = {};
        for (std::size_t m = 0; m < n_antennas_; ++m) {
            const double* x = fit.channel + 2 * m * fit.factor.stride() + k;
            const double x_re = x[0], x_im = x[fit.factor.stride()];
            const Vec<double> re = vec(left(m) + n) + (p * x_re + q * x_im);
            const Vec<double> im = vec(left(m) + gram_.stride() + n) + (p * x_im - q * x_re);
            energy += re * re + im * im;
        }
        return energy;
    }

    static double largest(Vec<double> values)
    {
        double part[lanes<double>];
        __builtin_memcpy(part, &values, sizeof values);
        return *std::max_element(part, part + lanes<double>);
    }

    const float* along(std::size_t plane) const { return along_.planes + plane * gram_.single_stride(); }
    const double* left(std::size_t m) const { return &left_[2 * m * gram_.stride()]; }

    const Gram& gram_;
    const std::size_t n_antennas_;
    PilotShares shares_;
    Residual::Correlations along_;
    Array<double> share_, left_, least_; // (N,) of energies; (M, 2, N) in planes; (N,); padded
};

} // namespace jadce
