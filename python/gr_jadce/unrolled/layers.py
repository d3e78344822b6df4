# SPDX-License-Identifier: GPL-3.0-or-later
"""One layer of the unrolled network, written once for NumPy and torch (`xp` is either module).

A layer is the PC-ADMM step of `solvers.pc_admm` with a channel-attention proximal operator. In
coordinates rotated by the eigenvectors Q of A Aᴴ = Q diag(s) Qᴴ, B = QᴴA, Ỹ = QᴴY, V = Z + U:

    predict   X~ = V + ½ c γ Bᴴ (Ỹ − B V)/(s + β),   U~ = V − X~
    attend    T  = X~ − U~;  squeeze every device to its energy n = ‖t‖²/M and the frame to a few
              statistics; excite:  Z~ = g ⊙ T, a gain g in [0, 1) for every device
    correct   [Z; U] ← [Z; U] − C [Z − Z~; U − U~],   C = [[d, 0], [r, 2r]];   U ← (1 − d + κ) U

r = κ/(1 − d + κ) ∈ (0, 1), and the last factor is the rescaling of a scaled dual when β changes.
Against the solver, the reflection's factor 2 is learned (c γ), so are β, the damping d and κ, which
follows the divergence of the gate. This is in general outside the family for which PC-ADMM is known
to converge, so **no convergence guarantee applies**: the network gives accuracy after a few layers.

The gain is the posterior mean of a Bernoulli prior with a spread of powers, its parameters
re-estimated by every layer from the frame's statistics. Nothing depends on the order of devices,
on a unitary rotation of the antennas, on phases or on the scale of the frame, and no parameter
is tied to N, L or M.

Shapes: Ỹ (L, B, M); Z, U, T (N, B, M); everything of a device (N, B), of a frame (B,).
"""

from math import log
from typing import Any, NamedTuple

from ..solvers.group_lasso import apply
from ..solvers.pc_admm import step

N_HIDDEN = 16
N_FEATURES = 11
N_EXCITE = 7
# Gauss-Legendre nodes and log weights: the spread of powers is uniform in dB.
NODES = ((-0.7745967, log(5 / 18)), (0.0, log(8 / 18)), (0.7745967, log(5 / 18)))
PRIOR_LOGIT = log(0.1 / 0.9)
PRIOR_LOG_POWER = log(10.0)

# Learned by each layer: name → (shape, initial value). Untrained, this is orthogonal AMP with
# expectation maximisation, written as PC-ADMM.
SCALARS = {
    "error_gain": 0.0,  # ln of a factor on the error variance v
    "error_mix": -1.0,  # logit of the share of the predicted v against the residual's
    "noise_floor": -3.0,  # ln of the least share of the residual that is noise, σ² unknown
    "beta": 0.0,  # ln of a factor on β = σ²/v
    "reflect": 1.0,  # c
    "power": 0.0,  # ln of a factor on the power of an active device
    "power_keep": 1.0,  # exponent of the power estimated by the layer before
    "prior": PRIOR_LOGIT,  # logit of the activity rate …
    "prior_keep": 0.5,  # … and weight of the layer before
    "noise": 0.0,  # ln of a factor on the effective noise τ²
    "slope": 0.0,  # ln of a factor on the evidence
    "spread": -1.0,  # ln of the half width of the spread of powers, nepers
    "damping": 1.0,  # logit of d
    "dual_gain": 0.0,  # ln of a factor on κ = d δ/(1 − δ), δ the mean divergence of the gate
}
SHAPES = {name: () for name in SCALARS} | {
    "squeeze_weight": (N_HIDDEN, N_FEATURES),
    "squeeze_bias": (N_HIDDEN,),
    "excite_weight": (N_EXCITE, N_HIDDEN),
    "excite_bias": (N_EXCITE,),
}


class Book(NamedTuple):
    """Pilots in rotated coordinates: B = QᴴA (L, N), its adjoint, and s (L, 1); mean ‖a_n‖² = 1.

    B and its adjoint are arrays, or each an `Operator` of `solvers.group_lasso`.
    """

    B: Any
    adjoint: Any
    s: Any


class Frames(NamedTuple):
    """Rotated frames Ỹ (L, B, M) of mean energy N/L a sample; σ² (B,) and 1 where it is known, else 0."""

    Y: Any
    noise_var: Any
    known: Any


class State(NamedTuple):
    """What a layer hands to the next."""

    Z: Any  # (N, B, M)
    U: Any  # (N, B, M)
    error: Any  # (B,) predicted variance of V
    logit: Any  # (B,) of the activity rate
    log_power: Any  # (B,) of an active device
    energy: Any  # (B,) mean energy of the residual Ỹ − B V


