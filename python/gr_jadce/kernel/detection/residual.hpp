// SPDX-License-Identifier: GPL-3.0-or-later
// A frame's correlations with pilots: of single ones, and with all of what channels leave of the frame.
#pragma once

#include "detection/book_arrays.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

namespace jadce {

class Residual
{
public:
    Residual(const BookArrays& book, std::size_t n_antennas)
        : book_(book), n_antennas_(int(n_antennas)), is_known_(book.gram.n_devices()),
          known_(book.gram.n_devices() * n_antennas), left_(2 * n_antennas * std::size_t(book.pilots.stride)),
          single_(2 * n_antennas * std::size_t(padded<float>(book.pilots.L))),
          product_(2 * n_antennas * book.gram.single_stride()),
          spare_(Packed<float>::spare_size(book.pilots.L))
    {
    }

    // A frame (L, M) in planes, which has to stay.
    void take(const double* samples)
    {
        samples_ = samples;
        std::fill(is_known_.begin(), is_known_.end(), 0);
    }

    // a_nᴴ y_m of all antennas, computed once.
    const Complex* correlation(std::size_t n)
    {
        Complex* found = &known_[n * std::size_t(n_antennas_)];
        if (!is_known_[n]) {
            is_known_[n] = 1;
            int m = 0;
            for (; m + 2 <= n_antennas_; m += 2) {
                correlate<2>(book_.pilots.column(int(n)), m, found);
            }
            for (; m < n_antennas_; ++m) {
                correlate<1>(book_.pilots.column(int(n)), m, found);
            }
        }
        return found;
    }

    // Aᴴ(Y − A_S X), in planes as long as a row of the Gram matrix, over a factor; until the next time.
    struct Correlations
    {
        const float* planes = nullptr;
        double factor = 0;
    };

    // X in planes of `channel_stride`. In double precision up to the residual, which may be far below the
    // frame, and in single from there on.
    Correlations
    correlate(const std::vector<std::size_t>& members, const double* channel, std::size_t channel_stride)
    {
        std::copy_n(samples_, left_.size(), left_.data());
        for (int m = 0; m < n_antennas_; ++m) {
            subtract(members, channel + std::size_t(2 * m) * channel_stride, channel_stride, m);
        }
        const double scale = to_single();
        book_.adjoint.multiply_conjugate(
            single_.data(), padded<float>(book_.pilots.L), n_antennas_, product_.data(), spare_.data());
        return {product_.data(), std::sqrt(book_.gram.scale()) / scale};
    }

private:
    int stride() const { return book_.pilots.stride; }

    // aᴴ y of C antennas from antenna m on.
    template <int C>
    void correlate(const double* a, int m, Complex* found) const
    {
        Vec<double> re[C] = {}, im[C] = {}, re_by_im[C] = {}, im_by_re[C] = {};
        const double* y = samples_ + std::ptrdiff_t(2 * m) * stride();
        for (int l = 0; l < stride(); l += lanes<double>) {
            const Vec<double> p = vec(a + l), q = vec(a + stride() + l);
            for (int c = 0; c < C; ++c) {
                const double* place = y + std::ptrdiff_t(2 * c) * stride() + l;
                const Vec<double> r = vec(place), s = vec(place + stride());
                re[c] += p * r;
                re_by_im[c] += q * s;
                im[c] += p * s;
                im_by_re[c] += q * r;
            }
        }
        for (int c = 0; c < C; ++c) {
            found[m + c] = {sum<double>(re[c] + re_by_im[c]), sum<double>(im[c] - im_by_re[c])};
        }
    }

    // What members add at an antenna.
    void subtract(const std::vector<std::size_t>& members, const double* x, std::size_t x_stride, int m)
    {
        int l = 0;
        for (; l + 2 * lanes<double> <= stride(); l += 2 * lanes<double>) {
            subtract_part<2>(members, x, x_stride, m, l);
        }
        for (; l < stride(); l += lanes<double>) {
            subtract_part<1>(members, x, x_stride, m, l);
        }
    }

    // W vectors of symbols, from symbol l on.
    template <int W>
    void subtract_part(
        const std::vector<std::size_t>& members, const double* x, std::size_t x_stride, int m, int l)
    {
        Vec<double> re[W] = {}, im[W] = {}, re_by_im[W] = {}, im_by_re[W] = {};
        for (std::size_t k = 0; k < members.size(); ++k) {
            const double* column = book_.pilots.column(int(members[k])) + l;
            for (int w = 0; w < W; ++w, column += lanes<double>) {
                const Vec<double> p = vec(column), q = vec(column + stride());
                re[w] += x[k] * p;
                re_by_im[w] += x[x_stride + k] * q;
                im[w] += x[k] * q;
                im_by_re[w] += x[x_stride + k] * p;
            }
        }
        double* place = &left_[std::size_t(2 * m) * std::size_t(stride()) + std::size_t(l)];
        for (int w = 0; w < W; ++w, place += lanes<double>) {
            vec(place) -= re[w] - re_by_im[w];
            vec(place + stride()) -= im[w] + im_by_re[w];
        }
    }

    // Brings what is left into the range of single precision; returns by which factor.
    double to_single()
    {
        Vec<double> squares = {};
        for (std::size_t i = 0; i < left_.size(); i += lanes<double>) {
            squares += vec(&left_[i]) * vec(&left_[i]);
        }
        int exponent = 0;
        std::frexp(std::sqrt(sum<double>(squares)), &exponent);
        const double scale = std::ldexp(1.0, std::min(-exponent, 1000));
        for (int plane = 0; plane < 2 * n_antennas_; ++plane) {
            const double* from = &left_[std::size_t(plane) * std::size_t(stride())];
            float* to = &single_[std::size_t(plane) * std::size_t(padded<float>(book_.pilots.L))];
            for (int l = 0; l < book_.pilots.L; ++l) {
                to[l] = float(scale * from[l]);
            }
        }
        return scale;
    }

    const BookArrays& book_;
    const int n_antennas_;
    const double* samples_ = nullptr;
    std::vector<char> is_known_;
    std::vector<Complex> known_; // (N, M)
    Array<double> left_;         // as the samples
    Array<float> single_, product_, spare_;
};

} // namespace jadce
