# SPDX-License-Identifier: GPL-3.0-or-later
"""The network and what it is compared with in the ablation: other proximal operators and correctors.

A weight file names its variant. All are told and trained alike; each differs from
``gate_attention``, the network of `layers`, in one thing:

* ``threshold_attention``: attention sets the threshold of a row shrink instead of a gain, after
  the deep residual shrinkage networks (Zhao et al., IEEE Trans. Ind. Inform. 16(7), 2020).
* ``soft``: the group LASSO and nothing else. Every layer is a step of the solver with a learned
  penalty, β, r and C, which their parametrisation keeps in the family that is known to converge.
* ``fixed_corrector``: the corrector keeps its initial damping and gain.
* ``plain_dual``: U ← Z~ − T, the dual step of ADMM, blind to the divergence of the gate.
* ``noise_unaware``: the gate is not told the variance τ² of what it denoises.
"""

from functools import partial
from typing import Any, NamedTuple

from ..solvers.group_lasso import apply
from ..solvers.pc_admm import step
from .layers import SCALARS, SHAPES, Attention, Book, Frames, Output, State, layer, sigmoid, squares

_GATE = {"power", "power_keep", "prior", "prior_keep", "slope", "spread"}
_CORRECTOR = {"damping", "dual_gain"}
_SOFT = {
    "beta": 0.0,  # ln β
    "noise_floor": -1.0,  # ln of the share of the residual's energy that is noise, σ² unknown
    "threshold": -0.36,  # ln λ/(σ√M)
    "relax": -2.0,  # r = 1 − 4 sigmoid
    "correct_first": 2.0,  # logits of the eigenvalues of S^{-1/2} D S^{-1/2}, S = Q + Qᵀ
    "correct_second": 2.0,
    "correct_turn": 0.0,  # tangent of the angle of its eigenvectors
}


class ThresholdAttention(Attention):
    """The gain is that of a row shrink, 1 − θ/‖t‖ above θ; attention finds θ."""

    def _gate(self, n, M):
        xp, w, h = self.xp, self.w, self.excited
        t2 = self.tau2 * xp.exp(w["noise"] + h[3])
        amplitude = xp.sqrt(n + 1e-12)
        ratio = xp.sqrt(t2) * xp.exp(w["threshold"] + h[0]) / amplitude
        gain = xp.clip(1 - ratio, 0, None)
        active = gain / (gain + 0.05)
        self.score = xp.clip(4 / ratio - 4, None, 60)
        slopes = gain + active * ratio / (2 * M)
        self._correct(xp.clip(slopes.mean(0), 1e-6, self._most(n)), t2)
        self._learn_prior(active, n, t2, 1.0)
        return gain


class FixedCorrector(Attention):
    def _correct(self, divergence, t2):
        initial = {name: SCALARS[name] + 0 * t2 for name in _CORRECTOR}
        self.w, self.excited = self.w | initial, 0 * self.excited
        super()._correct(divergence, t2)


class PlainDual(Attention):
    def _correct(self, divergence, t2):
        self.C, self.dual_scale = ((1.0, 0.0), (1.0, 2.0)), 1 + 0 * t2
        self.error = t2 * divergence / (1 - divergence)


class NoiseUnaware(Attention):
    def __init__(self, xp: Any, w: dict, state: State, tau2: Any, *rest: Any) -> None:
        super().__init__(xp, w, state, 0.1 + 0 * tau2, *rest)


def soft_layer(xp: Any, w: dict, book: Book, frames: Frames, state: State) -> tuple[State, Output]:
    """One step of PC-ADMM for the group LASSO, λ = exp(threshold) σ √M; as `layers.layer`."""
    (L, N), M = book.B.shape, state.Z.shape[2]
    beta = xp.exp(w["beta"]) + 0 * state.error
    U = (state.error / beta)[:, None] * state.U  # `error` holds the β of the layer before
    residual = frames.Y - apply(book.B, state.Z + U)
    energy = squares(residual).sum(0) / (L * M)
    noise = frames.known * frames.noise_var + (1 - frames.known) * xp.exp(w["noise_floor"]) * energy
    push = residual / (book.s + beta)[..., None]
    shrink = Shrink(xp, xp.exp(w["threshold"]) * xp.sqrt(noise * M) / beta)
    r, C = admissible(xp, w)
    Z, U, estimate = step(state.Z, U, lambda V: V + apply(book.adjoint, push), shrink, r, C)
    state = state._replace(Z=Z, U=U, error=beta, energy=energy)
    return state, Output(estimate, shrink.score, L / N * energy, shrink.energies)


class Shrink:
    """Row shrink; afterwards `score`, by how much a row is above the threshold, and `energies` of rows."""

    def __init__(self, xp: Any, threshold: Any) -> None:
        self.xp, self.threshold = xp, threshold

    def __call__(self, T: Any) -> Any:
        energy = squares(T)
        ratio, self.energies = self.threshold / self.xp.sqrt(energy + 1e-12), energy / T.shape[2]
        self.score = self.xp.clip(4 / ratio - 4, None, 60)
        return self.xp.clip(1 - ratio, 0, None)[..., None] * T


def admissible(xp: Any, w: dict) -> tuple[Any, tuple]:
    """r in (−3, 1) and C = Q⁻ᵀ D with 0 < D < S = Q + Qᵀ, whatever the parameters are.

    D = P diag(e) Pᵀ with e in (0, 1) and P = S^½ times a rotation.
    """
    r = 1 - 4 * sigmoid(xp, w["relax"])
    even, odd = xp.sqrt(3 + r), xp.sqrt(1 - r)  # roots of the eigenvalues of S
    plus, minus = (even + odd) / 2, (even - odd) / 2  # S^½ = [[plus, minus], [minus, plus]]
    cos = 1 / xp.sqrt(1 + w["correct_turn"] ** 2)
    sin = w["correct_turn"] * cos
    first = plus * cos + minus * sin, minus * cos + plus * sin
    second = minus * cos - plus * sin, plus * cos - minus * sin
    e, f = sigmoid(xp, w["correct_first"]), sigmoid(xp, w["correct_second"])
    D = [[e * first[i] * first[j] + f * second[i] * second[j] for j in (0, 1)] for i in (0, 1)]
    top = [(D[0][j] - D[1][j]) / (1 - r) for j in (0, 1)]
    bottom = [(D[1][j] - r * D[0][j]) / (1 - r) for j in (0, 1)]
    return r, (tuple(top), tuple(bottom))


class Variant(NamedTuple):
    """A layer, the initial values of its scalars, the shapes of all its parameters, and what it gives."""

    layer: Any
    scalars: dict
    shapes: dict
    posterior_mean: bool = True


def _attention(attention, scalars, posterior_mean=True):
    weights = {name: shape for name, shape in SHAPES.items() if name not in SCALARS}
    shapes = {name: () for name in scalars} | weights
    return Variant(partial(layer, attention=attention), scalars, shapes, posterior_mean)


def _without(names):
    return {name: value for name, value in SCALARS.items() if name not in names}


VARIANTS = {
    "gate_attention": _attention(Attention, SCALARS),
    "threshold_attention": _attention(ThresholdAttention, _without(_GATE) | {"threshold": 0.7}, False),
    "soft": Variant(soft_layer, _SOFT, {name: () for name in _SOFT}, False),
    "fixed_corrector": _attention(FixedCorrector, _without(_CORRECTOR)),
    "plain_dual": _attention(PlainDual, _without(_CORRECTOR)),
    "noise_unaware": _attention(NoiseUnaware, SCALARS),
}
DEFAULT = "gate_attention"
