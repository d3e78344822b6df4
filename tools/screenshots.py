#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes the pictures of the README and the guide, each from a real run, on a display of its own (Xvfb).

screenshots.py [-o FOLDER] [NAME...] makes all pictures, or those named, in FOLDER, by default docs/pictures.
Run it with `make screenshots`, which sets the paths.
"""

import argparse
import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from PIL import Image, ImageGrab

ROOT = Path(__file__).resolve().parents[1]
sys.path.append(str(ROOT / "tests" / "helpers"))
from browser import browsing  # noqa: E402

EXAMPLES = ROOT / "examples"
PYTHON = "/usr/bin/python3"
PATIENCE = 90.0  # seconds until a program shows something
MANY_COLOURS, PALETTE = 1000, 255  # antialiased text and icons need no more; files a third as large
FLOWGRAPHS = {f"grc_{path.stem}": path for path in sorted(EXAMPLES.glob("*.grc"))}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-o", "--output", type=Path, default=ROOT / "docs" / "pictures", metavar="FOLDER")
    parser.add_argument("name", nargs="*", help=f"one of: {', '.join(EVERYTHING)}")
    arguments = parser.parse_args()
    names = arguments.name or EVERYTHING
    if unknown := set(names) - set(EVERYTHING):
        parser.error(f"expected names of pictures, found {', '.join(sorted(unknown))}; see --help")
    arguments.output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        make(names, Path(folder))
        for picture in sorted(Path(folder).glob("*.png")):
            if picture.stem in names:
                many_colours = picture.stem in {*PAGES, *STREET_PAGES}  # whose small signs would lose theirs
                save(Image.open(picture), arguments.output / picture.name, many_colours)
                print(picture.name)


def make(names, folder):
    if paths := [FLOWGRAPHS[name] for name in names if name in FLOWGRAPHS]:
        flowgraphs_in_companion(paths, folder)
    for views, program, ready in ((PAGES, live, RASTER_IS_FULL), (STREET_PAGES, street, STREET_IS_SHOWN)):
        if pages := {name: views[name] for name in names if name in views}:
            pages_of(program(folder), pages, folder, ready)
    for name in names:
        if name in WINDOWS:
            running_window(folder, name, *WINDOWS[name])
        if name in PLOTS:
            PLOTS[name](folder)


def flowgraphs_in_companion(paths, folder):
    relative = [path.relative_to(ROOT) for path in paths]
    with display(1600, 1400) as environment:
        run(PYTHON, ROOT / "tools" / "grc_window.py", folder, *relative, cwd=ROOT, env=environment)


def running_window(folder, name, size, seconds, command):
    """The display of a program, some seconds after it shows something."""
    with display(*size) as environment, running(command(folder), folder, environment) as program:
        shown, give_up = None, time.monotonic() + PATIENCE
        while shown is None or time.monotonic() < shown + seconds:
            time.sleep(0.2)
            picture = ImageGrab.grab(xdisplay=environment["DISPLAY"])
            if shown is None and len(picture.getcolors(2**24)) > 1:
                shown = time.monotonic()
            if program.poll() is not None or (shown is None and time.monotonic() > give_up):
                raise RuntimeError(f"{name}: expected a window, found {program.poll()} as its exit code")
        picture.save(folder / f"{name}.png")


def compiled(name):
    def command(folder):
        run("grcc", "-o", folder, EXAMPLES / f"{name}.grc")
        return [PYTHON, folder / f"{name}.py"]

    return command


def on_simulated_usrps(name):
    """The flowgraph at work on four simulated USRPs, which needs root."""

    def command(folder):
        program, book, air = compiled(name)(folder), folder / "book.npz", folder / "air"
        run("jadce-pilots", "make", "--devices", "200", "--length", "64", "-o", book)
        run(
            "jadce-simulate", "--pilots", book, "--antennas", "4", "--slots", "500", "--slot-period", "10000",
            "--datatype", "ci16_le", "-o", air,
        )  # fmt: skip
        return [
            PYTHON, EXAMPLES / "simulated_usrps.py", f"{air}.sigmf-meta", *program, "--usrp-args", "USRPS",
            "--pilot-file", book, "--slot-period", "10000", "--samp-rate", "200e3",
        ]  # fmt: skip

    return command


def live(folder):
    """What `make live` runs."""
    return [PYTHON, EXAMPLES / "live.py", "--web", "0"]


def street(folder):
    """The page of devices out of step, with echoes."""
    book, air, reports = folder / "street.npz", folder / "street", folder / "street.jsonl"
    shape = (
        "--slot-period",
        "400",
        "--samples-per-symbol",
        "4",
        "--cyclic-prefix",
        "8",
        "--max-offset",
        "200",
    )
    run("jadce-pilots", "make", "--devices", "100", "--length", "64", "-o", book)
    run(
        "jadce-simulate", "--pilots", book, "--antennas", "4", "--n-active", "8", "--snr-db", "15",
        "--slots", str(STREET_SLOTS), "--rate", "4e6", "--channels", "TDL-A:800", "--max-delay", "1", *shape,
        "-o", air,
    )  # fmt: skip
    run(
        "jadce-receive", "--pilots", book, "--recording", f"{air}.sigmf-meta", "--max-delay", "6", *shape,
        "--json", reports,
    )  # fmt: skip
    return ["jadce-monitor", "--json", reports.name, "--truth", "street.truth.jsonl", "--web", "0"]


def pages_of(command, pages, folder, ready):
    """The page that a program serves, when it is ready, as different viewers see it."""
    program = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True)
    try:
        with browsing() as browser:
            url = program.stdout.readline().strip()
            for name, options in pages.items():
                page = browser.open(url, **options)
                page.wait(ready)
                time.sleep(1)  # for the figures
                page.wait(
                    "Number(document.querySelector('.tile b').textContent) > 6"
                )  # active, to see something
                (folder / f"{name}.png").write_bytes(page.screenshot())
                page.close()
    finally:
        program.terminate()
        program.communicate()


def terminal_monitor(folder):
    """jadce-monitor in a terminal: reports of a simulated uplink, as they would come, and its truth."""
    book, uplink, reports = folder / "book.npz", folder / "uplink", folder / "reports.jsonl"
    run("jadce-pilots", "make", "--devices", "100", "--length", "40", "-o", book)
    run(
        "jadce-simulate", "--pilots", book, "--antennas", "2", "--snr-db", "10", "--slots", "300",
        "--slot-period", "1000", "--rate", "10e3", "--seed", "1", "-o", uplink,
    )  # fmt: skip
    run(
        "jadce-receive", "--pilots", book, "--slot-period", "1000", "--recording", f"{uplink}.sigmf-meta",
        "--json", reports,
    )  # fmt: skip
    look = [
        "-fa",
        "DejaVu Sans Mono",
        "-fs",
        "11",
        "-geometry",
        "100x36+0+0",
        "-bg",
        "black",
        "-fg",
        "grey90",
    ]
    live = 'while read -r line; do echo "$line"; sleep 0.04; done <reports.jsonl'
    return ["xterm", *look, "-e", "sh", "-c", f"{live} | jadce-monitor --json - --truth uplink.truth.jsonl"]


def demo(folder):
    run(PYTHON, EXAMPLES / "demo.py", folder / "demo")
    (folder / "demo" / "demo.png").rename(folder / "demo.png")


def evaluate(folder):
    run(
        "jadce-evaluate", "--snr-db", "0:20:5", "--frames", "200",
        "--estimators", "unrolled", "pc_admm", "vamp", "somp", "oracle_mmse",
        "-o", "curves.json", "--plots", "curves", "--format", "png", cwd=folder,
    )  # fmt: skip
    (folder / "curves-nmse.png").rename(folder / "evaluate.png")


WINDOWS = {
    "loopback_gui": ((1000, 900), 12, compiled("loopback_gui")),
    "nr_random_access": ((1000, 900), 20, compiled("nr_random_access")),
    "sensors": ((1000, 900), 20, compiled("sensors")),
    "jadce_monitor": ((908, 654), 8, terminal_monitor),
    "usrp_receiver_4_gui": ((1000, 900), 20, on_simulated_usrps("usrp_receiver_4_gui")),
}
PLOTS = {"demo": demo, "evaluate": evaluate}
PAGES = {
    "web_light": {"width": 1360, "height": 820},
    "web_dark": {"width": 1360, "height": 820, "dark": True},
    "web_phone": {"width": 390, "height": 844},
}
STREET_SLOTS = 60
STREET_PAGES = {
    "web_echoes": {"width": 1360, "height": 900},
    "web_echoes_dark": {"width": 1360, "height": 900, "dark": True},
}
RASTER_IS_FULL = "import('./main.js').then(({ store }) => store.frames && store.newest >= store.frames)"
STREET_IS_SHOWN = f"import('./main.js').then(({{ store }}) => store.newest >= {STREET_SLOTS - 1})"
EVERYTHING = [*FLOWGRAPHS, *PAGES, *STREET_PAGES, *WINDOWS, *PLOTS]


@contextlib.contextmanager
def display(width, height):
    """A display without a screen; what a program needs in its environment to use it."""
    reading, writing = os.pipe()
    screen = ["-screen", "0", f"{width}x{height}x24", "-nolisten", "tcp", "-displayfd", str(writing)]
    server = subprocess.Popen(["Xvfb", *screen], pass_fds=[writing], stderr=subprocess.DEVNULL)
    os.close(writing)
    with os.fdopen(reading) as answer:
        number = answer.readline().strip()
    if not number:
        raise RuntimeError(f"Xvfb ended with {server.wait()}")
    try:
        yield os.environ | {"DISPLAY": f":{number}", "QT_QPA_PLATFORM": "xcb"}
    finally:
        server.terminate()
        server.wait()


@contextlib.contextmanager
def running(command, folder, environment):
    environment = environment | {"XDG_CONFIG_HOME": str(folder)}
    program = subprocess.Popen(command, cwd=folder, env=environment, stdin=subprocess.DEVNULL)
    try:
        yield program
    finally:
        program.send_signal(signal.SIGTERM)
        program.wait(30)


def run(*command, **options):
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, **options)


def save(picture, path, many_colours):
    picture = picture.convert("RGB")
    if not many_colours and len(picture.getcolors(2**24)) > MANY_COLOURS:
        picture = picture.quantize(PALETTE, dither=Image.Dither.NONE)
    picture.save(path, optimize=True)


if __name__ == "__main__":
    sys.exit(main())
