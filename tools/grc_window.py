#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Opens flowgraphs in GNU Radio Companion and saves pictures of its window.

grc_window.py FOLDER FLOWGRAPH... writes FOLDER/grc_NAME.png for each NAME.grc, and fails when GNU Radio
Companion finds an error in a flowgraph, or blocks overlap on the canvas.
"""

import itertools
import os
import sys
import tempfile
import traceback
from pathlib import Path

import gi
from gnuradio import gr
from PIL import ImageGrab

gi.require_version("Gtk", "3.0")
gi.require_version("PangoCairo", "1.0")
from gi.repository import GLib, Gtk  # noqa: E402

PREFERENCES = "[main]\nvariable_editor_visable = False\nmain_window_width = {width}\n"
NARROWEST, TREE, CONSOLE, BARS = 1400, 230, 78, 110  # pixels; bars: menu, tools and tabs above the canvas
SHORTEST, MARGIN = 680, 24
SETTLE = 700  # ms, to draw


def main(folder, paths):
    with tempfile.NamedTemporaryFile("w", suffix=".conf") as preferences:  # not those of whoever runs this
        preferences.write(PREFERENCES.format(width=NARROWEST))
        preferences.flush()
        os.environ |= {"GRC_PREFS_PATH": preferences.name, "NO_AT_BRIDGE": "1"}  # read at import
        photographer = Photographer(companion(), Path(folder), paths)
        photographer.application.connect_after("activate", photographer.begin)
        photographer.application.run()
    sys.stderr.write("".join(complaint + "\n" for complaint in photographer.complaints))
    return bool(photographer.complaints)


def companion():
    from gnuradio.grc.gui.Platform import Platform  # first: their imports go in circles

    from gnuradio.grc.gui.Application import Application  # isort: skip

    version = gr.major_version(), gr.api_version(), gr.minor_version()
    platform = Platform(
        version=gr.version(), version_parts=version, prefs=gr.prefs(), install_prefix=gr.prefix()
    )
    platform.build_library()
    return Application([], platform)


class Photographer:
    """Takes one flowgraph after the other, in the thread of GNU Radio Companion."""

    def __init__(self, application, folder, paths):
        self.application, self.folder, self.waiting = application, folder, list(paths)
        self.complaints = []

    def begin(self, _):
        self.soon(self.open_next)

    def soon(self, step):
        def run():
            try:
                step()
            except Exception:
                self.complaints.append(traceback.format_exc())
                self.application.quit()
            return GLib.SOURCE_REMOVE

        GLib.timeout_add(SETTLE, run)

    def open_next(self):
        if not self.waiting:
            self.application.quit()
            return
        self.path, window = self.waiting.pop(0), self.application.main_window
        before = window.current_page
        window.console.text_display.clear()
        window.new_page(self.path, show=True)
        before.saved = True  # or later releases ask whether to save it
        window.page_to_be_closed = before
        window.close_page()
        show_our_blocks(window.btwin)
        self.soon(self.fit)

    def fit(self):
        window = self.application.main_window
        areas = [area(block) for block in window.current_flow_graph.blocks]
        width = max(NARROWEST, max(int(right) for _, _, right, _ in areas) + MARGIN + TREE)
        height = max(SHORTEST, BARS + max(int(bottom) for *_, bottom in areas) + MARGIN + CONSOLE)
        window.resize(width, height)
        self.soon(self.place_panes)

    def place_panes(self):
        window = self.application.main_window
        window.main.set_position(window.main.get_allocated_width() - TREE)
        window.left.set_position(window.left.get_allocated_height() - CONSOLE)
        window.queue_draw()
        self.soon(self.take)

    def take(self):
        window = self.application.main_window
        for complaint in complaints(window.current_flow_graph):
            self.complaints.append(f"{self.path}: {complaint}")
        picture = ImageGrab.grab((0, 0, *window.get_size()), xdisplay=os.environ["DISPLAY"])
        picture.save(self.folder / f"grc_{Path(self.path).stem}.png")
        self.open_next()


def show_our_blocks(tree):
    tree.treeview.collapse_all()
    category = tree.treestore.get_path(tree._categories[("JADCE",)])
    tree.treeview.expand_row(category, True)
    while Gtk.events_pending():
        Gtk.main_iteration()
    tree.treeview.scroll_to_cell(category, None, True, 0.1, 0.0)


def complaints(flow_graph):
    """What GNU Radio Companion finds wrong, and what is hard to read."""
    yield from (f"{element}: {message}" for element, message in flow_graph.iter_error_messages())
    areas = {block.name: area(block) for block in flow_graph.blocks}
    for (one, here), (other, there) in itertools.combinations(areas.items(), 2):
        if all(here[i] < there[i + 2] and there[i] < here[i + 2] for i in (0, 1)):
            yield f"{one} and {other} overlap"
    yield from (f"{name} is not all on the canvas" for name, (left, *_) in areas.items() if left < 0)


def area(block):
    """Left, top, right and bottom of a block with its ports and its comment, in pixels."""
    x, y = block.coordinate
    left = max((port.width for port in block.active_sinks), default=0)
    right = max((port.width for port in block.active_sources), default=0)
    wide, high = block._comment_layout.get_pixel_size() if block._comment_layout else (0, 0)
    return x - left, y, x + max(block.width + right, wide), y + block.height + high


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
