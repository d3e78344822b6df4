// SPDX-License-Identifier: GPL-3.0-or-later
// What a support leaves of every device's pilot, a_nᴴ P a_n: ‖a_n‖² less its energy along the orthonormal
// u_i = Σ_{k≤i} conj(T_ik) a_k. In single precision where that leaves much: it takes most of the time of all
// statistics.
#pragma once

#include "detection/gram.hpp"
#include "detection/hermitian.hpp"

#include <cmath>
#include <vector>

namespace jadce {

class PilotShares
{
public:
    explicit PilotShares(const Gram& gram)
        : gram_(gram), single_(gram.single_stride()), double_(gram.stride())
    {
    }

    // Of the lower triangular T with TᴴT = B; `crowded` where little is left of most pilots.
    void
    measure(const std::vector<std::size_t>& members, const Hermitian& factor, bool crowded, double* share)
    {
        if (crowded) {
            measure_all<double>(members, factor, double_.data());
            for (std::size_t n = 0; n < gram_.n_devices(); ++n) {
                share[n] = gram_.norm(n) - double_[n];
            }
        } else {
            measure_all<float>(members, factor, single_.data());
            take_single(members, factor, share);
        }
    }

private:
    // But for those of which so little is left that they are computed anew; of members nobody asks.
    void take_single(const std::vector<std::size_t>& members, const Hermitian& factor, double* share) const
    {
        constexpr double small = 0.1; // of a pilot's energy
        for (std::size_t n = 0, k = 0; n < gram_.n_devices(); ++n) {
            share[n] = gram_.norm(n) - gram_.scale() * double(single_[n]);
            if (k < members.size() && members[k] == n) {
                ++k;
            } else if (share[n] < small * gram_.norm(n)) {
                share[n] = exact(n, members, factor);
            }
        }
    }

    // Σ_i |u_iᴴ a_n|² of every device.
    template <class T>
    void measure_all(const std::vector<std::size_t>& members, const Hermitian& factor, T* energy)
    {
        const std::vector<T>& rows = rows_of<T>(factor);
        const std::size_t stride = padded<T>(int(gram_.n_devices()));
        std::size_t n = 0;
        for (; n + 4 * lanes<T> <= stride; n += 4 * lanes<T>) {
            measure_part<T, 4>(n, members, rows.data(), energy);
        }
        for (; n < stride; n += lanes<T>) {
            measure_part<T, 1>(n, members, rows.data(), energy);
        }
    }

    // T's lower half, in the scale of the Gram matrix, row after row, real and imaginary parts in turn.
    template <class T>
    const std::vector<T>& rows_of(const Hermitian& factor)
    {
        const double scale = sizeof(T) == sizeof(float) ? std::sqrt(gram_.scale()) : 1;
        std::vector<T>& rows = rows_in(T());
        rows.clear();
        for (std::size_t i = 0; i < factor.size(); ++i) {
            for (std::size_t k = 0; k <= i; ++k) {
                rows.push_back(T(scale * factor.real(i)[k]));
                rows.push_back(T(scale * factor.imag(i)[k]));
            }
        }
        return rows;
    }

    // Of W vectors of devices, from device n on.
    template <class T, int W>
    void measure_part(std::size_t n, const std::vector<std::size_t>& members, const T* row, T* energy) const
    {
        Vec<T> all[W] = {};
        for (std::size_t i = 0; i < members.size(); ++i) {
            Vec<T> re[W] = {}, im[W] = {};
            for (std::size_t k = 0; k <= i; ++k, row += 2) {
                const T *gram_re = real(members[k], T()) + n, *gram_im = imag(members[k], T()) + n;
                for (int w = 0; w < W; ++w) {
                    const Vec<T> g = vec(gram_re + w * lanes<T>), h = vec(gram_im + w * lanes<T>);
                    re[w] += row[0] * g; // each a fused multiply-add
                    im[w] += row[0] * h;
                    re[w] -= row[1] * h;
                    im[w] += row[1] * g;
                }
            }
            for (int w = 0; w < W; ++w) {
                all[w] += re[w] * re[w] + im[w] * im[w];
            }
        }
        for (int w = 0; w < W; ++w) {
            vec(energy + n + w * lanes<T>) = all[w];
        }
    }

    double exact(std::size_t n, const std::vector<std::size_t>& members, const Hermitian& factor) const
    {
        double share = gram_.norm(n);
        for (std::size_t i = 0; i < members.size(); ++i) {
            Complex along = 0;
            for (std::size_t k = 0; k <= i; ++k) {
                along += Complex(factor.real(i)[k], factor.imag(i)[k]) * gram_.at(members[k], n);
            }
            share -= energy_of(along);
        }
        return share;
    }

    const double* real(std::size_t m, double) const { return gram_.real(m); }
    const double* imag(std::size_t m, double) const { return gram_.imag(m); }
    const float* real(std::size_t m, float) const { return gram_.single(m); }
    const float* imag(std::size_t m, float) const { return gram_.single(m) + gram_.single_stride(); }
    std::vector<double>& rows_in(double) { return double_rows_; }
    std::vector<float>& rows_in(float) { return single_rows_; }

    const Gram& gram_;
    Array<float> single_;
    Array<double> double_;
    std::vector<float> single_rows_;
    std::vector<double> double_rows_;
};

} // namespace jadce
