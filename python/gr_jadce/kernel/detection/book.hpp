// SPDX-License-Identifier: GPL-3.0-or-later
// Decisions as the bindings see them.
#pragma once

#include "arithmetic/complex.hpp"
#include "detection/detection.hpp"

#include <complex>
#include <cstddef>
#include <memory>

namespace jadce {

// The frames (B, L, M) of a call, and what is known of them: scores (B, N); σ² (B,), 0 where unknown; the
// channels (B, N, M) of an estimate that is a posterior mean, or null, and the share of the squared error to
// expect within which they are taken.
template <class Sample>
struct DetectionFrames
{
    const std::complex<Sample>* received;
    const double* score;
    const double* noise_var;
    const std::complex<Sample>* channel;
    double agreement;
    bool* agrees; // (B,), where they are
    std::size_t count;
};

struct BookArrays; // in the kernel's form: detection/book_arrays.hpp

// Decides about frames of a pilot book, in single or double precision.
class Book
{
public:
    virtual ~Book() = default;
    virtual std::size_t n_devices() const = 0;
    virtual const BookArrays& arrays() const = 0;
    virtual int pilot_length() const = 0;

    virtual void decide(const Rule& rule,
                        const DetectionFrames<float>& frames,
                        int threads,
                        const Decision& all) const = 0;
    virtual void decide(const Rule& rule,
                        const DetectionFrames<double>& frames,
                        int threads,
                        const Decision& all) const = 0;
};

// gram (N, N); pilots (L, N).
std::unique_ptr<Book> make_book(const Complex* gram, int N, const Complex* pilots, int L);

} // namespace jadce
