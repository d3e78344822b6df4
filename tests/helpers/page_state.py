# SPDX-License-Identifier: GPL-3.0-or-later
"""What the monitor's page in a browser has come to."""

MODULE = "import('./main.js')"
SOURCE = "document.getElementById('source').textContent"


def newest(page, slot):
    """Wait until a page has a slot, and its figures, and has drawn it."""
    wait = f"{MODULE}.then(({{ store, view }}) => String(store.newest) === '{slot}' && !view.isDirty)"
    page.wait(wait, f"slot {slot}")
    page.wait(f"document.getElementById('frame-slot').textContent.startsWith('slot {slot}')")
