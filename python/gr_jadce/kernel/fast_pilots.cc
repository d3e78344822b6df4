// SPDX-License-Identifier: GPL-3.0-or-later
// The transforms of structured pilots: FFTs by FFTW, and a fast Walsh-Hadamard transform.
#include "fast_pilots.hpp"

#include <fftw3.h>

#include <cmath>
#include <complex>
#include <mutex>
#include <stdexcept>

namespace jadce {
namespace {

// FFTW under one name for both precisions. Planning is not thread-safe, execution is.
template <class T>
struct Fftw;

template <>
struct Fftw<float>
{
    using Plan = fftwf_plan;
    using Complex = fftwf_complex;
    static constexpr auto plan = fftwf_plan_dft_1d;
    static constexpr auto execute = fftwf_execute_dft;
    static constexpr auto destroy = fftwf_destroy_plan;
};

template <>
struct Fftw<double>
{
    using Plan = fftw_plan;
    using Complex = fftw_complex;
    static constexpr auto plan = fftw_plan_dft_1d;
    static constexpr auto execute = fftw_execute_dft;
    static constexpr auto destroy = fftw_destroy_plan;
};

std::mutex planning;

// An in-place FFT of `size` complex numbers, real and imaginary parts in turn. Planned by FFTW's
// estimate: measured plans are hardly faster, and differ from run to run in their last bits.
template <class T>
class Fft
{
public:
    Fft(int size, int sign)
    {
        Array<T> buffer(2 * std::size_t(size));
        auto* data = reinterpret_cast<typename Fftw<T>::Complex*>(buffer.data());
        const std::lock_guard<std::mutex> lock(planning);
        plan_ = Fftw<T>::plan(size, data, data, sign, FFTW_ESTIMATE);
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

// x with its entries in places of their own, zero elsewhere.
template <class T>
void scatter(const T* re, const T* im, const int* list, int count, T* out, int size)
{
    if (!list) {
        return interleave(re, im, count, out);
    }
    std::fill(out, out + 2 * std::ptrdiff_t(size), T(0));
    for (int i = 0; i < count; ++i) {
        out[2 * list[i]] = re[list[i]];
        out[2 * list[i] + 1] = im[list[i]];
    }
}

template <class T>
class Dft : public Transform<T>
{
public:
    explicit Dft(const FastBook& book)
        : devices_(book.devices), rows_(book.index.begin(), book.index.end()),
          scale_(T(1 / std::sqrt(double(book.length)))), fft_(devices_, FFTW_FORWARD),
          inverse_(devices_, FFTW_BACKWARD), products_(2 * std::size_t(devices_))
    {
        for (const int row : rows_) {
            products_[2 * row] = 1 / T(book.length);
        }
        inverse_(products_.data());
    }
    std::size_t scratch() const override { return 2 * std::size_t(devices_); }

    void forward(
        const T* re, const T* im, const int* list, int count, T* out_re, T* out_im, T* data) const override
    {
        scatter(re, im, list, count, data, devices_);
        fft_(data);
        for (std::size_t l = 0; l < rows_.size(); ++l) {
            out_re[l] = data[2 * rows_[l]] * scale_;
            out_im[l] = data[2 * rows_[l] + 1] * scale_;
        }
    }

    void adjoint(const T* re, const T* im, T* out_re, T* out_im, T* data) const override
    {
        std::fill(data, data + scratch(), T(0));
        for (std::size_t l = 0; l < rows_.size(); ++l) {
            data[2 * rows_[l]] = re[l];
            data[2 * rows_[l] + 1] = im[l];
        }
        inverse_(data);
        separate(data, devices_, scale_, out_re, out_im);
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
    const std::vector<int> rows_;
    const T scale_;
    const Fft<T> fft_, inverse_;
    Array<T> products_; // a_mᴴ a_n by m − n modulo N
};

// The butterflies within vectors: lane i and lane i ^ bit.
template <class T, int bit>
inline Vec<T> butterfly(Vec<T> v)
{
    using Index = std::conditional_t<sizeof(T) == 4, std::int32_t, std::int64_t>;
    typedef Index Indices __attribute__((vector_size(vector_bytes)));
    Indices other;
    Vec<T> sign;
    for (int i = 0; i < lanes<T>; ++i) {
        other[i] = i ^ bit;
        sign[i] = i & bit ? T(-1) : T(1);
    }
    const Vec<T> sum = __builtin_shuffle(v, other) + sign * v;
    if constexpr (2 * bit < lanes<T>) {
        return butterfly<T, 2 * bit>(sum);
    }
    return sum;
}

// In place; the size is a power of two of at least a vector's.
template <class T>
void walsh_hadamard(T* x, int size)
{
    for (int i = 0; i < size; i += lanes<T>) {
        vec(x + i) = butterfly<T, 1>(vec(x + i));
    }
    int step = lanes<T>;
    for (; 4 * step <= size; step *= 4) { // two stages in one pass
        for (int block = 0; block < size; block += 4 * step) {
            for (int i = block; i < block + step; i += lanes<T>) {
                const Vec<T> a = vec(x + i), b = vec(x + i + step);
                const Vec<T> c = vec(x + i + 2 * step), d = vec(x + i + 3 * step);
                vec(x + i) = (a + b) + (c + d);
                vec(x + i + step) = (a - b) + (c - d);
                vec(x + i + 2 * step) = (a + b) - (c + d);
                vec(x + i + 3 * step) = (a - b) - (c - d);
            }
        }
    }
    if (step < size) {
        for (int i = 0; i < step; i += lanes<T>) {
            const Vec<T> a = vec(x + i), b = vec(x + i + step);
            vec(x + i) = a + b;
            vec(x + i + step) = a - b;
        }
    }
}

template <class T>
class Hadamard : public Transform<T>
{
public:
    explicit Hadamard(const FastBook& book)
        : devices_(book.devices), rows_(book.index.begin(), book.index.end()),
          scale_(T(1 / std::sqrt(double(book.length))))
    {
        for (order_ = lanes<T>; order_ < devices_;) { // a smaller order is its corner
            order_ *= 2;
        }
        products_ = Array<T>(order_);
        for (const int row : rows_) {
            products_[row] = 1;
        }
        walsh_hadamard(products_.data(), order_); // whole numbers
        for (int n = 0; n < order_; ++n) {
            products_[n] /= T(book.length);
        }
    }
    std::size_t scratch() const override { return order_; }

    void forward(
        const T* re, const T* im, const int* list, int count, T* out_re, T* out_im, T* data) const override
    {
        forward_part(re, list, count, out_re, data);
        forward_part(im, list, count, out_im, data);
    }

    void adjoint(const T* re, const T* im, T* out_re, T* out_im, T* data) const override
    {
        adjoint_part(re, out_re, data);
        adjoint_part(im, out_im, data);
    }

    bool has_gram() const override { return true; }

    void gram(const int* list, int count, T* re, T* im, int stride) const override
    {
        for (int j = 0; j < count; ++j, re += stride, im += stride) {
            for (int i = 0; i < count; ++i) {
                re[i] = products_[list[i] ^ list[j]];
                im[i] = 0;
            }
        }
    }

private:
    void forward_part(const T* x, const int* list, int count, T* out, T* data) const
    {
        std::fill(data, data + order_, T(0));
        for (int i = 0; i < count; ++i) {
            const int n = list ? list[i] : i;
            data[n] = x[n];
        }
        walsh_hadamard(data, order_);
        for (std::size_t l = 0; l < rows_.size(); ++l) {
            out[l] = data[rows_[l]] * scale_;
        }
    }

    void adjoint_part(const T* y, T* out, T* data) const
    {
        std::fill(data, data + order_, T(0));
        for (std::size_t l = 0; l < rows_.size(); ++l) {
            data[rows_[l]] = y[l] * scale_;
        }
        walsh_hadamard(data, order_);
        std::copy(data, data + devices_, out);
    }

    const int devices_;
    const std::vector<int> rows_;
    const T scale_;
    int order_;
    Array<T> products_; // a_mᴴ a_n by the exclusive or of m and n
};

// Device n has root n / L and shift n mod L: y = Σ_r ifft(S_r · ifft(x_r)) with S_r the spectrum of
// the sequence of root r, and back x_r = ifft(conj(S_r(−ω)) · ifft(y)).
template <class T>
class ZadoffChu : public Transform<T>
{
public:
    explicit ZadoffChu(const FastBook& book)
        : length_(book.length), devices_(book.devices), roots_((devices_ + length_ - 1) / length_),
          inverse_(length_, FFTW_BACKWARD), spectra_(2 * std::size_t(length_) * roots_)
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
    }
    std::size_t scratch() const override { return 4 * std::size_t(length_) + 2 * lanes<T>; }

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

    const int length_, devices_, roots_;
    const Fft<T> inverse_;
    Array<T> spectra_;
};

} // namespace

template <class T>
std::unique_ptr<const Transform<T>> make_transform(const FastBook& book)
{
    const bool rows = book.kind == "dft" || book.kind == "hadamard";
    if (rows && book.index.size() != std::size_t(book.length)) {
        throw std::invalid_argument("index: expected a row for each symbol of a pilot");
    }
    if (book.kind == "dft") {
        return std::make_unique<Dft<T>>(book);
    }
    if (book.kind == "hadamard") {
        return std::make_unique<Hadamard<T>>(book);
    }
    if (book.kind == "zadoff_chu") {
        return std::make_unique<ZadoffChu<T>>(book);
    }
    throw std::invalid_argument("kind: expected dft, hadamard or zadoff_chu, got " + book.kind);
}

template std::unique_ptr<const Transform<float>> make_transform(const FastBook&);
template std::unique_ptr<const Transform<double>> make_transform(const FastBook&);

} // namespace jadce
