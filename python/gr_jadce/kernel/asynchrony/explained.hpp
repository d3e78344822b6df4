// SPDX-License-Identifier: GPL-3.0-or-later
// What columns of some powers explain of a frame, and what is seen beside them: Explained of
// gr_jadce.detection.asynchrony.cluster_fit.
#pragma once

#include "asynchrony/columns.hpp"
#include "asynchrony/rows.hpp"

#include <algorithm>
#include <vector>

namespace jadce {

constexpr double ridge =
    1e-6; // of a column's energy, that no others explain: rounding and the table's errors

// Columns that are left out of Σ: where they are, their part of K, inverted, and that times theirs of K BᴴY.
struct LeftOut
{
    std::vector<int> places;
    SmallMatrix middle, match;
};

// Any columns X and what Σ₀, of all columns but those left out, sees of them.
struct Seen
{
    Columns columns, overlap, part; // X, u = BᴴX, K u
    SmallMatrix received;           // XᴴY
    SmallMatrix gram, match;        // XᴴΣ₀⁻¹X and XᴴΣ₀⁻¹Y

    Seen(int L, int most) : columns(L, most) {}
};

// ‖Y − σ²Σ⁻¹Y‖²
inline double energy_explained(const Columns& frame, const Columns& filtered, double noise_var)
{
    double energy = 0;
    for (int m = 0; m < frame.count(); ++m) {
        for (int l = 0; l < frame.rows(); ++l) {
            energy += energy_of(frame(l, m) - noise_var * filtered(l, m));
        }
    }
    return energy;
}

// With B all columns, Γ their powers and K = (BᴴB + σ²Γ⁻¹)⁻¹, Σ⁻¹ = (I − B K Bᴴ)/σ²: K stays well conditioned
// however far a device stands above the noise.
class Explained
{
public:
    double noise_var = 0;

    Explained(int L, int M)
        : L_(L), M_(M), frame_(L, M), filtered_(L, M), columns_(L, 0), rows_(L, M), seen_(0, M)
    {
    }

    int M() const { return M_; }
    const Columns& frame() const { return frame_; }       // Y
    const Columns& filtered() const { return filtered_; } // Σ⁻¹Y

    template <class Sample>
    void load(const std::complex<Sample>* frame)
    {
        for (int l = 0; l < L_; ++l) {
            for (int m = 0; m < M_; ++m) {
                frame_.set(l, m, Complex(frame[std::ptrdiff_t(l) * M_ + m]));
            }
        }
        rows_.load(frame_);
    }

    double energy() const { return frame_.energy(); }

    // For so many columns, all of which are to be laid out before K is of use.
    void make_room(int columns) { resize(0, count(), columns); }

    void lay_out(int place, Seen& x, double power)
    {
        overlap(x);
        set(place, x, power);
    }

    // K, of BᴴB, and Σ⁻¹Y.
    void refresh()
    {
        invert();
        filter();
    }

    // Σ⁻¹Y = (Y − B K BᴴY)/σ², after columns were replaced.
    void filter()
    {
        weights_.become_product(kernel_, seen_);
        for (int m = 0; m < M_; ++m) {
            std::copy_n(frame_.column(m), 2 * frame_.plane(), filtered_.column(m));
            for (int i = 0; i < count(); ++i) {
                filtered_.add(filtered_.column(m), columns_.column(i), -weights_(i, m));
            }
            for (int l = 0; l < 2 * filtered_.plane(); l += lanes<double>) {
                vec(filtered_.column(m) + l) *= 1 / noise_var;
            }
        }
    }

    // The columns at `out.places` are left out of the Σ that others are seen by; they stay in K.
    void leave_out(LeftOut& out) const
    {
        const int own = int(out.places.size());
        out.middle.resize(own, own);
        SmallMatrix weights(own, M_);
        for (int i = 0; i < own; ++i) {
            for (int j = 0; j < own; ++j) {
                out.middle(i, j) = kernel(out.places[std::size_t(i)], out.places[std::size_t(j)]);
            }
            for (int m = 0; m < M_; ++m) {
                weights(i, m) = weight(out.places[std::size_t(i)], m);
            }
        }
        out.middle.invert();
        out.match = product(out.middle, weights);
    }

