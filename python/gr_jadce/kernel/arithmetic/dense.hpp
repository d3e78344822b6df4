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

template <class T, int C>
struct Planes
{
    const T* plane[2 * C];
    Planes(const T* x, int stride)
    {
        for (int i = 0; i < 2 * C; ++i) {
            plane[i] = x + std::ptrdiff_t(i) * stride;
        }
    }
};

// Tiles in one pass, so that there are about as many accumulators as hide the latency of a sum.
template <int C>
constexpr int most_tiles = C == 1   ? 5
                           : C == 2 ? 3
                           : C == 3 ? 2
                                    : 1;

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

    // out = matrix · x for the columns listed, or all of them; x and out planar, of M antennas.
    void multiply(const T* x, int x_stride, const int* list, int count, int M, T* out) const
    {
        dispatch<false>(x, x_stride, list, count, M, out);
    }

    // The same with every entry of the matrix conjugated.
    void multiply_conjugate(const T* x, int x_stride, int M, T* out) const
    {
        dispatch<true>(x, x_stride, nullptr, columns_, M, out);
    }

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

    // Of the antennas left: 4, but two times 3, or 3 and 2, rather than 4 and 1 or 2.
    static constexpr int antennas_at_once(int left) { return left == 5 || left == 6 ? 3 : std::min(left, 4); }

    template <bool conjugate>
    void dispatch(const T* x, int x_stride, const int* list, int count, int M, T* out) const
    {
        for (int left = M; left > 0;) {
            const int C = antennas_at_once(left);
            switch (C) {
            case 1:
                tiles<1, conjugate>(x, x_stride, list, count, out);
                break;
            case 2:
                tiles<2, conjugate>(x, x_stride, list, count, out);
                break;
            case 3:
                tiles<3, conjugate>(x, x_stride, list, count, out);
                break;
            default:
                tiles<4, conjugate>(x, x_stride, list, count, out);
            }
            x += std::ptrdiff_t(2 * C) * x_stride;
            out += std::ptrdiff_t(2 * C) * row_stride();
            left -= C;
        }
    }

    template <int C, bool conjugate>
    void tiles(const T* x, int x_stride, const int* list, int count, T* out) const
    {
        const Planes<T, C> planes(x, x_stride);
        for (int tile = 0, left = (tiles_ + most_tiles<C> - 1) / most_tiles<C>; tile < tiles_; --left) {
            const int width = (tiles_ - tile + left - 1) / left; // passes of even width
            some_tiles<C, conjugate, most_tiles<C>>(width, tile, planes.plane, list, count, out);
            tile += width;
        }
    }

    template <int C, bool conjugate, int W>
    void some_tiles(int width, int tile, const T* const* x, const int* list, int count, T* out) const
    {
        if constexpr (W > 1) {
            if (width < W) {
                return some_tiles<C, conjugate, W - 1>(width, tile, x, list, count, out);
            }
        }
        Vec<T> re[C][W], im[C][W];
        clear(re, im);
        const T* data = data_.data() + tile * tile_step_;
        for (int i = 0; i < count; ++i) {
            const int k = list ? list[i] : i;
            const T* column = data + k * column_step_;
            for (int w = 0; w < W; ++w, column += tile_step_) {
                const Vec<T> ar = vec(column), ai = vec(column + lanes<T>);
                for (int c = 0; c < C; ++c) {
                    const T xr = x[2 * c][k], xi = x[2 * c + 1][k];
                    re[c][w] += ar * xr;
                    im[c][w] += ar * xi;
                    if (conjugate) {
                        re[c][w] += ai * xi;
                        im[c][w] -= ai * xr;
                    } else {
                        re[c][w] -= ai * xi;
                        im[c][w] += ai * xr;
                    }
                }
            }
        }
        for (int c = 0; c < C; ++c) {
            store<W>(re[c], im[c], out + std::ptrdiff_t(2 * c) * row_stride() + tile * lanes<T>);
        }
    }

    template <int W>
    void store(const Vec<T> (&re)[W], const Vec<T> (&im)[W], T* place) const
    {
        for (int w = 0; w < W; ++w, place += lanes<T>) {
            vec(place) = re[w];
            vec(place + row_stride()) = im[w];
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
