# SPDX-License-Identifier: GPL-3.0-or-later
"""SigMF recordings: read, written while samples arrive, and annotated."""
