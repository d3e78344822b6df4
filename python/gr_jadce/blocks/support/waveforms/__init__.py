# SPDX-License-Identifier: GPL-3.0-or-later
"""Between pilots and samples: what blocks share."""
