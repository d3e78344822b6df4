# SPDX-License-Identifier: GPL-3.0-or-later
"""What the monitor's page in a browser has come to."""

import io

import numpy as np

MODULE = "import('./main.js')"
SOURCE = "document.getElementById('source').textContent"


def newest(page, slot):
    """Wait until a page has a slot, and its figures, and has drawn it."""
    wait = f"{MODULE}.then(({{ store, view }}) => String(store.newest) === '{slot}' && !view.isDirty)"
    page.wait(wait, f"slot {slot}")
    page.wait(f"document.getElementById('frame-slot').textContent.startsWith('slot {slot}')")


def pixels(page):
    from PIL import Image

    return np.asarray(Image.open(io.BytesIO(page.screenshot())).convert("RGB")).astype(int)


def colour_at(page, device, age):
    """The colour on the screen of a cell of the raster."""
    x, y = page.evaluate(f"""{MODULE}.then(({{ raster }}) => {{
      const box = raster.canvas.element.getBoundingClientRect(), {{ left, top, width, height }} = raster.area;
      const {{ first, last }} = raster.cells, step = width / raster.frames;
      return [box.left + left + width - ({age} + 0.5) * step,
        box.top + top + ({device} - first + 0.5) * height / (last - first)];
    }})""")
    return pixels(page)[int(y), int(x)]


def expected_colour(page, code):
    value = page.evaluate(f"{MODULE}.then(({{ raster }}) => raster.pixels[{code}])")
    return [value & 255, value >> 8 & 255, value >> 16 & 255]
