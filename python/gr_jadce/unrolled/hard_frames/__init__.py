# SPDX-License-Identifier: GPL-3.0-or-later
"""More work for frames that the layers leave unsettled: guesses of σ², and sampling who is active."""
