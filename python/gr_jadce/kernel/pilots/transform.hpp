// SPDX-License-Identifier: GPL-3.0-or-later
// Structured pilots as fast transforms of one antenna.
#pragma once

#include "arithmetic/simd.hpp"
#include "pilots/fast_book.hpp"

#include <cstddef>
#include <memory>

namespace jadce {

// A x and Aᴴ y of one antenna, real and imaginary parts apart; one object serves all threads.
template <class T>
class Transform
{
public:
    virtual ~Transform() = default;
    virtual std::size_t scratch() const = 0; // elements of work space that a thread brings
    // Only the listed entries of x are not zero; all may be where list is null.
    virtual void
    forward(const T* re, const T* im, const int* list, int count, T* out_re, T* out_im, T* scratch) const = 0;
    virtual void adjoint(const T* re, const T* im, T* out_re, T* out_im, T* scratch) const = 0;
    virtual bool has_gram() const { return false; }
    // re, im[j·stride + i] = a_iᴴ a_j of the devices listed, looked up.
    virtual void gram(const int* /*list*/, int /*count*/, T* /*re*/, T* /*im*/, int /*stride*/) const {}
};

// Throws std::invalid_argument for a kind that has none.
template <class T>
std::unique_ptr<const Transform<T>> make_transform(const FastBook& book);

} // namespace jadce
