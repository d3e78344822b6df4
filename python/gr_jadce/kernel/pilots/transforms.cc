// SPDX-License-Identifier: GPL-3.0-or-later
// The transform of each kind of structured pilots.
#include "pilots/dft.hpp"
#include "pilots/hadamard.hpp"
#include "pilots/zadoff_chu.hpp"

#include <stdexcept>

namespace jadce {

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