    // BᴴΣ₀⁻¹B and BᴴΣ₀⁻¹Y of what is left out.
    void see_own(const LeftOut& out, SmallMatrix& gram, SmallMatrix& match) const
    {
        gram = out.middle;
        match = out.match;
        gram.scale(1 / noise_var);
        match.scale(1 / noise_var);
        for (int i = 0; i < gram.rows(); ++i) {
            gram(i, i) -= 1 / powers_[std::size_t(out.places[std::size_t(i)])];
        }
    }

    // The same of any columns X.
    void see(const LeftOut& out, Seen& x) const
    {
        overlap(x);
        x.part.become_product(kernel_, x.overlap);
        x.gram = inner(x.columns, x.columns);
        for (int i = 0; i < x.gram.rows(); ++i) {
            x.gram(i, i) *= 1 + ridge;
        }
        x.gram.subtract(inner(x.overlap, x.part));
        x.match = x.received;
        x.match.subtract(inner(x.part, seen_));
        if (!out.places.empty()) {
            const SmallMatrix own = conjugate_rows(x.part, out.places);
            x.match.add(product(own, out.match));
            x.gram.add(product(own, product(out.middle, conjugate_transpose(own))));
        }
        x.gram.scale(1 / noise_var);
        x.match.scale(1 / noise_var);
    }

    // The slope of the log-likelihood over a power that is given to all columns X alike, where it is 0.
    double slope(Seen& x) const
    {
        overlap(x);
        x.part.become_product(kernel_, x.overlap);
        x.match = x.received;
        x.match.subtract(inner(x.part, seen_));
        double slope = 0;
        for (int i = 0; i < x.columns.count(); ++i) {
            const double left = (1 + ridge) * x.columns.energy(i) - x.overlap.along(i, x.part);
            slope += x.match.row_energy(i) / noise_var - M_ * left;
        }
        return slope / noise_var;
    }

    // Puts columns X, as they were seen, in place of those left out, which stand together; returns the place
    // of the first, −1 without power.
    int replace(const LeftOut& out, Seen& x, double power)
    {
        const int left = int(out.places.size()), first = left > 0 ? out.places[0] : count();
        const int own = power > 0 ? x.columns.count() : 0;
        bool loses_digits = is_close(first, left);
        take_out(out, x);
        if (own != left) {
            resize(first, first + left, count() - left);
            x.part.resize_rows(first, first + left, count(), work_);
            x.overlap.resize_rows(first, first + left, count(), work_);
            resize(count(), count(), count() + own);
        }
        const int place = own == left ? first : count() - own;
        if (own > 0) {
            set(place, x, power);
            take_in(place, x, power);
            loses_digits = loses_digits || is_close(place, own);
        }
        if (loses_digits) {
            invert();
        }
        return own > 0 ? place : -1;
    }

    double trace() const
    {
        double trace = L_ - count();
        for (int i = 0; i < count(); ++i) {
            trace += load(i) * kernel_.real(std::size_t(i))[i];
        }
        return trace / noise_var;
    }

    // The linear MMSE estimate of the gain of a column at antenna m: of K BᴴY.
    Complex gain(int place, int m) const { return weights_(place, m); }

    double explained() const { return energy_explained(frame_, filtered_, noise_var); }

    // ‖σ²Σ⁻¹Y‖²
    double rest() const { return noise_var * noise_var * filtered_.energy(); }

private:
    int count() const { return int(powers_.size()); }

    // u = BᴴX, and XᴴY.
    void overlap(Seen& x) const
    {
        products_.become_product(rows_, x.columns);
        x.overlap.copy_rows(products_, rows_.first(), count());
        x.received.resize(x.columns.count(), M_);
        for (int i = 0; i < x.columns.count(); ++i) {
            for (int m = 0; m < M_; ++m) {
                x.received(i, m) = std::conj(products_(m, i));
            }
        }
    }

    // K becomes zero in rows and columns of what is left out, and what it would be without in others; so does
    // K u.
    void take_out(const LeftOut& out, Seen& x)
    {
        const int n = count(), own = int(out.places.size());
        if (own == 0) {
            return;
        }
        own_.shape(n, own);
        for (int j = 0; j < own; ++j) {
            for (int i = 0; i < n; ++i) {
                own_.set(i, j, kernel(i, out.places[std::size_t(j)]));
            }
        }
        SmallMatrix middle = out.middle;
        middle.negate();
        x.part.add_product(own_, product(middle, conjugate_transpose(conjugate_rows(x.part, out.places))));
        add_outer(kernel_, own_, middle, work_);
        for (int place : out.places) {
            clear(kernel_, std::size_t(place));
        }
    }

