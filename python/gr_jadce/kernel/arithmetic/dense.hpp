// SPDX-License-Identifier: GPL-3.0-or-later
// Products with a dense complex matrix and its adjoint, for one frame of any number of antennas.
//
// Arrays of rows are planar: antenna by antenna the real parts of all rows, then the imaginary parts,
// each padded with zeros to whole vectors. Rows lie in the lanes of vectors, so that a frame alone
// uses the machine as well as a batch does, and no frame's result can depend on another.
//
// Not by Eigen or a BLAS: matrices of a few antennas are too narrow for their blocking, both take real and
// imaginary parts in turn, and neither multiplies with some columns of a matrix only. `make bench` measures
// this against the machine's sgemm.
#pragma once

#include "arithmetic/simd.hpp"

#include <algorithm>
#include <complex>

namespace jadce {

// Tiles in one pass, so that the accumulators of a real product fit in the registers.
template <int C>
constexpr int most_tiles = 12 / std::max(C, 2);

// Antennas at a time of four inner products, as far as there are registers.
constexpr int dot_antennas = vector_bytes == 64 ? 2 : 1;

// A complex matrix (rows, columns) as tiles of rows: out = matrix · x, or with the tiles conjugated.
template <class T>
class Packed
{
public:
    Packed() = default;

    // element(row, column) gives the entries. Column-major: the tiles of a column are neighbours,
    // for products with some columns only; otherwise the columns of a tile are.
    template <class Element>
    Packed(int rows, int columns, bool column_major, Element element)
        : columns_(columns), tiles_(padded<T>(rows) / lanes<T>),
          tile_step_(column_major ? pair : std::ptrdiff_t(pair) * columns),
          column_step_(column_major ? std::ptrdiff_t(pair) * tiles_ : pair),
          data_(std::size_t(pair) * tiles_ * columns)
    {
        for (int k = 0; k < columns; ++k) {
            for (int row = 0; row < rows; ++row) {
                T* tile = data_.data() + row / lanes<T> * tile_step_ + k * column_step_;
                const std::complex<T> value = element(row, k);
                tile[row % lanes<T>] = value.real();
                tile[row % lanes<T> + lanes<T>] = value.imag();
            }
        }
    }

    // out = matrix · x for the columns listed, or all of them; x and out planar, of M antennas. `spare` has
    // room for as many numbers as `spare_size` of the columns says.
    void multiply(const T* x, int x_stride, const int* list, int count, int M, T* out, T* spare) const
    {
        dispatch<false>(x, x_stride, list, count, M, out, spare);
    }

    // The same with every entry of the matrix conjugated.
    void multiply_conjugate(const T* x, int x_stride, int M, T* out, T* spare) const
    {
        dispatch<true>(x, x_stride, nullptr, columns_, M, out, spare);
    }

    static std::size_t spare_size(int columns) { return std::size_t(most_antennas) * std::size_t(columns); }

    // out[k] = column kᴴ · y for the first columns, up to a multiple of four. Column-major only.
    void dot(const T* y, int count, int M, T* out, int out_stride) const
    {
        for (int k = 0; k < count; k += 4) {
            int c = 0;
            for (; c + dot_antennas <= M; c += dot_antennas) {
                dot_four<dot_antennas>(y, k, c, out, out_stride);
            }
            for (; c < M; ++c) {
                dot_four<1>(y, k, c, out, out_stride);
            }
        }
    }

    // Takes these columns of another matrix with as many rows, and zeros up to a multiple of four.
    // Column-major only.
    void select(const Packed& all, const int* list, int count)
    {
        T* place = data_.data();
        for (int i = 0; i < count; ++i, place += column_step_) {
            const T* column = all.data_.data() + list[i] * column_step_;
            std::copy(column, column + column_step_, place);
        }
        std::fill(place, place + (-count & 3) * column_step_, T(0));
    }

    int row_stride() const { return tiles_ * lanes<T>; }
    int columns() const { return columns_; }

private:
    static constexpr int pair = 2 * lanes<T>;

    template <int I, int J> // in registers: an initialiser would go through memory
    static void clear(Vec<T> (&re)[I][J], Vec<T> (&im)[I][J])
    {
        for (int i = 0; i < I; ++i) {
            for (int j = 0; j < J; ++j) {
                re[i][j] = im[i][j] = Vec<T>{};
            }
        }
    }

    static constexpr int most_antennas = 4;

    // Of the antennas left: 4, but two times 3, or 3 and 2, rather than 4 and 1 or 2.
    static constexpr int antennas_at_once(int left)
    {
        return left == 5 || left == 6 ? 3 : std::min(left, most_antennas);
    }

    template <bool conjugate>
    void dispatch(const T* x, int x_stride, const int* list, int count, int M, T* out, T* spare) const
    {
        for (int left = M; left > 0;) {
            const int C = antennas_at_once(left);
            switch (C) {
            case 1:
                tiles<1, conjugate>(x, x_stride, {list, count}, out, spare);
                break;
            case 2:
                tiles<2, conjugate>(x, x_stride, {list, count}, out, spare);
                break;
            case 3:
                tiles<3, conjugate>(x, x_stride, {list, count}, out, spare);
                break;
            default:
                tiles<4, conjugate>(x, x_stride, {list, count}, out, spare);
            }
            x += std::ptrdiff_t(2 * C) * x_stride;
            out += std::ptrdiff_t(2 * C) * row_stride();
            left -= C;
        }
    }

