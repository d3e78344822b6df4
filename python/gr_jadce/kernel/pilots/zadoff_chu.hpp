// SPDX-License-Identifier: GPL-3.0-or-later
// Pilots that are shifts of Zadoff-Chu sequences, by FFTs.
#pragma once

#include "pilots/fft.hpp"
#include "pilots/transform.hpp"

#include <algorithm>
#include <cmath>
#include <complex>
#include <cstdint>
#include <stdexcept>

namespace jadce {

// Device n has root n / L and shift n mod L: y = Σ_r ifft(S_r · ifft(x_r)) with S_r the spectrum of
// the sequence of root r, and back x_r = ifft(conj(S_r(−ω)) · ifft(y)).
template <class T>
class ZadoffChu : public Transform<T>
{
public:
    explicit ZadoffChu(const FastBook& book)
        : length_(book.length), devices_(book.devices), roots_((devices_ + length_ - 1) / length_),
          inverse_(length_, FFTW_BACKWARD), spectra_(2 * std::size_t(length_) * roots_),
          products_(roots_ <= most_roots ? spectra_.size() * roots_ : 0)
    {
        if (book.index.size() < std::size_t(roots_)) {
            throw std::invalid_argument("zadoff_chu: too few roots for the devices");
        }
        const Fft<double> fft(length_, FFTW_FORWARD);
        Array<double> sequence(2 * std::size_t(length_));
        for (int root = 0; root < roots_; ++root) {
            make_sequence(book.index[root], sequence.data());
            fft(sequence.data());
            std::copy(sequence.data(), sequence.data() + 2 * length_, spectrum(root));
        }
        Array<T> data(2 * std::size_t(length_));
        for (int a = 0; has_gram() && a < roots_; ++a) {
            for (int b = 0; b < roots_; ++b) {
                correlate(spectrum(a), spectrum(b), data.data());
                std::copy(data.data(), data.data() + 2 * length_, products(a, b));
            }
        }
    }
    std::size_t scratch() const override { return 4 * std::size_t(length_) + 2 * lanes<T>; }
    bool has_gram() const override { return roots_ <= most_roots; }

    void gram(const int* list, int count, T* re, T* im, int stride) const override
    {
        for (int j = 0; j < count; ++j, re += stride, im += stride) {
            const int root = list[j] / length_, shift = list[j] % length_;
            for (int i = 0; i < count; ++i) {
                const int other = list[i] / length_, lag = list[i] - other * length_ - shift;
                const T* product = products(other, root) + 2 * (lag < 0 ? lag + length_ : lag);
                re[i] = product[0];
                im[i] = product[1];
            }
        }
    }

    void forward(const T* re, const T* im, const int*, int, T* out_re, T* out_im, T* data) const override
    {
        T* total = data + padded<T>(2 * length_);
        std::fill(total, total + 2 * length_, T(0));
        for (int root = 0; root < roots_; ++root) {
            const int start = root * length_, count = std::min(length_, devices_ - start);
            std::fill(data + 2 * count, data + 2 * length_, T(0));
            interleave(re + start, im + start, count, data);
            inverse_(data);
            const T* s = spectrum(root);
            for (int k = 0; k < 2 * length_; k += 2) {
                total[k] += s[k] * data[k] - s[k + 1] * data[k + 1];
                total[k + 1] += s[k] * data[k + 1] + s[k + 1] * data[k];
            }
        }
        inverse_(total);
        separate(total, length_, 1 / T(length_), out_re, out_im);
    }

    void adjoint(const T* re, const T* im, T* out_re, T* out_im, T* data) const override
    {
        T* received = data + padded<T>(2 * length_);
        interleave(re, im, length_, received);
        inverse_(received);
        for (int root = 0; root < roots_; ++root) {
            const int start = root * length_, count = std::min(length_, devices_ - start);
            const T* s = spectrum(root);
            for (int k = 0; k < length_; ++k) {
                const int mirrored = 2 * (k ? length_ - k : 0);
                const T a = s[mirrored], b = -s[mirrored + 1];
                data[2 * k] = a * received[2 * k] - b * received[2 * k + 1];
                data[2 * k + 1] = a * received[2 * k + 1] + b * received[2 * k];
            }
            inverse_(data);
            separate(data, count, 1 / T(length_), out_re + start, out_im + start);
        }
    }

private:
    T* spectrum(int root) { return spectra_.data() + 2 * std::ptrdiff_t(length_) * root; }
    const T* spectrum(int root) const { return spectra_.data() + 2 * std::ptrdiff_t(length_) * root; }

    T* products(int a, int b) { return products_.data() + 2 * std::ptrdiff_t(length_) * (a * roots_ + b); }
    const T* products(int a, int b) const
    {
        return products_.data() + 2 * std::ptrdiff_t(length_) * (a * roots_ + b);
    }

    // The inner products of shifts of two sequences with these spectra, by difference of the shifts.
    void correlate(const T* a, const T* b, T* out) const
    {
        for (int k = 0; k < 2 * length_; k += 2) {
            out[k] = (a[k] * b[k] + a[k + 1] * b[k + 1]) / length_;
            out[k + 1] = (a[k + 1] * b[k] - a[k] * b[k + 1]) / length_;
        }
        inverse_(out);
        for (int k = 1; k < 2 * length_; k += 2) {
            out[k] = -out[k];
        }
    }

    void make_sequence(std::int64_t root, double* out) const
    {
        const std::int64_t turn = 2 * std::int64_t(length_);
        for (std::int64_t k = 0; k < length_; ++k) {
            const std::int64_t square = k * (k + length_ % 2) % turn;
            const double angle = -std::acos(-1.0) * double(root * square % turn) / length_;
            const auto symbol = std::polar(1 / std::sqrt(double(length_)), angle);
            out[2 * k] = symbol.real();
            out[2 * k + 1] = symbol.imag();
        }
    }

    static constexpr int most_roots = 16; // whose correlations are kept: as many numbers as most_roots · N
    const int length_, devices_, roots_;
    const Fft<T> inverse_;
    Array<T> spectra_, products_;
};

} // namespace jadce
