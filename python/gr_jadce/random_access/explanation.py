# SPDX-License-Identifier: GPL-3.0-or-later
"""What an occasion is explained by: paths of preambles, all fitted together, and what they leave."""

from dataclasses import dataclass

import numpy as np
import scipy
from numpy.typing import NDArray

from ..numeric import sum_squares, vertex_offset
from .profile import Profile, turn_between, turn_within

_HALVINGS = 8  # at most, of the steps by which delay and offset of a path are refined
_OFFSET_STEP = 0.25  # cycles in an occasion, twice the first of them
_NEAR = np.array([-1, 0, 1])
_LEAST_NEW = 0.03  # of a path's amplitude that others do not explain


@dataclass(frozen=True)
class Path:
    """A path of a preamble: delay, samples of 1/(L·Δf), and carrier offset, Hz."""

    preamble: int
    delay: float
    offset: float


class Explanation:
    """Paths that explain an occasion (repetitions·L, M), and the rest.

    Attributes
    ----------
    paths : list of Path
    received : (repetitions·L, M) complex
    rest : (repetitions·L, M) complex
        What is orthogonal to all of them.
    """

    def __init__(self, profile: Profile, received: NDArray, max_offset: float) -> None:
        self.received, self._profile, self._max_offset = received, profile, max_offset
        self.paths: list[Path] = []
        self._atoms = np.empty((len(received), 0), np.complex64)
        self._basis = np.empty((len(received), 0), np.complex64)
        self.rest = received.copy()

    def add(self, preamble: int, delay: float, offset: float) -> bool:
        """Add a path of which delay and offset are about known; whether it is another one than all others."""
        delay, offset = self._refined(preamble, delay, offset)
        atom = self._atom(Path(preamble, delay, offset))
        new = atom - self._basis @ (self._basis.conj().T @ atom)
        norm = np.linalg.norm(new)
        if norm < _LEAST_NEW:
            return False
        new /= norm
        new -= self._basis @ (self._basis.conj().T @ new)
        self._append(Path(preamble, delay, offset), atom, new / np.linalg.norm(new))
        return True

    def without(self, preamble: int) -> "Explanation":
        """The same without the paths of a preamble."""
        other = Explanation(self._profile, self.received, self._max_offset)
        for path, atom in zip(self.paths, self._atoms.T, strict=True):
            if path.preamble != preamble:
                new = atom - other._basis @ (other._basis.conj().T @ atom)
                new -= other._basis @ (other._basis.conj().T @ new)
                other._append(path, atom, new / np.linalg.norm(new))
        return other

    def beside(self, preamble: int, delay: float) -> int:
        """The preamble of a path found within two samples of that delay, of the same root; else that given.

        Windows meet: what a path leaves at its flanks may lie in the window of the next preamble.
        """
        preambles = self._profile.preambles
        root = preambles.root_of(np.array(preamble))
        place = delay - preambles.shift_of(np.array(preamble))
        for path in self.paths:
            apart = path.delay - preambles.shift_of(np.array(path.preamble)) - place
            apart = abs((apart + preambles.length / 2) % preambles.length - preambles.length / 2)
            if preambles.root_of(np.array(path.preamble)) == root and apart < 2:
                return path.preamble
        return preamble

    def shift_from(self, preamble: int, other: int) -> int:
        """Samples by which delays of one preamble are more as delays of another one of its root."""
        preambles = self._profile.preambles
        shift = int(preambles.shift_of(np.array(other)) - preambles.shift_of(np.array(preamble)))
        half = preambles.length // 2
        return (shift + half) % preambles.length - half

    def own(self) -> dict[int, list[int]]:
        """The places in `paths` of each preamble, preambles ascending."""
        own: dict[int, list[int]] = {}
        for place, path in enumerate(self.paths):
            own.setdefault(path.preamble, []).append(place)
        return dict(sorted(own.items()))

    def gains(self) -> NDArray:
        """Gains (P, M) of all paths at the start of the first symbol."""
        turns = np.array([path.offset for path in self.paths]) / self._profile.preambles.spacing
        gains = self._fitted()
        return gains * np.exp(-1j * np.pi * turns)[:, None]

    def energies(self) -> NDArray:
        """Energy (P,) that the rest would gain without a path alone."""
        atoms = self._atoms.astype(complex)
        gram = np.linalg.inv(atoms.conj().T @ atoms)
        return sum_squares(self._fitted()) / np.diagonal(gram).real

    def _fitted(self):
        """Gains (P, M) of all paths in the middle of the first symbol, by least squares."""
        if not self.paths:
            return np.empty((0, self.received.shape[1]), np.complex64)
        return np.linalg.lstsq(self._atoms, self.received, rcond=None)[0]

    def _append(self, path, atom, new):
        self.paths.append(path)
        self._atoms = np.concatenate([self._atoms, atom[:, None]], axis=1)
        self._basis = np.concatenate([self._basis, new[:, None]], axis=1)
        self.rest = self.rest - np.outer(new, new.conj() @ self.rest)

    def _refined(self, preamble, delay, offset):
        """The delay and offset near by at which the rest is largest."""
        preambles = self._profile.preambles
        duration = preambles.repetitions / preambles.spacing
        step = self._profile.step / 4
        turn = _OFFSET_STEP / 2 / duration if self._max_offset * duration > _OFFSET_STEP / 2 else 0.0
        symbol = self._profile.symbols[preamble]
        rest = self.rest.reshape(preambles.repetitions, preambles.length, -1)
        rest = scipy.fft.ifft(rest, axis=1, norm="ortho")
        noise = float(sum_squares(rest, axis=None)) / len(self.received)
        for _ in range(_HALVINGS):
            delays = delay + step * _NEAR
            offsets = (
                np.clip(offset + turn * _NEAR, -self._max_offset, self._max_offset) if turn else [offset]
            )
            energy = sum_squares(_late(symbol, delays).conj() @ self._combined(rest, offsets))  # (F, D)
            i, j = np.unravel_index(energy.argmax(), energy.shape)
            delay, offset = float(delays[j]), float(offsets[i])
            if energy.max() * (np.pi * step) ** 2 / 12 < noise:  # what half a step leaves of the path
                break
            step, turn = step / 2, turn / 2
        if j == 1:
            delay += step * float(vertex_offset(*energy[i]))
        if i == 1:
            offset += turn * float(vertex_offset(*energy[:, j]))
        return delay, offset

    def _combined(self, rest, offsets):
        """All symbols (R, L, M) together (F, L, M), without each of the carrier offsets."""
        turned = self._turns(np.asarray(offsets)).conj()
        return turned[:, 0, :, None] * rest[0] if len(rest) == 1 else np.einsum("frl,rlm->flm", turned, rest)

    def _turns(self, offsets):
        """Carrier offsets at the samples of all symbols (F, repetitions, L), of unit energy over symbols."""
        preambles = self._profile.preambles
        turns = offsets / preambles.spacing
        between = turn_between(turns, preambles.repetitions) / np.float32(np.sqrt(preambles.repetitions))
        return between[:, :, None] * turn_within(turns, preambles.length)[:, None]

    def _atom(self, path):
        """A path of gain 1 (repetitions·L,)."""
        symbol = self._profile.symbols[path.preamble]
        late = _late(symbol, np.array([path.delay]))
        atom = scipy.fft.fft(late * self._turns(np.array([path.offset]))[0], axis=1, norm="ortho")
        return atom.ravel().astype(np.complex64)


def _late(symbol, delays):
    """A symbol (L,) on the subcarriers, late by delays (D,), in time (D, L)."""
    length = len(symbol)
    ramp = np.exp(-2j * np.pi / length * np.outer(delays, np.arange(length)))
    return scipy.fft.ifft((symbol * ramp).astype(np.complex64), axis=1, norm="ortho")
