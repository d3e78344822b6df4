# SPDX-License-Identifier: GPL-3.0-or-later
"""Unrolled networks of the literature, complex-valued and with row shrinkage for several antennas.

Shapes as in `gr_jadce.unrolled.layers`: Y (L, B, M), X (N, B, M), pilots in rotated coordinates,
which a learned matrix takes up. Matrices start at the classical iteration's. Where a paper's
threshold is a constant θ, here it is θ (σ/σ₀)^s, s learned, so that one network serves all SNRs;
trained at one SNR it is the paper's.
"""

from typing import NamedTuple

import torch

from gr_jadce.solvers.group_lasso import apply

MATRIX_STEP = 0.1  # matrices learn slower than scalars, by this factor


class Output(NamedTuple):
    estimate: torch.Tensor  # (N, B, M)
    score: torch.Tensor  # (N, B)


class Layered(torch.nn.Module):
    """K layers after one another; `depth` of them run, and are trained."""

    def __init__(self, make_layer, book, n_layers, tied=False):
        super().__init__()
        first = make_layer(book)
        layers = [first if tied else make_layer(book) for _ in range(n_layers)]
        self.layers, self.n_layers, self.depth = torch.nn.ModuleList(layers), n_layers, n_layers

    @property
    def scores_are_lengths(self):
        """Of rows, and not log-odds."""
        return not isinstance(self.layers[0], Lamp)

    def forward(self, book, frames):
        X, memory = frames.Y.new_zeros((book.B.shape[1], *frames.Y.shape[1:])), None
        for k in range(self.depth):
            X, memory, score = self.layers[k](book, frames, X, memory, k)
            yield Output(X, score)


class Matrix(torch.nn.Module):
    """A learned matrix."""

    def __init__(self, initial):
        super().__init__()
        self.scaled = torch.nn.Parameter(initial / MATRIX_STEP)

    def __call__(self, rows):
        return apply(MATRIX_STEP * self.scaled, rows)


class Threshold(torch.nn.Module):
    """θ (σ/σ₀)^s for every frame (B,), σ₀ the noise at 15 dB of frames of unit energy a device."""

    def __init__(self, initial):
        super().__init__()
        self.log = torch.nn.Parameter(torch.tensor(float(initial)).log())
        self.exponent = torch.nn.Parameter(torch.tensor(0.2))

    def __call__(self, book, frames):
        typical = book.B.shape[1] / book.B.shape[0] * 10**-1.5
        return torch.exp(self.log + self.exponent * torch.log(frames.noise_var / typical) / 2)


class Lista(torch.nn.Module):
    """LISTA: X ← shrink_θ(W Y + S X), W, S, θ learned.

    K. Gregor and Y. LeCun, "Learning fast approximations of sparse coding", ICML 2010.
    """

    def __init__(self, book):
        super().__init__()
        step, N = 1 / book.s.max(), book.B.shape[1]
        self.W = Matrix(step * book.adjoint)
        self.S = Matrix(torch.eye(N, dtype=book.B.dtype) - step * book.adjoint @ book.B)
        self.threshold = Threshold(0.3)

    def forward(self, book, frames, X, memory, k):
        return _shrink(self.W(frames.Y) + self.S(X), self.threshold(book, frames), memory)


class ListaCpss(torch.nn.Module):
    """LISTA-CPSS: X ← shrink_θ(X + W(Y − A X)), the largest rows exempt from shrinkage.

    X. Chen, J. Liu, Z. Wang and W. Yin, "Theoretical linear convergence of unfolded ISTA and its
    practical weights and thresholds", NeurIPS 2018: coupled weights and support selection, of 1.2 %
    of the rows more in every layer, up to 13 %.
    """

    def __init__(self, book):
        super().__init__()
        self.W, self.threshold = Matrix(0.7 * _analytic(book)), Threshold(0.3)

    def forward(self, book, frames, X, memory, k):
        T = X + self.W(frames.Y - apply(book.B, X))
        return _shrink(T, self.threshold(book, frames), memory, min(0.012 * (k + 1), 0.13))


class Alista(torch.nn.Module):
    """ALISTA: LISTA-CPSS with the analytic W of least ‖W A‖ with (W A)_nn = 1; step and θ learned.

    J. Liu, X. Chen, Z. Wang and W. Yin, "ALISTA: Analytic weights are as good as learned weights in
    LISTA", ICLR 2019.
    """

    def __init__(self, book):
        super().__init__()
        self.register_buffer("W", _analytic(book))
        self.step, self.threshold = torch.nn.Parameter(torch.tensor(0.7)), Threshold(0.3)

    def forward(self, book, frames, X, memory, k):
        T = X + self.step * apply(self.W, frames.Y - apply(book.B, X))
        return _shrink(T, self.threshold(book, frames), memory, min(0.012 * (k + 1), 0.13))


