// SPDX-License-Identifier: GPL-3.0-or-later
#include "payload/equalizer.hpp"

#include "arithmetic/threads.hpp"

#include <algorithm>
#include <cfloat>
#include <vector>

namespace jadce {
namespace {

using Sample = std::complex<float>;

// A row of N complex numbers, real and imaginary parts apart. N is a constant, so that it stays in registers.
template <int N>
struct Row
{
    float re[N], im[N];

    // This += (c + js) · x
    void add(float c, float s, const Row& x)
    {
        for (int j = 0; j < N; ++j) {
            re[j] += c * x.re[j] - s * x.im[j];
            im[j] += c * x.im[j] + s * x.re[j];
        }
    }
};

template <int N>
struct Matrix
{
    Row<N> rows[N];
};

// result += sign · left · right
template <int N>
void add_product(Matrix<N>& result, float sign, const Matrix<N>& left, const Matrix<N>& right)
{
    for (int i = 0; i < N; ++i) {
        Row<N> row = result.rows[i];
        for (int k = 0; k < N; ++k) {
            row.add(sign * left.rows[i].re[k], sign * left.rows[i].im[k], right.rows[k]);
        }
        result.rows[i] = row;
    }
}

template <int N>
Matrix<N> adjoint(const Matrix<N>& a)
{
    Matrix<N> result;
    for (int i = 0; i < N; ++i) {
        for (int j = 0; j < N; ++j) {
            result.rows[i].re[j] = a.rows[j].re[i];
            result.rows[i].im[j] = -a.rows[j].im[i];
        }
    }
    return result;
}

// result (N,) += sign · left · right
template <int N>
void add_product(Row<N>& result, float sign, const Matrix<N>& left, const Row<N>& right)
{
    for (int i = 0; i < N; ++i) {
        float re = 0, im = 0;
        for (int k = 0; k < N; ++k) {
            re += left.rows[i].re[k] * right.re[k] - left.rows[i].im[k] * right.im[k];
            im += left.rows[i].re[k] * right.im[k] + left.rows[i].im[k] * right.re[k];
        }
        result.re[i] += sign * re;
        result.im[i] += sign * im;
    }
}

// A positive definite matrix becomes its inverse.
template <int N>
void invert(Matrix<N>& a)
{
    for (int k = 0; k < N; ++k) {
        Row<N>& own = a.rows[k];
        const float scale = 1 / std::max(own.re[k], FLT_MIN);
        own.re[k] = 1;
        own.im[k] = 0;
        for (int j = 0; j < N; ++j) {
            own.re[j] *= scale;
            own.im[j] *= scale;
        }
        for (int i = 0; i < N; ++i) {
            if (i != k) {
                Row<N>& other = a.rows[i];
                const float c = -other.re[k], s = -other.im[k];
                other.re[k] = 0;
                other.im[k] = 0;
                other.add(c, s, own);
            }
        }
    }
}

// Of one slot: n is filled up to N with signatures of nothing.
template <int N>
class Equalizer
{
public:
    explicit Equalizer(const EqualizerSizes& sizes)
        : s_(sizes), inverse_(std::size_t(s_.I)), beside_(std::size_t(s_.I)), left_(std::size_t(s_.I)),
          now_(std::size_t(s_.w)), next_(std::size_t(s_.w))
    {
    }

    void run(const Sample* signatures, const Sample* windows, Sample* symbols, float* variance)
    {
        fill(now_, signatures);
        for (int i = 0; i < s_.I; ++i) {
            normal(i, windows + std::size_t(i) * s_.w);
            if (i + 1 < s_.I) {
                fill(next_, signatures + std::size_t(i + 1) * s_.n * s_.w);
                couple(i);
                std::swap(now_, next_);
            }
            if (i) {
                eliminate(i);
            }
            invert(inverse_[i]);
        }
        for (int i = s_.I - 1; i >= 0; --i) {
            substitute(i);
            for (int k = 0; k < s_.n; ++k) {
                symbols[std::size_t(i) * s_.n + k] = {left_[i].re[k], left_[i].im[k]};
                variance[std::size_t(i) * s_.n + k] = covariance_.rows[k].re[k];
            }
        }
    }

private:
    // Signatures (n, w), transposed.
    void fill(std::vector<Row<N>>& to, const Sample* from)
    {
        for (int k = 0; k < s_.n; ++k) {
            for (int t = 0; t < s_.w; ++t) {
                to[t].re[k] = from[std::size_t(k) * s_.w + t].real();
                to[t].im[k] = from[std::size_t(k) * s_.w + t].imag();
            }
        }
    }

