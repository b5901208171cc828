import csv
import io
import os
import subprocess
import sys
import zipfile
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from xml.etree.ElementTree import Element

import pyarrow.parquet as pq
import pytest

from reports import wording
from reports.errors import ReportsError
from reports.render import FORMATS, Rendering, rendering
from reports.report import Report, Table, decoded
from reports.tabular import tables
from tests.support import reports as make
from tests.support.reports import xml

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "reports" / "render"
SHEET = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
TELLING = ["html", "markdown", "text"]
MANY = [f"shop.module_{number}.function in handler" for number in range(10_000)]
KINDS: dict[str, Report] = {
    "no data": make.report(make.culprits([]), headline=[], quality=[], definitions=[], notes=[], previous=None),
    "one event": make.report(make.culprits(["shop.cart in add"]), make.by_day(1), make.pareto(1)),
    "full": make.full(),
    "hostile": make.hostile(),
    "10,000 culprits": make.report(make.culprits(MANY[:50], len(MANY) - 50)),
}
EACH = [(name, each) for name in KINDS for each in FORMATS]
NAMES = [f"{each.NAME} of {name}" for name, each in EACH]


def sheets(body: bytes) -> dict[str, Element]:
    book = zipfile.ZipFile(io.BytesIO(body))
    names = [sheet.attrib["name"] for sheet in xml(book.read("xl/workbook.xml")).iter(f"{SHEET}sheet")]
    return {name: xml(book.read(f"xl/worksheets/sheet{number}.xml")) for number, name in enumerate(names, 1)}


def numbers(table: Table) -> list[float]:
    kinds = [column.kind for column in table.columns]
    return [
        value
        for row in table.rows
        for value, kind in zip(row, kinds, strict=True)
        if kind in {"count", "number", "share", "change", "id"} and value is not None
    ]


def test_the_list_of_formats_names_every_module_of_the_folder() -> None:
    assert {each.NAME for each in FORMATS} == {path.stem for path in FOLDER.glob("*.py")} - {"__init__"}
    assert len({each.EXTENSION for each in FORMATS}) == len(FORMATS)
    assert rendering("md") is rendering("markdown")
    with pytest.raises(ReportsError, match="take one of: json, html"):
        rendering("pdf")


@pytest.mark.parametrize(("name", "form"), EACH, ids=NAMES)
def test_every_report_is_rendered_in_every_format_the_same_each_time(name: str, form: Rendering) -> None:
    body = form.render(KINDS[name])
    assert body
    assert form.render(KINDS[name]) == body


def test_zone_locale_and_hash_seed_of_a_machine_change_no_byte() -> None:
    code = (
        "import sys, hashlib; sys.path.insert(0, '.')\n"
        "from tests.support.reports import full\nfrom reports.render import FORMATS\n"
        "print(*(hashlib.sha256(each.render(full())).hexdigest() for each in FORMATS))"
    )
    env = {**os.environ, "TZ": "Asia/Kathmandu", "PYTHONHASHSEED": "77", "LC_ALL": "C", "COLUMNS": "40"}
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=env, capture_output=True, text=True, check=True)
    assert done.stdout.split() == [sha256(each.render(KINDS["full"])).hexdigest() for each in FORMATS]


def test_knowing_the_formats_loads_nothing_heavy() -> None:
    code = "import sys, reports.render as r; r.FORMATS; print(*{name.split('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert not {"pandas", "numpy", "pyarrow", "xlsxwriter", "vl_convert", "altair"} & set(done.stdout.split())


def test_pictures_are_drawn_where_there_is_no_network_at_all() -> None:
    bare = ["unshare", "--net", "--map-root-user"]
    if subprocess.run([*bare, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this machine lets nobody leave its network")
    code = (
        "import sys; sys.path.insert(0, '.')\nfrom tests.support.reports import full\n"
        "from reports.render import html, png\nprint(len(html.render(full())) > 9999, png.render(full())[1:4])"
    )
    done = subprocess.run([*bare, sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "True b'PNG'\n"


@pytest.mark.parametrize("form", TELLING)
@pytest.mark.parametrize("name", KINDS)
def test_every_number_is_told_to_people(name: str, form: str) -> None:
    report = KINDS[name]
    body = rendering(form).render(report).decode()
    said = body.replace("&lt;", "<").replace("&gt;", ">").replace("\\", "")
    for section in report.sections:
        for row, words in zip(section.table.rows, wording.cells(section.table, "Europe/Berlin", 2026), strict=True):
            for value, word, column in zip(row, words, section.table.columns, strict=True):
                if column.kind not in {"text", "sparkline"}:
                    assert word in said, (column.name, value)
                if column.kind == "sparkline" and form == "html":
                    assert word in said
        if section.table.left_out_count:
            assert f"{section.table.left_out_count:,} more rows" in said
    for figure in (*report.headline, *report.quality):
        assert wording.figure(figure).split()[0] in said


@pytest.mark.parametrize("name", KINDS)
def test_every_value_is_in_json_csv_xlsx_and_parquet(name: str) -> None:
    report = KINDS[name]
    assert decoded(rendering("json").render(report)) == report
    in_csv = zipfile.ZipFile(io.BytesIO(rendering("csv").render(report)))
    in_parquet = zipfile.ZipFile(io.BytesIO(rendering("parquet").render(report)))
    in_xlsx = list(sheets(rendering("xlsx").render(report)).values())
    assert len(in_xlsx) == len(tables(report)) == len(in_csv.namelist())
    for sheet, each in zip(in_xlsx, tables(report), strict=True):
        rows = list(csv.reader(io.StringIO(in_csv.read(f"{each.name}.csv").decode(), newline="")))
        assert rows[0] == [column.name for column in each.table.columns]
        assert len(rows) == len(each.table.rows) + 1
        assert [str(number) for number in numbers(each.table)] == [
            cell
            for written, row in zip(rows[1:], each.table.rows, strict=True)
            for cell, value, column in zip(written, row, each.table.columns, strict=True)
            if column.kind in {"count", "number", "share", "change", "id"} and value is not None
        ]
        arrow = pq.read_table(io.BytesIO(in_parquet.read(f"{each.name}.parquet"))).to_pylist()
        for found, row in zip(arrow, each.table.rows, strict=True):
            for column, value in zip(each.table.columns, row, strict=True):
                if column.kind == "instant":
                    assert found[column.name] == datetime.fromisoformat(value)
                elif column.kind != "day":
                    assert found[column.name] == value
        cells = {
            f"{float(cell.findtext(f'{SHEET}v', 'nan')):.12g}"
            for cell in sheet.iter(f"{SHEET}c")
            if cell.get("t", "n") == "n"
        }
        assert {f"{number:.12g}" for number in numbers(each.table) if number < 2**53} <= cells


def test_instants_in_files_say_their_offset() -> None:
    body = zipfile.ZipFile(io.BytesIO(rendering("csv").render(KINDS["one event"]))).read("top_culprits.csv").decode()
    last_seen = next(csv.DictReader(io.StringIO(body)))["last_seen_at"]
    assert last_seen.endswith("+01:00")


def test_ten_thousand_culprits_make_a_small_page_that_tells_what_it_leaves_out() -> None:
    body = rendering("html").render(KINDS["10,000 culprits"])
    assert b"9,950 more rows are not shown." in body
    assert len(body) < 500_000
    assert len(rendering("html").render(KINDS["full"])) < 500_000


def test_the_text_is_of_lines_that_fit() -> None:
    for report in KINDS.values():
        lines = rendering("text").render(report).decode().splitlines()
        assert max(map(len, lines)) <= 140
        assert all(line == line.rstrip() for line in lines)
