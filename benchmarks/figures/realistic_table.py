# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of channels of several paths, as lines and as a page."""

from program import row


def line(entry):
    cells = table_row(entry)
    return "  ".join(
        f"{head} {cell}" if head else cell for head, cell in zip(("", *HEADS[1:]), cells, strict=True)
    )


HEADS = (
    *("channels", "prefix", "miss", "bound", "told all", "false alarms, 1e-3", "NMSE dB", "genie"),
    *("told delays", "frames/s", "flat"),
)


def table_row(entry):
    low, high = entry["miss_interval"]
    few, many = entry["false_alarm_interval"]
    return [
        entry["cell"],
        str(entry["prefix"]),
        f"{entry['miss']:.3f} ({low:.3f}–{high:.3f})",
        *(f"{entry[key]:.3f}" if key in entry else "–" for key in ("bound_miss", "told_all_miss")),
        f"{entry['false_alarm']:.4f} ({few:.4f}–{many:.4f})",
        f"{entry['nmse_db']:.1f}",
        *(f"{entry[key]:.1f}" if key in entry else "–" for key in ("genie_nmse_db", "delays_nmse_db")),
        f"{entry['frames_a_second']:.0f}",
        f"{entry['flat_miss']:.3f}, {entry['flat_nmse_db']:.1f} dB",
    ]


def page(description, origin, rows):
    return "\n".join(
        [
            "# Channels of several paths",
            "",
            " ".join(description.split("\n\n")[1].split()),
            "",
            " ".join(description.split("\n\n")[2].split()),
            "",
            f"In brackets: 95 % intervals (Wilson). {origin['slots']} slots a row. Made by "
            f"`{origin['command']}` at commit {origin['commit']}, version {origin['version']}.",
            "",
            row(HEADS),
            row(["---"] * len(HEADS)),
            *(row(table_row(entry)) for entry in rows),
            "",
        ]
    )