    // Those listed, or the first ones.
    struct Columns
    {
        const int* list;
        int count;
        int at(int i) const { return list ? list[i] : i; }
    };

    // By three real products in place of four: of the real parts, of the imaginary ones, and of the sums of a
    // matrix's two with x's sum, or difference.
    template <int C, bool conjugate>
    void tiles(const T* x, int x_stride, Columns columns, T* out, T* mixed) const
    {
        const T* planes[3][C];
        for (int c = 0; c < C; ++c) {
            const T *re = x + std::ptrdiff_t(2 * c) * x_stride, *im = re + x_stride;
            T* place = mixed + std::ptrdiff_t(c) * columns_;
            for (int i = 0; i < columns.count; ++i) {
                const int k = columns.at(i);
                place[k] = conjugate ? re[k] - im[k] : re[k] + im[k];
            }
            planes[0][c] = re;
            planes[1][c] = im;
            planes[2][c] = place;
        }
        for (int tile = 0, left = (tiles_ + most_tiles<C> - 1) / most_tiles<C>; tile < tiles_; --left) {
            const int width = (tiles_ - tile + left - 1) / left; // passes of even width
            some_tiles<C, conjugate, most_tiles<C>>(width, tile, planes, columns, out);
            tile += width;
        }
    }

    template <int C, bool conjugate, int W>
    void some_tiles(int width, int tile, const T* const (&x)[3][C], Columns columns, T* out) const
    {
        if constexpr (W > 1) {
            if (width < W) {
                return some_tiles<C, conjugate, W - 1>(width, tile, x, columns, out);
            }
        }
        Vec<T> part[3][C][W];
        real_product<0>(x[0], tile, columns, part[0]);
        real_product<1>(x[1], tile, columns, part[1]);
        real_product<2>(x[2], tile, columns, part[2]);
        T* place = out + tile * lanes<T>;
        for (int c = 0; c < C; ++c, place += 2 * row_stride()) {
            for (int w = 0; w < W; ++w) {
                const Vec<T> first = part[0][c][w], second = part[1][c][w], mixed = part[2][c][w];
                vec(place + w * lanes<T>) = conjugate ? first + second : first - second;
                vec(place + w * lanes<T> + row_stride()) =
                    conjugate ? first - second - mixed : mixed - first - second;
            }
        }
    }

    // W tiles of the matrix's real parts, imaginary ones, or sums of both, times C planes.
    template <int which, int C, int W>
    void real_product(const T* const (&x)[C], int tile, Columns columns, Vec<T> (&product)[C][W]) const
    {
        Vec<T> sum[C][W]; // in registers
        for (int c = 0; c < C; ++c) {
            for (int w = 0; w < W; ++w) {
                sum[c][w] = Vec<T>{};
            }
        }
        const T* data = data_.data() + tile * tile_step_;
        for (int i = 0; i < columns.count; ++i) {
            const int k = columns.at(i);
            const T* column = data + k * column_step_;
            Vec<T> a[W];
            for (int w = 0; w < W; ++w, column += tile_step_) {
                a[w] = which == 0   ? vec(column)
                       : which == 1 ? vec(column + lanes<T>)
                                    : vec(column) + vec(column + lanes<T>);
            }
            for (int c = 0; c < C; ++c) {
                for (int w = 0; w < W; ++w) {
                    sum[c][w] += a[w] * x[c][k];
                }
            }
        }
        for (int c = 0; c < C; ++c) {
            for (int w = 0; w < W; ++w) {
                product[c][w] = sum[c][w];
            }
        }
    }

    // Four columns from column k on, C antennas from antenna c on.
    template <int C>
    void dot_four(const T* y, int k, int c, T* out, int out_stride) const
    {
        y += std::ptrdiff_t(2 * c) * row_stride();
        out += std::ptrdiff_t(2 * c) * out_stride + k;
        Vec<T> re[C][4], im[C][4];
        clear(re, im);
        const T* first = data_.data() + k * column_step_;
        for (int tile = 0; tile < tiles_; ++tile) {
            for (int r = 0; r < 4; ++r) {
                const T* column = first + r * column_step_ + tile * pair;
                const Vec<T> ar = vec(column), ai = vec(column + lanes<T>);
                for (int i = 0; i < C; ++i) {
                    const T* place = y + tile * lanes<T> + 2 * i * row_stride();
                    const Vec<T> yr = vec(place), yi = vec(place + row_stride());
                    re[i][r] += ar * yr;
                    im[i][r] += ar * yi;
                    re[i][r] += ai * yi;
                    im[i][r] -= ai * yr;
                }
            }
        }
        for (int i = 0; i < C; ++i, out += 2 * out_stride) {
            sums<T>(re[i][0], re[i][1], re[i][2], re[i][3], out);
            sums<T>(im[i][0], im[i][1], im[i][2], im[i][3], out + out_stride);
        }
    }

    int columns_ = 0, tiles_ = 0;
    std::ptrdiff_t tile_step_ = 0, column_step_ = 0;
    Array<T> data_;
};

} // namespace jadce
