// SPDX-License-Identifier: GPL-3.0-or-later
// Pilots that are rows of the discrete Fourier transform of the devices.
#pragma once

#include "pilots/fft.hpp"
#include "pilots/transform.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

namespace jadce {

template <class T>
class Dft : public Transform<T>
{
public:
    explicit Dft(const FastBook& book)
        : devices_(book.devices), scale_(T(1 / std::sqrt(double(book.length)))), fft_(devices_),
          products_(2 * std::size_t(devices_))
    {
        Array<T> data(fft_.size());
        for (const auto row : book.index) {
            places_.push_back(fft_.frequency(int(row)));
            data[places_.back()] = 1 / T(book.length);
        }
        fft_.inverse(data.data());
        for (int n = 0; n < devices_; ++n) {
            std::copy_n(&data[fft_.index(n)], 2, &products_[2 * n]);
        }
    }
    std::size_t scratch() const override { return fft_.size(); }

    void forward(
        const T* re, const T* im, const int* list, int count, T* out_re, T* out_im, T* data) const override
    {
        std::fill(data, data + scratch(), T(0));
        for (int i = 0; i < count; ++i) {
            const int n = list ? list[i] : i, place = fft_.index(n);
            data[place] = re[n];
            data[place + 1] = im[n];
        }
        fft_.forward(data);
        for (std::size_t l = 0; l < places_.size(); ++l) {
            out_re[l] = data[places_[l]] * scale_;
            out_im[l] = data[places_[l] + 1] * scale_;
        }
    }

    void adjoint(const T* re, const T* im, T* out_re, T* out_im, T* data) const override
    {
        std::fill(data, data + scratch(), T(0));
        for (std::size_t l = 0; l < places_.size(); ++l) {
            data[places_[l]] = re[l];
            data[places_[l] + 1] = im[l];
        }
        fft_.inverse(data);
        const int columns = fft_.columns();
        for (int r = 0; r < fft_.rows(); ++r, out_re += columns, out_im += columns) {
            separate(fft_.row(data, r), columns, scale_, out_re, out_im);
        }
    }

    bool has_gram() const override { return true; }

    void gram(const int* list, int count, T* re, T* im, int stride) const override
    {
        for (int j = 0; j < count; ++j, re += stride, im += stride) {
            for (int i = 0; i < count; ++i) {
                const int lag = list[i] - list[j], place = 2 * (lag < 0 ? lag + devices_ : lag);
                re[i] = products_[place];
                im[i] = products_[place + 1];
            }
        }
    }

private:
    const int devices_;
    const T scale_;
    const LongFft<T> fft_;
    std::vector<int> places_; // of the rows
    Array<T> products_;       // a_mᴴ a_n by m − n modulo N
};

} // namespace jadce
