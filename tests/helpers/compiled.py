# SPDX-License-Identifier: GPL-3.0-or-later
"""The compiled kernel, for tests that are skipped without it."""

import pytest

from gr_jadce.backend import kernel_for


def compiled_kernel(**options):
    """The kernel that estimators take; skips the test where there is none.

    As a module is imported: `compiled_kernel(allow_module_level=True)`.
    """
    kernel = kernel_for("auto")
    if kernel is None:
        pytest.skip("needs the compiled kernel: make setup", **options)
    return kernel
