// SPDX-License-Identifier: GPL-3.0-or-later
#include "detection/batch.hpp"

#include <memory>

namespace jadce {
namespace {

class PackedBook final : public Book
{
public:
    PackedBook(const Complex* gram, const Complex* pilots, int L, int N) : arrays_(gram, pilots, L, N) {}
    std::size_t n_devices() const override { return arrays_.gram.n_devices(); }
    const BookArrays& arrays() const override { return arrays_; }
    int pilot_length() const override { return arrays_.pilots.L; }

    void decide(const Rule& rule,
                const DetectionFrames<float>& frames,
                int threads,
                const Decision& all) const override
    {
        decide_all(arrays_, spare_, rule, frames, threads, all);
    }

    void decide(const Rule& rule,
                const DetectionFrames<double>& frames,
                int threads,
                const Decision& all) const override
    {
        decide_all(arrays_, spare_, rule, frames, threads, all);
    }

private:
    const BookArrays arrays_;
    mutable Spare<KeptDetector> spare_;
};

} // namespace

std::unique_ptr<Book> make_book(const Complex* gram, int N, const Complex* pilots, int L)
{
    return std::make_unique<PackedBook>(gram, pilots, L, N);
}

} // namespace jadce
