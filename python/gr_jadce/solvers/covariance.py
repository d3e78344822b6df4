# SPDX-License-Identifier: GPL-3.0-or-later
"""Maximum-likelihood powers as an estimator."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..checks import check_positive
from ..estimate import Estimate
from ..pilots.book import PilotBook, as_pilot_book
from .power_fit import PowerModel


class CovarianceEstimator:
    """A `PowerModel` as an estimator; see `covariance_ml`.

    Attributes
    ----------
    name : "covariance_ml"
    book : PilotBook
        The one that it was set up for.
    model : PowerModel
    """

    name = "covariance_ml"

    def __init__(
        self, book: PilotBook, model: PowerModel, *, noise_var: float | None = None, sparse: bool = False
    ) -> None:
        self.book, self.model, self.noise_var, self.sparse = book, model, noise_var, sparse

    def __call__(self, received: ArrayLike, noise_var: ArrayLike | None = None) -> Estimate:
        noise_var = self.noise_var if noise_var is None else noise_var
        fit = self.model.fit(received, noise_var, sparse=self.sparse)
        dtype = np.result_type(np.asarray(received), np.complex64)
        score, gap = fit.power * self.model.norms**2, np.full(len(fit.power), np.nan)
        return Estimate(_rounded(fit.channel, dtype), score, fit.n_iter, gap)


def covariance_ml(
    pilots: PilotBook | ArrayLike,
    *,
    noise_var: float | None = None,
    max_iter: int = 40,
    tol: float = 0.2,
    sparse: bool = False,
    backend: str = "auto",
    threads: int = 1,
) -> CovarianceEstimator:
    """Make a covariance-based maximum-likelihood estimator, solved by coordinate descent.

    It fits a power γ_n to every device, and σ² where that is unknown, so that YYᴴ/M fits
    Σ = σ²I + Σ_n γ_n a_n a_nᴴ. It finds activities also where more devices are active than the
    pilot has symbols, with antennas enough. Scores are γ_n, times ‖a_n‖² where pilots have
    unequal norms; channels are the posterior mean Γ Aᴴ Σ⁻¹ Y.

    Parameters
    ----------
    pilots : PilotBook or (L, N) array
        Used as a matrix, whatever its kind; ValueError where that is too large.
    noise_var : float, optional
        σ² where known; also a call argument. Unknown, it is found with the powers of few devices, because
        with powers for all N > L devices the likelihood is greatest at σ² → 0.
    max_iter : int
        Most rounds of a descent; each visits the active set of devices once.
    tol : float
        A frame is done after a round that was to change no γ_n by more than `tol`/(a_nᴴ Σ⁻¹ a_n).
    sparse : bool
        Give a device a power only where that gains more of ln p(Y) than one more active device costs: then
        scores other than 0 are decisions, and less noise goes into the channels.
    backend : {"auto", "numpy", "kernel"}
        What computes: the compiled kernel where it is installed, NumPy, or the kernel only.
    threads : int
        Threads over the frames of a batch, of the kernel.

    Returns
    -------
    estimator : callable
        ``estimator(received, noise_var=None)`` with received (B, L, M) or (L, M) → `Estimate`, its gap NaN.

    Notes
    -----
    The cost and its coordinate steps are those of S. Haghighatshoar, P. Jung and G. Caire, ISIT 2018, and
    A. Fengler, S. Haghighatshoar, P. Jung and G. Caire, IEEE Trans. Inf. Theory 67(5), 2021; the active set
    that of Wang et al., arXiv 2404.16152.
    """
    book = as_pilot_book(pilots)
    model = PowerModel(book, tol=tol, max_iter=max_iter, backend=backend, threads=threads)
    noise_var = None if noise_var is None else check_positive("noise_var", noise_var)
    return CovarianceEstimator(book, model, noise_var=noise_var, sparse=sparse)


def _rounded(channel: NDArray, dtype: np.dtype) -> NDArray:
    with np.errstate(over="ignore"):  # a channel beyond all floats stays infinite
        return channel.astype(dtype)
