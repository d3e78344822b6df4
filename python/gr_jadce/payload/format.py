# SPDX-License-Identifier: GPL-3.0-or-later
"""The format of a payload: how many bytes a packet has and how they are spread behind the pilot."""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np

from ..checks import check_integer

MAX_BYTES, MAX_SPREADING, MAX_SEED = 1024, 64, 2**32 - 1
CRC_BITS, TAIL_BITS = 32, 6  # of the check sum, and of the zeros that end the code in state 0


@dataclass(frozen=True)
class PayloadFormat:
    """What stands behind the pilot in a slot: a packet of fixed size, coded, interleaved, QPSK and spread.

    Parameters
    ----------
    n_bytes : int
        Bytes of a packet, without its check sum; 1 to 1024.
    spreading : int
        Chips of a symbol, each as long as a symbol of the pilot; 1 for none, at most 64.
    seed : int
        Of the interleaver and of the devices' spreading sequences, 0 to 2**32 - 1.

    Raises
    ------
    ValueError
        If an argument is out of range.
    """

    n_bytes: int = 16
    spreading: int = 4
    seed: int = 0

    def __post_init__(self) -> None:
        for name, value in (
            ("n_bytes", check_integer("n_bytes", self.n_bytes, 1, MAX_BYTES)),
            ("spreading", check_integer("spreading", self.spreading, 1, MAX_SPREADING)),
            ("seed", check_integer("seed", self.seed, 0, MAX_SEED)),
        ):
            object.__setattr__(self, name, value)

    @property
    def n_bits(self) -> int:
        """Coded bits of a packet: two for each bit of the bytes, of the check sum and of the tail."""
        return 2 * (8 * self.n_bytes + CRC_BITS + TAIL_BITS)

    @property
    def n_symbols(self) -> int:
        """QPSK symbols of a packet."""
        return self.n_bits // 2

    @property
    def n_chips(self) -> int:
        """Chips of a packet: as many symbols of the slot stand behind the pilot."""
        return self.n_symbols * self.spreading

    def to_json(self) -> str:
        """The format as a line of JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "PayloadFormat":
        """The format that a line of JSON tells; what it does not tell is as by default.

        Raises
        ------
        ValueError
            If it is no JSON object, has an unknown name or a value out of range.
        """
        try:
            given = json.loads(text)
        except (ValueError, TypeError, RecursionError) as error:
            raise ValueError(f"payload: expected a JSON object, got {str(text)[:40]!r}") from error
        if not isinstance(given, dict):
            raise ValueError(f"payload: expected a JSON object, got {str(text)[:40]!r}")
        names = [field.name for field in fields(cls)]
        for name in given:
            if name not in names:
                raise ValueError(f"payload: expected the names {', '.join(names)}, got {name!r}")
        return cls(**given)

    def random_packets(self, rng: np.random.Generator, count: int) -> np.ndarray:
        """So many packets (count, n_bytes) uint8, drawn at random."""
        return rng.integers(0, 256, (count, self.n_bytes), dtype=np.uint8)


def as_payload_format(form: "PayloadForm") -> PayloadFormat:
    """A format as it is, or of its arguments in a dictionary, in JSON, or in a file of JSON.

    Raises
    ------
    ValueError
        If it is none of these.
    OSError
        If the file cannot be read.
    """
    if isinstance(form, PayloadFormat):
        return form
    if isinstance(form, Mapping):
        try:
            return PayloadFormat(**form)
        except TypeError as error:
            raise ValueError(f"payload: expected arguments of a PayloadFormat, got {dict(form)}") from error
    if isinstance(form, str) and form.lstrip().startswith("{"):
        return PayloadFormat.from_json(form)
    if not isinstance(form, (str, os.PathLike)):
        raise ValueError(f"payload: expected a PayloadFormat or its JSON, got {form!r}")
    with open(form, encoding="utf-8", errors="replace") as file:
        return PayloadFormat.from_json(file.read())


def n_chips_of(form: "PayloadForm | None") -> int:
    """Chips of a packet of a format, 0 of none."""
    return 0 if form is None else as_payload_format(form).n_chips


PayloadForm = PayloadFormat | Mapping[str, Any] | str | os.PathLike[str]
