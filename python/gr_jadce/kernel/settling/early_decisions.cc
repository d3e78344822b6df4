// SPDX-License-Identifier: GPL-3.0-or-later
#include "settling/early.hpp"

#include <memory>
#include <stdexcept>

namespace jadce {
namespace {

class DenseEarlyDecisions final : public EarlyDecisions
{
public:
    DenseEarlyDecisions(const DenseNetwork& network,
                        const Book& book,
                        const Rule& rule,
                        const SettlingRule& settling,
                        const NoiseRule& noise)
        : network_(network), book_(book.arrays()), rule_(rule), settling_(settling), noise_(noise)
    {
    }

    const Rule& rule() const override { return rule_; }
    int devices() const override { return network_.devices(); }

    void run(const EarlyFrames<float>& frames, int threads, const EarlyResults<float>& results) override
    {
        run_all(frames, threads, results);
    }

    void run(const EarlyFrames<double>& frames, int threads, const EarlyResults<double>& results) override
    {
        run_all(frames, threads, results);
    }

private:
    template <class Sample>
    void run_all(const EarlyFrames<Sample>& frames, int threads, const EarlyResults<Sample>& results)
    {
        const int M = int(rule_.n_antennas);
        for_each_frame(
            int(frames.count),
            threads,
            [&] { return std::make_unique<Lease<Lazy<EarlyDecider>>>(spare_, M); },
            [&](int b, auto& lease) {
                (**lease)
                    .get(network_, book_, rule_, noise_)
                    .decide(settling_, frames, std::size_t(b), results);
            });
    }

    const DenseNetwork& network_;
    const BookArrays& book_;
    const Rule rule_;
    const SettlingRule settling_;
    const NoiseRule noise_;
    Spare<Lazy<EarlyDecider>> spare_;
};

} // namespace

std::unique_ptr<EarlyDecisions> make_early_decisions(const FrameNetwork& network,
                                                     const Book& book,
                                                     const Rule& rule,
                                                     const SettlingRule& settling,
                                                     const NoiseRule& noise)
{
    const auto* dense = dynamic_cast<const DenseNetwork*>(&network);
    if (!dense) {
        throw std::invalid_argument("network: expected one of a dense pilot book");
    }
    return std::make_unique<DenseEarlyDecisions>(*dense, book, rule, settling, noise);
}

} // namespace jadce
