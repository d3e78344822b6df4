// SPDX-License-Identifier: GPL-3.0-or-later
#include "covariance/power_descent.hpp"
#include "covariance/descent.hpp"
#include "covariance/exchanges.hpp"

namespace jadce {
namespace {

class PlanesDescent final : public PowerDescent
{
public:
    PlanesDescent(const Complex* pilots, int L, int N) : pilots_(pilots, L, N) {}
    int length() const override { return pilots_.L; }
    int devices() const override { return pilots_.N; }

    void descend(const DescentRule& rule,
                 const DescentFrames& frames,
                 int threads,
                 const DescentResults& results) const override
    {
        descend_all(pilots_, rule, frames, threads, results);
    }

    void exchange(const ExchangeFrames& frames, int threads, const ExchangeResults& results) const override
    {
        exchange_all(pilots_, frames, threads, results);
    }

private:
    const PilotPlanes pilots_;
};

} // namespace

std::unique_ptr<PowerDescent> make_power_descent(const Complex* pilots, int L, int N)
{
    return std::make_unique<PlanesDescent>(pilots, L, N);
}

} // namespace jadce
