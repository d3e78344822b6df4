# SPDX-License-Identifier: GPL-3.0-or-later
"""One table of fields: the report, its messages and its lines of JSON have these fields and no others."""

import json
from dataclasses import fields

import pytest
from reports import REPORTS

from gr_jadce.reports.fields import FIELDS, Place, keys, table, vector
from gr_jadce.reports.json_lines import to_json
from gr_jadce.reports.report import Report

NAMES = [field.name for field in FIELDS]


def present(report):
    return [name for name in NAMES if getattr(report, name) is not None]


def test_a_report_has_the_fields_of_the_table():
    assert sorted(NAMES) == sorted([*(field.name for field in fields(Report)), "schema"])


@pytest.mark.parametrize("report", REPORTS.values(), ids=REPORTS)
def test_a_line_has_the_fields_in_their_order(report):
    assert list(json.loads(to_json(report))) == present(report)


@pytest.mark.parametrize("report", REPORTS.values(), ids=REPORTS)
@pytest.mark.parametrize("port", ["activity", "channel"])
def test_a_message_has_the_fields_in_their_order(report, port):
    pmt = pytest.importorskip("pmt")
    pdus = pytest.importorskip("gr_jadce.reports.pdus")
    pdu = pdus.to_pmts(report)[port == "channel"]
    given, entries = [], pmt.car(pdu)
    while pmt.is_pair(entries):
        given.append(pmt.symbol_to_string(pmt.car(pmt.car(entries))))
        entries = pmt.cdr(entries)
    wanted = [field.name for field in keys(port) if field.name in present(report)]
    assert given == wanted


def test_each_message_has_one_vector():
    for port in ("activity", "channel"):
        assert [getattr(field, port) for field in FIELDS].count(Place.VECTOR) == 1
    assert (vector("activity").name, vector("channel").name) == ("device", "channel")
    assert [field.name for field in keys("channel") if field.optional] == ["taps"]


def test_the_table_for_the_guide_has_a_row_for_each_field():
    rows = table().splitlines()[2:]
    assert [row.split("`")[1] for row in rows] == NAMES
    assert {row.count(" | ") for row in rows} == {4}