    // A = I + HᴴH and z = Hᴴy of a block.
    void normal(int i, const Sample* window)
    {
        Row<N> z = {};
        for (int t = 0; t < s_.w; ++t) { // y Hᴴ, conjugate for conjugate
            z.add(window[t].real(), -window[t].imag(), now_[t]);
        }
        for (int k = 0; k < N; ++k) {
            left_[i].re[k] = z.re[k];
            left_[i].im[k] = -z.im[k];
            inverse_[i].rows[k] = product_row(k, now_.data(), now_.data(), s_.w);
            inverse_[i].rows[k].re[k] += 1;
        }
    }

    // C of a block and the next.
    void couple(int i)
    {
        for (int k = 0; k < N; ++k) {
            beside_[i].rows[k] = product_row(k, now_.data() + s_.w - s_.overlap, next_.data(), s_.overlap);
        }
    }

    // Row k of GᴴH, of so many rows of G and H.
    static Row<N> product_row(int k, const Row<N>* g, const Row<N>* h, int count)
    {
        Row<N> row = {};
        for (int t = 0; t < count; ++t) {
            row.add(g[t].re[k], -g[t].im[k], h[t]);
        }
        return row;
    }

    void eliminate(int i)
    {
        Matrix<N> gone = {}; // Cᴴ Δ⁻¹
        add_product(gone, 1, adjoint(beside_[i - 1]), inverse_[i - 1]);
        add_product(inverse_[i], -1, gone, beside_[i - 1]);
        add_product(left_[i], -1, gone, left_[i - 1]);
    }

    void substitute(int i)
    {
        if (i + 1 < s_.I) {
            add_product(left_[i], -1, beside_[i], left_[i + 1]);
            Matrix<N> step = {}, seen = {}, total = inverse_[i]; // Δ⁻¹C
            add_product(step, 1, inverse_[i], beside_[i]);
            add_product(seen, 1, step, covariance_);
            add_product(total, 1, seen, adjoint(step));
            covariance_ = total;
        } else {
            covariance_ = inverse_[i];
        }
        Row<N> solution = {};
        add_product(solution, 1, inverse_[i], left_[i]);
        left_[i] = solution;
    }

    EqualizerSizes s_;
    std::vector<Matrix<N>> inverse_, beside_;
    std::vector<Row<N>> left_, now_, next_;
    Matrix<N> covariance_;
};

struct Arrays
{
    const Sample *signatures, *windows;
    Sample* symbols;
    float* variance;
};

// By the first N that n fits in.
template <int N, int... Larger>
void equalize_by(const EqualizerSizes& sizes, const Arrays& arrays, int threads)
{
    if constexpr (sizeof...(Larger) > 0) {
        if (sizes.n > N) {
            equalize_by<Larger...>(sizes, arrays, threads);
            return;
        }
    }
    static_assert(sizeof...(Larger) > 0 || N == most_symbols);
    const std::size_t blocks = sizes.I, n = sizes.n, w = sizes.w;
    for_each_frame(
        sizes.B,
        threads,
        [&] { return Equalizer<N>(sizes); },
        [&](int b, Equalizer<N>& equalizer) {
            const std::size_t first = std::size_t(b) * blocks;
            equalizer.run(arrays.signatures + first * n * w,
                          arrays.windows + first * w,
                          arrays.symbols + first * n,
                          arrays.variance + first * n);
        });
}

} // namespace

void equalize_all(const EqualizerSizes& sizes,
                  const Sample* signatures,
                  const Sample* windows,
                  Sample* symbols,
                  float* variance,
                  int threads)
{
    equalize_by<4, 8, 10, 12, 16, 24, 32, 64>(sizes, {signatures, windows, symbols, variance}, threads);
}

} // namespace jadce
