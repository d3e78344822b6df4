# SPDX-License-Identifier: GPL-3.0-or-later
import json
import re
import resource
from pathlib import Path

SMALL = ["--n-devices", 40, "--pilot-length", 20, "--frames", 20]


def test_the_help_explains_every_option_and_its_examples_work(app, tmp_path):
    text = app("jadce-evaluate", "--help").stdout
    options = re.findall(r"^  (--?[^\n]*)\n?(.*)", text, re.MULTILINE)
    assert len(options) > 15
    for first, second in options:
        assert re.search(r"\S  +\S", first) or second.startswith(" " * 10), f"no help for {first}"
    examples = re.findall(r"^  jadce-evaluate (.*)", text.replace("\\\n", " "), re.MULTILINE)
    assert len(examples) == 2
    for example in examples:
        arguments = [*example.split(), "--frames", 3]  # the last --frames counts
        process = app("jadce-evaluate", *arguments)
        assert process.returncode == 0, process.stderr
    assert (tmp_path / "snr-nmse.png").exists()


def test_a_sweep_prints_a_table_and_keeps_command_and_version(app, tmp_path):
    arguments = [*SMALL, "--snr-db", "0:10:5", "--estimators", "pc_admm", "vamp:max_iter=5"]
    process = app("jadce-evaluate", *arguments, "-o", "out.json", "--plots", "fig", "--format", "svg")
    assert process.returncode == 0, process.stderr
    assert process.stderr == ""  # progress only on a terminal
    rows = [line.split() for line in process.stdout.splitlines() if re.match(r" +\d+ +20 ", line)]
    assert [row[0] for row in rows] == ["0", "5", "10"]
    result = json.loads((tmp_path / "out.json").read_text())
    assert result["origin"]["command"].startswith("jadce-evaluate --n-devices 40")
    assert result["origin"]["version"]
    figures = result["points"][0]["estimators"]["vamp:max_iter=5"]["figures"]
    assert f"{figures['nmse_db']:.2f}" in rows[0]
    assert sorted(path.name for path in tmp_path.glob("fig-*.svg"))[-1] == "fig-roc.svg"


def test_an_option_of_the_estimators_can_be_swept(app, tmp_path):
    process = app("jadce-evaluate", *SMALL, "--max-iter", "1,30", "--estimators", "fista", "-o", "out.json")
    assert process.returncode == 0, process.stderr
    result = json.loads((tmp_path / "out.json").read_text())
    assert [point["value"] for point in result["points"]] == [1, 30]


def test_mistakes_are_told_in_one_line(app, fails):
    fails(app("jadce-evaluate", "--estimators", "absent:function"), "absent:function", "No module named")
    fails(app("jadce-evaluate", "--estimators", "nobody"), "nobody", "pc_admm")
    fails(app("jadce-evaluate", "--estimators", "amp:damping"), "NAME:option=value")
    fails(app("jadce-evaluate", "--snr-db", "0,5", "--n-antennas", "1,2"), "n_antennas and snr_db")
    fails(app("jadce-evaluate", "--snr-db", "0,5", "--max-iter", "3"), "max_iter")
    fails(app("jadce-evaluate", "--snr-db", "0:5"), "--snr-db", code=2)
    fails(app("jadce-evaluate", "-o", "nowhere/out.json", *SMALL), "nowhere")
    fails(app("jadce-evaluate", "--plots", "nowhere/x", *SMALL), "--plots", "nowhere/x")
    fails(app("jadce-evaluate", "--snr-db", "20:0:5"), "START ≤ STOP", code=2)


def test_a_file_that_is_no_result_is_refused_in_few_words(app, fails, tmp_path):
    (tmp_path / "out.json").write_bytes(bytes(range(256)) * 100)
    process = app("jadce-evaluate", "-o", "out.json", *SMALL)
    fails(process, "out.json: expected the result of a sweep: not text")
    assert len(process.stderr) < 200


def test_frames_that_are_not_certified_are_marked(app):
    options = ("--n-antennas", 1, "--frames", 20, "--estimators", "pc_admm")
    assert "*" not in app("jadce-evaluate", "--snr-db", 10, *options).stdout
    assert "* mean relative duality gap above" in app("jadce-evaluate", "--snr-db", 90, *options).stdout


def test_a_full_disk_leaves_neither_half_a_file_nor_a_partial_one(app, fails, tmp_path):
    def fill_disk():  # a file cannot grow beyond so many bytes, as on a disk that is nearly full
        resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))

    arguments = (*SMALL, "--snr-db", "0:20:5", "--estimators", "fista")
    (tmp_path / "fig-nmse.svg").write_text("from before")
    fails(app("jadce-evaluate", *arguments, "-o", "out.json", preexec_fn=fill_disk), "out.json", "too large")
    plots = (*arguments, "--plots", "fig", "--format", "svg")
    fails(app("jadce-evaluate", *plots, preexec_fn=fill_disk), "fig-nmse.svg", "too large")
    assert [path.name for path in tmp_path.iterdir()] == ["fig-nmse.svg"]
    assert (tmp_path / "fig-nmse.svg").read_text() == "from before"


def test_ones_own_estimator_is_compared_with_ours(app, tmp_path):
    example = Path(__file__).resolve().parents[2] / "examples" / "own_estimator.py"
    (tmp_path / "own.py").write_text(example.read_text())
    options = ("--n-antennas", 4, "--activity-rate", 0.02, "--frames", 20)
    process = app("jadce-evaluate", *options, "--estimators", "own:correlation", "somp", "-o", "out.json")
    assert process.returncode == 0, process.stderr
    figures = json.loads((tmp_path / "out.json").read_text())["points"][0]["estimators"]
    assert set(figures) == {"own:correlation", "somp"}
