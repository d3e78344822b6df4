// SPDX-License-Identifier: GPL-3.0-or-later
// FFTs by FFTW, of interleaved complex numbers in either precision.
#pragma once

#include "arithmetic/simd.hpp"

#include <fftw3.h>

#include <cmath>
#include <complex>
#include <mutex>
#include <stdexcept>

namespace jadce {

// FFTW under one name for both precisions. Planning is not thread-safe, execution is.
template <class T>
struct Fftw;

template <>
struct Fftw<float>
{
    using Plan = fftwf_plan;
    using Complex = fftwf_complex;
    static constexpr auto plan = fftwf_plan_many_dft;
    static constexpr auto execute = fftwf_execute_dft;
    static constexpr auto destroy = fftwf_destroy_plan;
};

template <>
struct Fftw<double>
{
    using Plan = fftw_plan;
    using Complex = fftw_complex;
    static constexpr auto plan = fftw_plan_many_dft;
    static constexpr auto execute = fftw_execute_dft;
    static constexpr auto destroy = fftw_destroy_plan;
};

inline std::mutex planning;

// In-place FFTs of `size` complex numbers, real and imaginary parts in turn: one of neighbours, or
// `count` next to each other of numbers that are `stride` apart. Planned by FFTW's estimate: measured
// plans differ from run to run in their last bits.
template <class T>
class Fft
{
public:
    Fft(int size, int sign, int count = 1, int stride = 1)
    {
        Array<T> buffer(2 * std::size_t(size) * stride + 2 * std::size_t(count));
        auto* data = reinterpret_cast<typename Fftw<T>::Complex*>(buffer.data());
        const std::lock_guard<std::mutex> lock(planning);
        plan_ = Fftw<T>::plan(
            1, &size, count, data, nullptr, stride, 1, data, nullptr, stride, 1, sign, FFTW_ESTIMATE);
        if (!plan_) {
            throw std::runtime_error("FFTW cannot plan a transform of this length");
        }
    }
    Fft(const Fft&) = delete;
    Fft& operator=(const Fft&) = delete;
    ~Fft()
    {
        const std::lock_guard<std::mutex> lock(planning);
        Fftw<T>::destroy(plan_);
    }
    void operator()(T* data) const
    {
        auto* complex = reinterpret_cast<typename Fftw<T>::Complex*>(data);
        Fftw<T>::execute(plan_, complex, complex);
    }

private:
    typename Fftw<T>::Plan plan_;
};

// FFTs of a length that may exceed the caches: of a matrix by columns and rows, whose entries are
// multiplied by roots of unity in between (D. H. Bailey, J. Supercomput. 4, 1990). Index n is in row
// n / C; frequency k is in row k mod R, at k / R: nothing is ever transposed. Rows are further apart
// than C, since columns at powers of two would share few places of a cache.
template <class T>
class LongFft
{
public:
    explicit LongFft(int size)
        : rows_(size >= 8192 && size % (most_rows * block) == 0 ? most_rows : 1), columns_(size / rows_),
          stride_(rows_ > 1 ? columns_ + 8 : columns_), turns_(rows_ > 1 ? 2 * std::size_t(size) : 0),
          row_(columns_, FFTW_FORWARD), row_back_(columns_, FFTW_BACKWARD),
          column_(rows_, FFTW_FORWARD, block, stride_), column_back_(rows_, FFTW_BACKWARD, block, stride_)
    {
        for (std::size_t i = 0; i < turns_.size(); i += 2) {
            const double product = double(i / 2 / columns_) * double(i / 2 % columns_);
            const auto turn = std::polar(1.0, -2 * std::acos(-1.0) * product / size);
            turns_[i] = T(turn.real());
            turns_[i + 1] = T(turn.imag());
        }
    }

    // Numbers that the data take, of which unused ones are to be finite.
    std::size_t size() const { return 2 * std::size_t(rows_) * stride_; }
    int rows() const { return rows_; }
    int columns() const { return columns_; }
    T* row(T* data, int row) const { return data + 2 * std::ptrdiff_t(row) * stride_; }
    int index(int n) const { return 2 * (n / columns_ * stride_ + n % columns_); }
    int frequency(int k) const { return 2 * (k % rows_ * stride_ + k / rows_); }

    // From indices to frequencies.
    void forward(T* data) const
    {
        for (int c = 0; c < columns_ && rows_ > 1; c += block) {
            column_(data + 2 * c);
        }
        for (int r = 0; r < rows_; ++r) {
            turn(row(data, r), r, T(1));
            row_(row(data, r));
        }
    }

    // From frequencies to indices, not divided by the size.
    void inverse(T* data) const
    {
        for (int r = 0; r < rows_; ++r) {
            row_back_(row(data, r));
            turn(row(data, r), r, T(-1));
        }
        for (int c = 0; c < columns_ && rows_ > 1; c += block) {
            column_back_(data + 2 * c);
        }
    }

private:
    static constexpr int most_rows = 32, block = 64; // measured

    void turn(T* row, int r, T sign) const
    {
        const T* w = turns_.data() + 2 * std::ptrdiff_t(r) * columns_;
        for (int i = 0; r > 0 && i < 2 * columns_; i += 2) {
            const T re = row[i], im = row[i + 1], b = sign * w[i + 1];
            row[i] = re * w[i] - im * b;
            row[i + 1] = re * b + im * w[i];
        }
    }

    const int rows_, columns_, stride_;
    Array<T> turns_;
    const Fft<T> row_, row_back_, column_, column_back_;
};

template <class T>
void interleave(const T* re, const T* im, int size, T* out)
{
    for (int n = 0; n < size; ++n) {
        out[2 * n] = re[n];
        out[2 * n + 1] = im[n];
    }
}

template <class T>
void separate(const T* in, int size, T factor, T* re, T* im)
{
    for (int n = 0; n < size; ++n) {
        re[n] = in[2 * n] * factor;
        im[n] = in[2 * n + 1] * factor;
    }
}

} // namespace jadce
