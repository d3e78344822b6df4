// SPDX-License-Identifier: GPL-3.0-or-later
// Σ = σ²I + Σ_n γ_n a_n a_nᴴ and the factor T of its inverse, Σ⁻¹ = TᴴT, T lower triangular.
#pragma once

#include "covariance/pilot_planes.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

namespace jadce {

class InverseFactor
{
public:
    // T's rows in planes, as many as a multiple of `row_group`; those beyond L are zero.
    static constexpr int row_group = vector_bytes == 64 ? 4 : 2;

    explicit InverseFactor(const PilotPlanes& pilots)
        : pilots_(pilots), stride_(pilots.stride), covariance_(std::size_t(2) * pilots.L * stride_),
          rows_(std::size_t(2) * (pilots.L + row_group) * stride_)
    {
    }

    // Of the members' powers; T is diagonal where there are none.
    void factor(const double* power, const int* members, int count, double noise_var)
    {
        is_diagonal_ = count == 0;
        std::fill(rows_.data(), rows_.data() + rows_.size(), 0.0);
        if (is_diagonal_) {
            for (int l = 0; l < pilots_.L; ++l) {
                row(l)[l] = 1 / std::sqrt(noise_var);
            }
            log_det_ = pilots_.L * std::log(noise_var);
            return;
        }
        accumulate(power, members, count, noise_var);
        decompose();
        invert();
    }

    const double* row(int l) const { return rows_.data() + std::ptrdiff_t(2) * l * stride_; }
    int stride() const { return stride_; }
    bool is_diagonal() const { return is_diagonal_; }
    double log_det() const { return log_det_; } // of Σ

private:
    static constexpr int column_group = 4;

    double* row(int l) { return rows_.data() + std::ptrdiff_t(2) * l * stride_; }
    double* column(int j) { return covariance_.data() + std::ptrdiff_t(2) * j * stride_; }
    static int first_lane(int row) { return row / lanes<double> * lanes<double>; }

    // y[from …] += c x[from …], complex, in planes.
    void add(double* y, const double* x, double re, double im, int from, int to) const
    {
        for (int l = from; l < to; l += lanes<double>) {
            const Vec<double> xr = vec(x + l), xi = vec(x + stride_ + l);
            vec(y + l) += re * xr - im * xi;
            vec(y + stride_ + l) += re * xi + im * xr;
        }
    }

    // The lower triangle of Σ, some columns at a time.
    void accumulate(const double* power, const int* members, int count, double noise_var)
    {
        weights_.resize(std::size_t(2) * column_group * count);
        int j = 0;
        for (; j + column_group <= pilots_.L; j += column_group) {
            accumulate_columns<column_group>(j, power, members, count);
        }
        for (; j < pilots_.L; ++j) {
            accumulate_columns<1>(j, power, members, count);
        }
        for (int l = 0; l < pilots_.L; ++l) {
            column(l)[l] += noise_var;
        }
    }

    // Σ_n a_n γ_n a_nᴴ, columns j … j + J − 1, from the vector of rows that j is in.
    template <int J>
    void accumulate_columns(int j, const double* power, const int* members, int count)
    {
        for (int k = 0; k < count; ++k) {
            const double* a = pilots_.column(members[k]) + j;
            for (int i = 0; i < J; ++i) {
                weights_[2 * (k * J + i)] = power[members[k]] * a[i];
                weights_[2 * (k * J + i) + 1] = power[members[k]] * a[stride_ + i];
            }
        }
        for (int l = first_lane(j); l < stride_; l += lanes<double>) {
            Vec<double> re[J] = {}, im[J] = {};
            const double* weight = weights_.data();
            for (int k = 0; k < count; ++k) {
                const double* a = pilots_.column(members[k]) + l;
                const Vec<double> ar = vec(a), ai = vec(a + stride_);
                for (int i = 0; i < J; ++i, weight += 2) {
                    re[i] += weight[0] * ar;
                    im[i] += weight[0] * ai;
                    re[i] += weight[1] * ai;
                    im[i] -= weight[1] * ar;
                }
            }
            for (int i = 0; i < J; ++i) {
                vec(column(j + i) + l) = re[i];
                vec(column(j + i) + stride_ + l) = im[i];
            }
        }
    }

    // Cholesky, in place: Σ = C Cᴴ.
    void decompose()
    {
        double log_det = 0;
        for (int j = 0; j < pilots_.L; ++j) {
            double* c = column(j);
            const double pivot = std::sqrt(std::max(c[j], std::numeric_limits<double>::min()));
            log_det += 2 * std::log(pivot);
            for (int l = first_lane(j); l < stride_; l += lanes<double>) {
                vec(c + l) /= pivot;
                vec(c + stride_ + l) /= pivot;
            }
            for (int k = j + 1; k < pilots_.L; ++k) {
                add(column(k), c, -c[k], c[stride_ + k], first_lane(k), stride_);
            }
        }
        log_det_ = log_det;
    }

    // T = C⁻¹, row by row: C_ll T_l = e_l − Σ_{k<l} C_lk T_k.
    void invert()
    {
        for (int l = 0; l < pilots_.L; ++l) {
            double* t = row(l);
            for (int k = 0; k < l; ++k) {
                const double* c = column(k);
                add(t, row(k), -c[l], -c[stride_ + l], 0, first_lane(k) + lanes<double>);
            }
            t[l] = 1;
            const double pivot = column(l)[l];
            for (int j = 0; j <= l; j += lanes<double>) {
                vec(t + j) /= pivot;
                vec(t + stride_ + j) /= pivot;
            }
        }
    }

    const PilotPlanes& pilots_;
    const int stride_;
    bool is_diagonal_ = true;
    double log_det_ = 0;
    Array<double> covariance_, rows_;
    std::vector<double> weights_;
};

} // namespace jadce
