// SPDX-License-Identifier: GPL-3.0-or-later
#include "network/batch.hpp"

namespace jadce {

std::unique_ptr<FrameNetwork> make_network(int L,
                                           int N,
                                           const Complex* B,
                                           const Complex* Q,
                                           const double* s,
                                           double energy,
                                           std::vector<Layer> layers)
{
    return std::make_unique<DenseNetwork>(L, N, B, Q, s, energy, std::move(layers));
}

} // namespace jadce
