# SPDX-License-Identifier: GPL-3.0-or-later
"""Stream tags, whoever made them."""

import pmt


def tag_name(tag) -> str | None:
    """The key of a tag; None if it is no symbol, or not UTF-8."""
    try:
        return pmt.symbol_to_string(tag.key)
    except ValueError:
        return None