class Output(NamedTuple):
    """The estimate Z~ (N, B, M), its score (N, B) in log-odds, and its predicted error variance (B,).

    The energies (N, B), ‖t_n‖²/M, are what the score is made from.
    """

    estimate: Any
    score: Any
    error: Any
    energy: Any


def start(zeros: Any, ones: Any, ratio: float) -> State:
    """The state before the first layer, from zeros (N, B, M), ones (B,) and the ratio N/L."""
    return State(zeros, zeros, ones, PRIOR_LOGIT * ones, PRIOR_LOG_POWER * ones, ratio * ones)


def layer(
    xp: Any, w: dict, book: Book, frames: Frames, state: State, attention: type["Attention"] | None = None
) -> tuple[State, Output]:
    """One layer with parameters `w`, a dict of the arrays in `SHAPES`: the next `State`, and `Output`."""
    (L, N), M = book.B.shape, state.Z.shape[2]
    residual = frames.Y - apply(book.B, state.Z + state.U)
    energy = squares(residual).sum(0) / (L * M)
    noise = _noise_var(xp, w, frames, energy, N / L * state.error)
    error = _error_var(xp, w, state, L / N * (energy - noise)) + 0.02 * noise
    weight = 1 / (book.s + xp.exp(w["beta"]) * noise / error)
    gamma = N / (book.s * weight).sum(0)
    tau2 = _effective_noise(xp, gamma, book.s, weight, error, noise, N)
    push = (0.5 * w["reflect"] * gamma * weight)[..., None] * residual
    attend = (attention or Attention)(xp, w, state, tau2, noise, energy, frames.known, L)
    Z, U, estimate = step(
        state.Z, state.U, lambda V: V + apply(book.adjoint, push), attend, 1.0, attend.corrector
    )
    state = State(Z, attend.dual_scale[:, None] * U, attend.error, attend.logit, attend.log_power, energy)
    return state, Output(estimate, attend.score, attend.error, attend.energies)


