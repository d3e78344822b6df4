# SPDX-License-Identifier: GPL-3.0-or-later
"""A receiver's arguments, and settings that change while it runs."""

import sys
import threading

import numpy as np
import pytest
from estimators import matched_filter
from gnuradio import gr
from receivers import BOOK, LENGTH, accounted, endless, received, run, wait_for

from gr_jadce.blocks import pilot_framer, receiver


def test_settings_change_at_a_frame_boundary_while_it_runs():
    block = receiver(BOOK, 1, matched_filter(BOOK), max_batch=5)
    flowgraph, sink = endless(block)
    flowgraph.start()
    wait_for(lambda: block.frames_solved() > 20)
    block.set_false_alarm(1e-5)
    block.set_noise_var(0.5)
    block.set_estimator("pc_admm", {"tol": 1e-2})
    after = block.frames_in()
    wait_for(lambda: block.frames_solved() > after + 20)
    flowgraph.stop()
    flowgraph.wait()
    names = [report.estimator for report in sink.reports]
    changed = names.index("pc_admm")
    assert set(names[:changed]) == {"estimator"}
    assert set(names[changed:]) == {"pc_admm"}
    assert sink.reports[-1].threshold == pytest.approx(5.0)
    assert sink.reports[-1].noise_var == 0.5
    assert sink.reports[0].threshold == pytest.approx(3.0)
    assert [report.frame_id for report in sink.reports] == list(range(len(names)))


def test_settings_from_many_threads():
    block = receiver(BOOK, 1, matched_filter(BOOK), max_batch=2)
    flowgraph, sink = endless(block)

    def change(number):
        for step in range(30):
            block.set_false_alarm(10.0 ** -(1 + (number + step) % 5))
            block.set_noise_var(0.1 * (1 + step))

    threads = [threading.Thread(target=change, args=(number,)) for number in range(4)]
    flowgraph.start()
    wait_for(lambda: block.frames_solved() > 0)
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    after = block.frames_in()
    wait_for(lambda: block.frames_solved() > after + 2)
    flowgraph.stop()
    flowgraph.wait()
    assert accounted(block) == block.frames_in()
    assert block.frames_bad() == 0
    assert sink.reports[-1].noise_var == pytest.approx(3.0)


def test_the_new_estimator_is_built_in_the_thread_that_asks(monkeypatch):
    threads = []

    def make(name, pilots, **options):
        threads.append(threading.current_thread())
        return matched_filter(pilots)

    monkeypatch.setattr(sys.modules["gr_jadce.blocks.support.estimator_setup"], "make_estimator", make)
    block = receiver(BOOK, 1)
    flowgraph, _ = endless(block)
    flowgraph.start()
    block.set_estimator("other")
    flowgraph.stop()
    flowgraph.wait()
    assert set(threads) == {threading.current_thread()}
    assert len(threads) == 2


def test_a_refused_setting_changes_nothing():
    block = receiver(BOOK, 1)
    with pytest.raises(ValueError, match="false_alarm"):
        block.set_false_alarm(2.0)
    with pytest.raises(ValueError, match="noise_var"):
        block.set_noise_var(-1.0)
    with pytest.raises(ValueError, match="estimator"):
        block.set_estimator("magic")
    with pytest.raises(ValueError, match="pc_admm"):
        block.set_estimator("pc_admm", {"colour": "red"})
    status = block.status_dict()
    assert (status["estimator"], status["false_alarm"]) == ("unrolled", 1e-3)


@pytest.mark.parametrize("form", ["book", "array", "path", "text"])
def test_pilots_in_any_form(form, tmp_path):
    path = tmp_path / "book.npz"
    BOOK.save(path)
    pilots = {"book": BOOK, "array": BOOK.matrix, "path": path, "text": str(path)}[form]
    block = receiver(pilots, 1)
    assert len(run(block, received(3)).reports) == block.frames_solved() == 3


def test_frames_of_another_size_cannot_be_connected():
    flowgraph = gr.top_block()
    with pytest.raises(ValueError, match="itemsize"):
        flowgraph.connect(pilot_framer(LENGTH + 1, 1, 50), receiver(BOOK, 1))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("pilots", np.zeros(5)),
        ("n_antennas", 0),
        ("estimator", "magic"),
        ("estimator", 5),
        ("false_alarm", 0.0),
        ("noise_var", -1.0),
        ("noise", "pink"),
        ("on_overload", "panic"),
        ("max_backlog", 0),
        ("max_batch", 0),
        ("clip_level", -1.0),
    ],
)
def test_wrong_arguments_are_named(name, value):
    with pytest.raises(ValueError, match=f"^{name}: expected"):
        receiver(**({"pilots": BOOK, "n_antennas": 1} | {name: value}))


def test_a_wrong_noise_memory_is_named():
    with pytest.raises(ValueError, match="noise_memory: expected an integer"):
        receiver(BOOK, 1, noise_memory=-1)
