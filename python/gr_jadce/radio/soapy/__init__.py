# SPDX-License-Identifier: GPL-3.0-or-later
"""Radios of any driver of SoapySDR, as blocks with device time.

GNU Radio's own blocks of SoapySDR start every stream at once, which several boards cannot do in step, send no
burst at its time, and tell no time before version 3.10.5. Import from the modules: they need SoapySDR.
"""
