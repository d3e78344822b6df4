# SPDX-License-Identifier: GPL-3.0-or-later
import pytest

from gr_jadce.evaluation.plan import make_plan
from gr_jadce.evaluation.plots import KINDS, has_figure, plot
from gr_jadce.evaluation.sweep import sweep


@pytest.fixture(scope="module")
def result():
    scenario = {"n_devices": 40, "pilot_length": 20}
    estimators = {"lasso": ("pc_admm", {}), "bound": ("oracle_ls", {})}
    return sweep(make_plan("snr_db", [0, 40], estimators, scenario=scenario, frames=50))


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_can_be_drawn(result, kind, tmp_path):
    assert has_figure(result, kind)
    plot(result, kind, tmp_path / "figure.png")
    assert (tmp_path / "figure.png").read_bytes().startswith(b"\x89PNG")


def test_equal_results_give_equal_svg_files_with_the_names_in_them(result, tmp_path):
    for name in ("a.svg", "b.svg"):
        plot(result, "nmse", tmp_path / name)
    text = (tmp_path / "a.svg").read_text()
    assert text == (tmp_path / "b.svg").read_text()
    assert "lasso" in text
    assert "bound" in text


def test_an_oracle_alone_has_nothing_decided():
    result = sweep(make_plan("snr_db", [10], {"bound": ("oracle_ls", {})}, frames=10))
    assert has_figure(result, "nmse")
    assert not has_figure(result, "decided-miss")


def test_an_unknown_kind_is_refused(result, tmp_path):
    with pytest.raises(ValueError, match="kind: expected one of nmse"):
        plot(result, "pie", tmp_path / "x.png")
