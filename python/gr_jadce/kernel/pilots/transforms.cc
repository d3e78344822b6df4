// SPDX-License-Identifier: GPL-3.0-or-later
// The transforms of structured pilots: FFTs by FFTW, and a fast Walsh-Hadamard transform.
#include "pilots/fast_pilots.hpp"

#include <fftw3.h>

#include <algorithm>
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

std::mutex planning;

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