class Attention:
    """Channel attention as proximal operator, T ↦ g ⊙ T; afterwards it holds what it saw on the way."""

    def __init__(
        self,
        xp: Any,
        w: dict,
        state: State,
        tau2: Any,
        noise: Any,
        energy: Any,
        known: Any,
        pilot_length: int,
    ) -> None:
        self.xp, self.w, self.state = xp, w, state
        self.tau2, self.noise, self.energy = tau2, noise, energy
        self.known, self.pilot_length = known, pilot_length

    def __call__(self, T: Any) -> Any:
        N, M = T.shape[0], T.shape[2]
        self.energies = n = squares(T) / M
        self.excited = self._excite(self._squeeze(n, N, M))
        gain = self._gate(n, M)
        return gain[..., None] * T

    def _squeeze(self, n, N, M):
        """The frame's statistics (N_FEATURES, B)."""
        xp, one = self.xp, 1 + 0 * self.tau2
        signal = xp.clip(n.mean(0) - self.tau2, 1e-6, None)
        fourth = (n**2).mean(0) / (1 + 1 / M) - self.tau2**2 - 2 * signal * self.tau2
        power = xp.log(xp.clip(fourth, 1e-6, None) / signal)  # of an active device, by moments
        # Most devices are idle: theirs is the geometric mean (less its bias for Gamma(M) energies).
        usual = xp.log(n + 1e-9).mean(0) + 1 / (2 * M) + 1 / (12 * M**2)
        features = [
            xp.log(self.tau2) / 3,
            xp.log(self.noise) / 3,
            xp.log((self.energy + 1e-9) / self.noise) / 3,
            self.state.logit - PRIOR_LOGIT,
            self.state.log_power - PRIOR_LOG_POWER,
            xp.clip(power - self.state.log_power, -2, 2),
            (log(M) / 2) * one,
            log(N / self.pilot_length / 3) * one,
            self.known - 0.5,
            xp.clip(xp.log((self.energy + 1e-9) / (self.state.energy + 1e-9)), -2, 2),
            xp.clip(usual - xp.log(self.tau2), -2, 2),
        ]
        return xp.stack(features)

    def _excite(self, features):
        """What the frame's statistics change in the layer's parameters: (N_EXCITE, B)."""
        w = self.w
        hidden = w["squeeze_weight"] @ features + w["squeeze_bias"][:, None]
        hidden = hidden * sigmoid(self.xp, hidden)
        return w["excite_weight"] @ hidden + w["excite_bias"][:, None]

    def _gate(self, n, M):
        """The gain of every device (N, B); sets score, corrector and the estimates for the next layer."""
        xp, w, state, h = self.xp, self.w, self.state, self.excited
        log_power = w["power_keep"] * (state.log_power - PRIOR_LOG_POWER) + PRIOR_LOG_POWER + w["power"]
        vx = xp.exp(xp.clip(log_power + h[0], -12, 12))
        t2 = self.tau2 * xp.exp(w["noise"] + h[3])
        slope = xp.exp(w["slope"] + h[1])
        prior = w["prior"] + w["prior_keep"] * (state.logit - PRIOR_LOGIT) + 3 * h[2]
        half_width = xp.exp(xp.clip(w["spread"] + h[4], -6, 1.5))
        evidence, shrink, loss, covariance = self._powers(n, M, vx, t2, slope, half_width)
        self.score = M * slope * n / t2 + evidence + prior
        active, idle = sigmoid(xp, self.score), sigmoid(xp, -self.score)
        gain = active * shrink
        slopes = active * (shrink * (1 + idle * (slope * n / t2 - loss)) + covariance)
        self._correct(xp.clip(slopes.mean(0), 1e-6, self._most(n)), t2)
        self._learn_prior(active, n, t2, vx)
        return gain

    def _most(self, n):
        """The largest divergence: of N Z~ at most L are free."""
        return min(0.9, 0.9 * self.pilot_length / n.shape[0])

    def _learn_prior(self, active, n, t2, vx):
        """Activity rate and power for the next layer, by expectation maximisation."""
        xp = self.xp
        rate = xp.clip(active.mean(0), 1e-3, 0.6)
        self.logit = xp.log(rate / (1 - rate))
        seen = (active * (n - t2)).sum(0) + 0.1 * vx
        power = xp.clip(seen / (active.sum(0) + 0.1), 1e-3, None)
        # The frame's energy is one a device: a larger power would be that of the error.
        self.log_power = xp.log(xp.minimum(power, 1.5 / rate))

    def _powers(self, n, M, vx, t2, slope, half_width):
        """Mixture over the spread of powers, given that the device is active.

        With v_j the powers, b_j = slope n/(v_j + t2) and weights π_j given n: the log evidence less
        its part M slope n/t2, Σ π_j v_j/(v_j + t2), Σ π_j b_j, and the covariance of the last two.
        """
        xp = self.xp
        powers = [(vx * xp.exp(node * half_width), log_weight) for node, log_weight in NODES]
        losses = [slope * n / (v + t2) for v, _ in powers]
        logs = [
            log_weight - M * (b + xp.log(1 + v / t2))
            for (v, log_weight), b in zip(powers, losses, strict=True)
        ]
        peak = xp.maximum(xp.maximum(logs[0], logs[1]), logs[2])
        parts = [xp.exp(value - peak) for value in logs]
        total = parts[0] + parts[1] + parts[2]
        gains = [v / (v + t2) for v, _ in powers]
        shrink = sum(part * gain for part, gain in zip(parts, gains, strict=True)) / total
        loss = sum(part * b for part, b in zip(parts, losses, strict=True)) / total
        terms = zip(parts, gains, losses, strict=True)
        covariance = sum(part * gain * (loss - b) for part, gain, b in terms) / total
        return peak + xp.log(total), shrink, loss, covariance

    def _correct(self, divergence, t2):
        w, h = self.w, self.excited
        ratio = divergence / (1 - divergence)
        d = sigmoid(self.xp, w["damping"] + h[6])
        kappa = d * self.xp.exp(w["dual_gain"] + h[5]) * ratio
        self.dual_scale = 1 - d + kappa
        r = (kappa / self.dual_scale)[:, None]
        self.C = ((d[:, None], 0.0), (r, 2 * r))
        self.error = t2 * ratio

    def corrector(self) -> Any:
        """C, which follows from the gate."""
        return self.C


def _noise_var(xp, w, frames, energy, error):
    """σ² of every frame: as given, or what the predicted error leaves of the residual's energy."""
    found = xp.clip(energy - error, 0, None) + xp.exp(w["noise_floor"]) * energy
    return xp.clip(frames.known * frames.noise_var + (1 - frames.known) * found, 1e-7, None)


def _error_var(xp, w, state, seen):
    """Variance of V's error: what the layer before predicted, and what the residual shows, mixed."""
    mix = sigmoid(xp, w["error_mix"])
    return xp.exp(w["error_gain"]) * (mix * state.error + (1 - mix) * xp.clip(seen, 0, None)) + 1e-9


def _effective_noise(xp, gamma, s, weight, error, noise, N):
    """τ², the variance of T's error: what is left of V's, and the noise that the filter lets through."""
    left = error * xp.clip(gamma**2 * ((s * weight) ** 2).sum(0) / N - 1, 0, None)
    return left + noise * gamma**2 * (s * weight**2).sum(0) / N + 1e-9


def squares(x: Any) -> Any:
    """Σ|x|² over the last axis, of NumPy arrays and torch tensors."""
    return (x.real**2 + x.imag**2).sum(-1)


def sigmoid(xp: Any, x: Any) -> Any:
    """1/(1 + e⁻ˣ)."""
    return 1 / (1 + xp.exp(-xp.clip(x, -60, 60)))