    // K with columns X, at a place where it is zero.
    void take_in(int place, Seen& x, double power)
    {
        const int own = x.columns.count();
        SmallMatrix middle = x.gram;
        for (int i = 0; i < own; ++i) {
            middle(i, i) += 1 / power;
        }
        middle.scale(noise_var);
        middle.invert();
        x.part.resize_rows(x.part.rows(), x.part.rows(), count(), work_);
        for (int i = 0; i < own; ++i) {
            for (int j = 0; j < own; ++j) {
                x.part.set(place + i, j, i == j ? -1 : 0);
            }
        }
        add_outer(kernel_, x.part, middle, work_);
    }

    // Keeps the columns before `first`, and those from `last` on after them; has `count` then, new ones zero.
    void resize(int first, int last, int count)
    {
        jadce::resize(kernel_, first, last, count, work_kernel_);
        jadce::resize(gram_, first, last, count, work_kernel_);
        seen_.resize_rows(first, last, count, work_);
        columns_.resize(first, last, count);
        rows_.resize(first, last, count);
        for (auto* values : {&powers_, &energies_}) {
            values->erase(values->begin() + first, values->begin() + last);
            values->resize(std::size_t(count));
        }
    }

    // The columns from a place on become X, of which u is known with the others.
    void set(int place, const Seen& x, double power)
    {
        const int own = x.columns.count();
        const SmallMatrix gram = inner(x.columns, x.columns);
        for (int i = 0; i < own; ++i) {
            for (int j = 0; j < x.overlap.rows(); ++j) {
                set_gram(place + i, j, std::conj(x.overlap(j, i)));
            }
            for (int m = 0; m < M_; ++m) {
                seen_.set(place + i, m, x.received(i, m));
            }
            std::copy_n(x.columns.column(i), 2 * columns_.plane(), columns_.column(place + i));
            rows_.set(place + i, x.columns, i);
            powers_[std::size_t(place + i)] = power;
            energies_[std::size_t(place + i)] = gram(i, i).real();
        }
        for (int i = 0; i < own; ++i) {
            for (int j = 0; j <= i; ++j) {
                set_gram(place + i, place + j, gram(i, j));
            }
        }
    }

    void set_gram(int i, int j, Complex value)
    {
        gram_.real(std::size_t(i))[j] = gram_.real(std::size_t(j))[i] = value.real();
        gram_.imag(std::size_t(i))[j] = value.imag();
        gram_.imag(std::size_t(j))[i] = i == j ? 0 : -value.imag();
    }

    void invert()
    {
        kernel_.resize(gram_.size());
        std::copy_n(gram_.real(0), 2 * gram_.size() * gram_.stride(), kernel_.real(0));
        for (int i = 0; i < count(); ++i) {
            kernel_.real(std::size_t(i))[i] += load(i);
        }
        kernel_.invert(factor_);
    }

    // What K's inverse has on its diagonal beside BᴴB: σ²/γ, and a little so that close columns can be told
    // apart.
    double load(int i) const
    {
        return noise_var / powers_[std::size_t(i)] + ridge * energies_[std::size_t(i)];
    }

    // Whether all others leave so little of some columns that updates of K are differences of large numbers.
    bool is_close(int first, int columns) const
    {
        constexpr double least_left = 1e-3; // of a column's energy
        for (int i = first; i < first + columns; ++i) {
            if (least_left * energies_[std::size_t(i)] * kernel(i, i).real() > 1) {
                return true;
            }
        }
        return false;
    }

    Complex kernel(int i, int j) const
    {
        return {kernel_.real(std::size_t(i))[j], kernel_.imag(std::size_t(i))[j]};
    }

    // A row of K BᴴY.
    Complex weight(int i, int m) const
    {
        Complex sum = 0;
        for (int j = 0; j < count(); ++j) {
            sum += times(kernel(i, j), seen_(j, m));
        }
        return sum;
    }

    const int L_, M_;
    Columns frame_, filtered_; // Y, and Σ⁻¹Y
    Columns columns_;          // B
    Rows rows_;                // Y and B
    std::vector<double> powers_, energies_;
    Columns seen_, weights_;  // BᴴY and K BᴴY
    Hermitian gram_, kernel_; // BᴴB and K
    Hermitian factor_, work_kernel_;
    Columns own_, work_;
    mutable Columns products_;
};

} // namespace jadce
