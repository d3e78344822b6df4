# SPDX-License-Identifier: GPL-3.0-or-later
"""How far out of step devices may be."""

from dataclasses import dataclass

from ...checks import check_integer, check_number

_LATE_WITHOUT_PREFIX = 2  # symbols: what a linear model can lose of a pilot
_DEFAULT_PATHS = 4  # with a prefix


@dataclass(frozen=True)
class Asynchrony:
    """How far out of step devices may be.

    Parameters
    ----------
    max_delay : int
        Delays from −½ to max_delay + ½ symbols.
    max_offset : float
        Carrier offsets within ± so many cycles a symbol.
    prefix : int
        Symbols of the cyclic prefix of the pilots.
    roll_off : float
        Of the pulse; 0 for `waveform.Ofdm`.
    max_paths : int, optional
        Paths, or clusters of close paths, of a device. 1: a device has a single path. Default: 4 with a
        prefix and a delay above 0, else 1.

    Raises
    ------
    ValueError
        If an argument is out of range, or delays are longer than the prefix (2 symbols without one).
    """

    max_delay: int = 0
    max_offset: float = 0.0
    prefix: int = 0
    roll_off: float = 0.25
    max_paths: int | None = None

    def __post_init__(self) -> None:
        values = {
            "max_delay": check_integer("max_delay", self.max_delay, 0, 2**16),
            "max_offset": check_number("max_offset", self.max_offset, 0, 0.5),
            "prefix": check_integer("prefix", self.prefix, 0, 2**16),
            "roll_off": check_number("roll_off", self.roll_off, 0, 1),
        }
        for name, value in values.items():  # the plain Python value of a NumPy scalar
            object.__setattr__(self, name, value)
        longest = self.prefix or _LATE_WITHOUT_PREFIX
        if self.max_delay > longest:
            raise ValueError(
                f"max_delay: expected at most {longest} with a prefix of {self.prefix}, got {self.max_delay}"
            )
        several = self.prefix > 0 and self.max_delay > 0
        paths = (_DEFAULT_PATHS if several else 1) if self.max_paths is None else self.max_paths
        object.__setattr__(self, "max_paths", check_integer("max_paths", paths, 1, 64))

    @property
    def bounds(self) -> tuple[float, float]:
        """The range of delays, symbols."""
        return -0.5, self.max_delay + 0.5
