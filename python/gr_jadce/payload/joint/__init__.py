# SPDX-License-Identifier: GPL-3.0-or-later
"""All devices of a slot demodulated together: equaliser, phase tracking, channels refined by decoded data."""
