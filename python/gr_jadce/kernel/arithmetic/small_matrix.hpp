// SPDX-License-Identifier: GPL-3.0-or-later
// Complex matrices of a few rows: those of a device's columns, covariances of antennas.
#pragma once

#include "arithmetic/complex.hpp"

#include <algorithm>
#include <cfloat>
#include <cmath>
#include <vector>

namespace jadce {

class SmallMatrix
{
public:
    SmallMatrix() = default;
    SmallMatrix(int rows, int columns) { resize(rows, columns); }
    SmallMatrix(const SmallMatrix& other) { *this = other; }

    SmallMatrix& operator=(const SmallMatrix& other)
    {
        shape(other.rows_, other.columns_);
        std::copy_n(other.data(), other.size(), data());
        return *this;
    }

    void resize(int rows, int columns)
    {
        shape(rows, columns);
        std::fill_n(data(), size(), Complex());
    }

    int rows() const { return rows_; }
    int columns() const { return columns_; }
    Complex& operator()(int i, int j) { return data()[i * columns_ + j]; }
    Complex operator()(int i, int j) const { return data()[i * columns_ + j]; }

    double energy() const { return energy_of(data(), size()); }

    double row_energy(int i) const { return energy_of(data() + i * columns_, std::size_t(columns_)); }

    void subtract(const SmallMatrix& x)
    {
        for (std::size_t i = 0; i < size(); ++i) {
            data()[i] -= x.data()[i];
        }
    }

    void add(const SmallMatrix& x)
    {
        for (std::size_t i = 0; i < size(); ++i) {
            data()[i] += x.data()[i];
        }
    }

    void scale(double factor)
    {
        for (std::size_t i = 0; i < size(); ++i) {
            data()[i] *= factor;
        }
    }

    void negate() { scale(-1); }

    // A positive definite matrix becomes its inverse; returns the logarithm of its determinant.
    double invert()
    {
        double log_determinant = 0;
        for (int k = 0; k < rows_; ++k) {
            const double pivot = std::max((*this)(k, k).real(), DBL_MIN);
            log_determinant += std::log(pivot);
            (*this)(k, k) = 1;
            for (int j = 0; j < columns_; ++j) {
                (*this)(k, j) /= pivot;
            }
            for (int i = 0; i < rows_; ++i) {
                eliminate(i, k);
            }
        }
        return log_determinant;
    }

private:
    void shape(int rows, int columns)
    {
        rows_ = rows;
        columns_ = columns;
        if (size() > most_few && size() > many.size()) {
            many.resize(size());
        }
    }

    static constexpr std::size_t most_few = 64;
    union Few {
        Few() {} // of no values yet
        Complex values[most_few];
    };

    std::size_t size() const { return std::size_t(rows_) * std::size_t(columns_); }
    Complex* data() { return size() > most_few ? many.data() : few.values; }
    const Complex* data() const { return size() > most_few ? many.data() : few.values; }

    void eliminate(int i, int k)
    {
        if (i == k) {
            return;
        }
        const Complex factor = (*this)(i, k);
        (*this)(i, k) = 0;
        for (int j = 0; j < columns_; ++j) {
            (*this)(i, j) -= times(factor, (*this)(k, j));
        }
    }

    int rows_ = 0, columns_ = 0;
    Few few; // nearly all are so small that no memory has to be found for them
    std::vector<Complex> many;
};

// x y
inline SmallMatrix product(const SmallMatrix& x, const SmallMatrix& y)
{
    SmallMatrix result(x.rows(), y.columns());
    for (int i = 0; i < x.rows(); ++i) {
        for (int k = 0; k < x.columns(); ++k) {
            for (int j = 0; j < y.columns(); ++j) {
                result(i, j) += times(x(i, k), y(k, j));
            }
        }
    }
    return result;
}

inline SmallMatrix conjugate_transpose(const SmallMatrix& x)
{
    SmallMatrix result(x.columns(), x.rows());
    for (int i = 0; i < x.rows(); ++i) {
        for (int j = 0; j < x.columns(); ++j) {
            result(j, i) = std::conj(x(i, j));
        }
    }
    return result;
}

// By one of Jacobi's rotations a Hermitian matrix of two rows becomes diagonal, and `along` (rows of which
// are turned alike) Uᴴ along.
inline void diagonalize_pair(SmallMatrix& x, SmallMatrix& along)
{
    const double first = x(0, 0).real(), second = x(1, 1).real(), length = std::sqrt(energy_of(x(0, 1)));
    if (length <= 1e-9 * std::sqrt(std::abs(first * second)) || length < DBL_MIN) {
        return;
    }
    const double ratio = (second - first) / (2 * length);
    const double t = (ratio < 0 ? -1 : 1) / (std::abs(ratio) + std::sqrt(1 + ratio * ratio));
    const double c = 1 / std::sqrt(1 + t * t);
    const Complex s = t * c / length * x(0, 1); // with the phase of x_01
    for (int j = 0; j < along.columns(); ++j) {
        const Complex a = along(0, j), b = along(1, j);
        along(0, j) = c * a - times(s, b);
        along(1, j) = times(std::conj(s), a) + c * b;
    }
    x(0, 0) = first - t * length;
    x(1, 1) = second + t * length;
    x(0, 1) = x(1, 0) = 0;
}

} // namespace jadce
