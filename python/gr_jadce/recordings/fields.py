# SPDX-License-Identifier: GPL-3.0-or-later
"""What is written in the files of a recording: names, sample types, and values of the right kind."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..files import PathLike

# The type of a real or imaginary part. ci16 is scaled by 2**15, as by other SigMF readers; UHD's own
# conversion of such samples divides by 2**15 - 1.
PART: dict[str, "np.dtype[Any]"] = {"cf32_le": np.dtype("<f4"), "ci16_le": np.dtype("<i2")}
FULL_SCALE = 32768.0
ARCHIVE_SUFFIX = ".sigmf"
EXTENSION = {"name": "jadce", "version": "1.0.0", "optional": True}


def recording_paths(path: PathLike) -> tuple[Path, Path]:
    """Metadata path and data path of a recording named by either of them, or without suffix."""
    path = Path(path)
    name = path.name.removesuffix(".sigmf-meta").removesuffix(".sigmf-data")
    return path.with_name(f"{name}.sigmf-meta"), path.with_name(f"{name}.sigmf-data")


def field(scope: Mapping[str, Any], key: str, kind: type | tuple[type, ...], *default: Any) -> Any:
    """The value of a key, of the right kind; the default, if one is given and the key is not there."""
    value = scope.get(key, *default)
    if default and value is default[0]:
        return value
    if (isinstance(value, bool) and kind is not bool) or not isinstance(value, kind):
        kinds = " or ".join(one.__name__ for one in (kind if isinstance(kind, tuple) else (kind,)))
        raise ValueError(f"{key}: expected {kinds}, got {'nothing' if value is None else repr(value)}")
    return value


def check_extensions(fields: Mapping[str, Any]) -> None:
    """ValueError if the recording needs an extension of SigMF that is not known here."""
    extensions = fields.get("core:extensions")
    for entry in extensions if isinstance(extensions, list) else []:
        foreign = isinstance(entry, dict) and entry.get("name") != EXTENSION["name"]
        if foreign and entry.get("optional") is False:
            raise ValueError(
                f"core:extensions: expected none with optional: false, got {entry.get('name')!r}; "
                "set its optional to true to read the samples without it"
            )


def declare_extension(fields: dict[str, Any]) -> None:
    """Add our namespace to `core:extensions`, a list, or in old recordings an object of versions."""
    extensions = fields.setdefault("core:extensions", [])
    if isinstance(extensions, dict):
        extensions.setdefault(EXTENSION["name"], EXTENSION["version"])
        return
    if not isinstance(extensions, list):
        raise ValueError(f"core:extensions: expected a list of objects, got {extensions!r}")
    if not any(isinstance(entry, dict) and entry.get("name") == EXTENSION["name"] for entry in extensions):
        extensions.append(dict(EXTENSION))
