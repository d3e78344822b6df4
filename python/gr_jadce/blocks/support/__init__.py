# SPDX-License-Identifier: GPL-3.0-or-later
"""What several blocks share and what is no block itself."""