class PiecewiseLinear(torch.nn.Module):
    """Rows T made as long as a learned curve of their length says: both in thresholds (B,), score ‖T‖.

    The curve starts as the shrink and is linear between points STEP apart, and after the last.
    """

    STEP, END = 0.25, 16

    def __init__(self):
        super().__init__()
        self.points = torch.nn.Parameter((torch.arange(0, self.END, self.STEP) - 1).clamp(min=0))

    def __call__(self, T, threshold):
        norms = torch.sqrt(_squares(T) + 1e-12)
        place = norms / (threshold * self.STEP)
        left = place.detach().long().clamp(max=len(self.points) - 2)
        length = torch.lerp(self.points[left], self.points[left + 1], place - left)
        return (length * threshold / norms)[..., None] * T, norms


class AdmmNet(torch.nn.Module):
    """ADMM-net: ADMM's steps with ρ, θ, the relaxation, the dual step and the nonlinearity learned.

    Y. Yang, J. Sun, H. Li and Z. Xu, "ADMM-CSNet: a deep learning approach for image compressive
    sensing", IEEE Trans. Pattern Anal. Mach. Intell. 42(3), 2020; its filters are left out, because
    channels are sparse as they are.
    """

    def __init__(self, book):
        super().__init__()
        self.log_rho = torch.nn.Parameter(torch.tensor(0.0))
        self.relax, self.dual = (torch.nn.Parameter(torch.tensor(1.0)) for _ in range(2))
        self.threshold, self.nonlinearity = Threshold(0.3), PiecewiseLinear()

    def forward(self, book, frames, Z, U, k):
        U = torch.zeros_like(Z) if U is None else U
        V = Z - U
        weight = 1 / (book.s + torch.exp(self.log_rho))
        X = V + apply(book.adjoint, weight[..., None] * (frames.Y - apply(book.B, V)))
        X = self.relax * X + (1 - self.relax) * Z
        Z, score = self.nonlinearity(X + U, self.threshold(book, frames))
        return Z, U + self.dual * (X - Z), score


class Lamp(torch.nn.Module):
    """LAMP: V ← Y − A X + b V, X ← η(X + W V; τ), η the Bernoulli-Gaussian MMSE denoiser of rows.

    M. Borgerding, P. Schniter and S. Rangan, "AMP-inspired deep networks for sparse linear inverse
    problems", IEEE Trans. Signal Process. 65(16), 2017; W, and the rate and power of η, learned.
    """

    def __init__(self, book):
        super().__init__()
        self.W = Matrix(book.adjoint.clone())
        self.logit, self.log_power = (torch.nn.Parameter(torch.tensor(x)) for x in (-2.2, 2.3))

    def forward(self, book, frames, X, memory, k):
        (L, N), M = book.B.shape, X.shape[2]
        V = frames.Y - apply(book.B, X)
        if memory is not None:
            V = V + (N / L) * memory[1][:, None] * memory[0]
        T, tau2 = X + self.W(V), _squares(V).sum(0) / (L * M) + 1e-9
        X, slope, score = self._denoise(T, tau2)
        return X, (V, slope), score

    def _denoise(self, T, tau2):
        """The posterior mean of rows T, its mean divergence (B,), and the log-odds (N, B)."""
        M, energy, power = T.shape[2], _squares(T), torch.exp(self.log_power)
        gain = power / (power + tau2)
        half = 1 if T.is_complex() else 0.5  # real Gaussians have half the exponent
        score = half * (gain * energy / tau2 - M * torch.log1p(power / tau2)) + self.logit
        post = torch.sigmoid(score.clamp(-60, 60))
        slope = gain * post * (1 + (1 - post) * gain * energy / (M * tau2))
        return (gain * post)[..., None] * T, slope.mean(0), score


def _analytic(book):
    """Rows w_n ∝ a_nᴴ(AAᴴ)⁻¹ with w_n a_n = 1."""
    rows = book.adjoint / book.s.clamp(min=1e-6).T
    return rows / (rows * book.B.T).sum(1, keepdim=True)


def _shrink(T, threshold, memory, exempt=0.0):
    """Rows shortened by the threshold (B,), but for the share `exempt` of them, the largest; score ‖T‖."""
    norms = torch.sqrt(_squares(T) + 1e-12)
    scale = (1 - threshold / norms).clamp(min=0)
    if count := int(exempt * len(T)):
        least = torch.topk(norms, count, dim=0).values[-1]
        scale = torch.where((norms >= least) & (scale > 0), 1.0, scale)
    return scale[..., None] * T, memory, norms


def _squares(rows):
    return (rows * rows.conj()).real.sum(-1)


NETWORKS = {
    "LISTA, tied": (Lista, {"tied": True}),
    "LISTA": (Lista, {}),
    "LISTA-CPSS": (ListaCpss, {}),
    "ALISTA": (Alista, {}),
    "ADMM-net": (AdmmNet, {}),
    "LAMP": (Lamp, {}),
}
LAYER_WISE = {"LISTA-CPSS", "ALISTA", "LAMP"}  # as their papers train
