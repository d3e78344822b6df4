# SPDX-License-Identifier: GPL-3.0-or-later
"""The name of a recording in the test's folder."""

import pytest


@pytest.fixture
def name(tmp_path):
    return tmp_path / "night.walk"
