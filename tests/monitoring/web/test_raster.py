# SPDX-License-Identifier: GPL-3.0-or-later
"""The raster of the page in a browser has the colours of what was reported."""

import numpy as np
import pytest
from page_state import MODULE, colour_at, expected_colour, newest
from slot_reports import slot_report

from gr_jadce.monitoring.raster import FALSE_ALARM, MISS, NO_ANSWER, QUIET, STRONGEST, WEAKEST


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_cells_have_the_colours_of_hits_misses_and_false_alarms(serve, look, monitor, dark):
    page = look(serve(), dark=dark)
    monitor.push(slot_report(7, [3, 5], truth=True, n_devices=20))
    monitor.push(slot_report(7, [5, 9], score=[1e9, 5.0], n_devices=20))
    monitor.push(slot_report(9, n_devices=20))
    newest(page, 9)
    codes = {(3, 2): MISS, (9, 2): FALSE_ALARM, (5, 2): STRONGEST, (12, 2): QUIET, (12, 1): NO_ANSWER}
    seen = {place: colour_at(page, *place).tolist() for place in codes}
    assert seen == {place: expected_colour(page, code) for place, code in codes.items()}
    assert len({tuple(colour) for colour in seen.values()}) == 5


def test_many_devices_in_few_pixels_hide_none(serve, look, monitor):
    page = look(serve(), height=700)
    monitor.push(slot_report(1, [2701], n_devices=4000))
    newest(page, 1)
    rows = page.evaluate(f"{MODULE}.then(({{ raster }}) => [raster.image.height, raster.cells.perRow])")
    assert rows[0] < 4000 and rows[1] > 1
    found = expected_colour(page, WEAKEST + np.searchsorted(np.geomspace(1, 30, 249), 4 / 3))
    column = f"""{MODULE}.then(({{ raster }}) => {{
      const x = raster.store.column(0), data = raster.context.getImageData(x, 0, 1, raster.image.height).data;
      const pixel = (_, k) => Array.from(data.subarray(4 * k, 4 * k + 3));
      return Array.from({{ length: raster.image.height }}, pixel);
    }})"""
    assert [k for k, colour in enumerate(page.evaluate(column)) if colour == found] == [2701 // rows[1]]
