"""Words of senders stay text in every format."""

import csv
import io
import re
import unicodedata
import zipfile
from html.parser import HTMLParser

import pytest

from reports.render import rendering
from reports.render.csv import STARTS, harmless
from reports.render.html import POLICY
from reports.render.markdown import code, escaped
from reports.render.xlsx import sheet_name
from reports.wording import shortened, visible
from tests.support import reports as make
from tests.support.reports import xml

EVIL = make.hostile()
VOID = {"meta", "link", "br", "img", "hr", "input", "col", "wbr"}
SVG_LEAVES = {"path", "circle", "rect", "polyline", "polygon", "line"}
LOADING = {"src", "srcset", "data", "action", "formaction", "poster", "background", "xlink:href", "ping", "manifest"}
TAGS = {
    "html", "head", "meta", "title", "link", "style", "body", "a", "header", "h1", "h2", "bdi", "span", "p", "main",
    "section", "dl", "div", "dt", "dd", "b", "nav", "ol", "li", "figure", "figcaption", "details", "summary", "table",
    "thead", "tbody", "tr", "th", "td", "small", "footer", "svg", "g", "path", "text", "circle", "rect", "polyline",
    "polygon", "line",
}  # fmt: skip


class Page(HTMLParser):
    """Reads a page strictly: what is opened is closed, in order; gathers what could load or act."""

    def __init__(self, body: bytes) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.attributes: set[str] = set()
        self.text: list[str] = []
        self.metas: list[dict[str, str | None]] = []
        self.feed(body.decode())
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.ids += [value or "" for name, value in attrs if name == "id"]
        self.links += [value or "" for name, value in attrs if name == "href"]
        assert len({name for name, _ in attrs}) == len(attrs)
        if tag == "meta":
            self.metas.append(dict(attrs))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in SVG_LEAVES
        self.handle_starttag(tag, attrs)
        self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


@pytest.mark.parametrize("report", [EVIL, make.full(), make.report()], ids=["hostile", "full", "bare"])
def test_a_page_is_well_formed_and_loads_and_runs_nothing(report: make.Report) -> None:
    body = rendering("html").render(report)
    page = Page(body)
    assert page.tags <= TAGS
    assert not page.attributes & LOADING
    assert not {name for name in page.attributes if name.startswith("on")}
    assert len(set(page.ids)) == len(page.ids)
    assert all(link == "data:," or link.removeprefix("#") in page.ids for link in page.links)
    assert {meta.get("content") for meta in page.metas if meta.get("http-equiv")} == {POLICY}
    assert POLICY == "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
    style = re.search(rb"<style>(.*?)</style>", body, re.DOTALL)
    assert style
    assert b"url(" not in style[1]
    assert b"@import" not in style[1]


def test_a_page_tells_hostile_words_as_they_are() -> None:
    said = "".join(Page(rendering("html").render(EVIL)).text)
    for words in make.HOSTILE:
        assert visible(words) in said
    assert not [each for each in said if unicodedata.category(each) == "Cc" and each != "\n"]


def test_every_chart_of_a_page_has_its_table_and_its_words() -> None:
    body = rendering("html").render(make.full()).decode()
    assert body.count('<svg viewBox="0 0') == body.count("<details") == 5
    assert body.count("<figcaption") == 5
    assert body.count('scope="col"') == body.count("<th ")
    assert "@media print" in body
    assert "prefers-color-scheme:dark" in body


@pytest.mark.parametrize("name", ["svg", "html", "json", "markdown", "text", "csv"])
def test_no_character_that_acts_is_in_a_format(name: str) -> None:
    body = rendering(name).render(EVIL)
    texts = [body]
    if name == "csv":
        archive = zipfile.ZipFile(io.BytesIO(body))
        texts = [archive.read(each) for each in archive.namelist()]
    for text in texts:
        assert not re.findall("[\x00-\x08\x0b\x0c\x0e-\x1f]", text.decode())
        if name != "json":  # which tells them as they came
            assert not re.findall("[\x7f-\x9f\u202a-\u202e\u2066-\u2069]", text.decode())


def test_a_picture_is_xml_of_nothing_but_shapes_and_words() -> None:
    root = xml(rendering("svg").render(EVIL))
    space = "{http://www.w3.org/2000/svg}"
    assert {each.tag.removeprefix(space) for each in root.iter()} <= {
        "svg",
        "style",
        "g",
        "rect",
        "path",
        "text",
        "line",
    }
    assert not {name for each in root.iter() for name in each.attrib if "href" in name or name.startswith("on")}
    assert "<script>alert(1)</script>" in "".join(root.itertext())


def test_no_cell_of_a_csv_is_a_formula() -> None:
    archive = zipfile.ZipFile(io.BytesIO(rendering("csv").render(EVIL)))
    assert all(re.fullmatch(r"[A-Za-z0-9_]+\.csv", name) for name in archive.namelist())
    cells = []
    for name in archive.namelist():
        reader = csv.reader(io.StringIO(archive.read(name).decode(), newline=""))
        cells += [cell for row in reader for cell in row]
    for cell in cells:
        assert not cell.startswith(STARTS) or re.fullmatch(r"-?[\d.e-]+", cell), cell
    assert "'=cmd|' /C calc'!A0" in cells
    assert "-0.118" in "".join(
        zipfile.ZipFile(io.BytesIO(rendering("csv").render(make.full()))).read("what_changed.csv").decode()
    )


@pytest.mark.parametrize("start", [*STARTS, " =", "\u00a0@"])
def test_what_a_spreadsheet_would_calculate_gets_an_apostrophe(start: str) -> None:
    assert harmless(f"{start}1+1").startswith("'")


def test_a_workbook_has_no_formula_and_no_link_and_keeps_doubtful_cells_text() -> None:
    book = zipfile.ZipFile(io.BytesIO(rendering("xlsx").render(EVIL)))
    space = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
    forms = xml(book.read("xl/styles.xml")).find(f"{space}cellXfs")
    assert forms is not None
    quoted = [number for number, form in enumerate(forms) if form.get("quotePrefix") == "1"]
    assert not [name for name in book.namelist() if "externalLink" in name or "worksheets/_rels" in name]
    found = 0
    for name in book.namelist():
        if not name.startswith("xl/worksheets/sheet"):
            continue
        root = xml(book.read(name))
        assert root.find(f".//{space}pane") is not None
        assert root.find(f".//{space}f") is None
        assert root.find(f".//{space}hyperlink") is None
        for cell in root.iter(f"{space}c"):
            words = "".join(cell.itertext())
            if cell.get("t") == "inlineStr" and words.startswith(STARTS):
                assert int(cell.attrib["s"]) in quoted
                found += 1
    assert found >= 8


@pytest.mark.parametrize("title", [*make.HOSTILE, "a/b\\c?*[x]:y", "'quoted'", "History", "x" * 99])
def test_a_sheet_has_a_name_that_sheets_may_have(title: str) -> None:
    name = sheet_name(title)
    assert 0 < len(name) <= 31
    assert not set("[]:*?/\\") & set(name)
    assert not name.startswith("'")
    assert not name.endswith("'")
    assert name.lower() != "history"


def test_markdown_quotes_what_would_mean_something() -> None:
    assert code("<script>|`x`") == "``<script>|`x` ``" or code("<script>|`x`") == "`` <script>|`x` ``"
    assert code("plain words 12") == "plain words 12"
    assert code("[a](http://b)") == "`[a](http://b)`"
    assert escaped("[a](http://b) <b> `c` |") == r"\[a\]\(http\://b\) \<b\> \`c\` \|"
    assert "@all" not in escaped("hello @all")
    body = rendering("markdown").render(EVIL).decode()
    outside = re.sub(r"(`+)(?!`).*?(?<!`)\1(?!`)", "", body.replace("\\`", ""))
    assert not re.search(r"(?<!\\)<(script|img|b)\b", outside)
    assert not re.search(r"(?<!\\)\]\(", outside)
    widths = [len(re.findall(r"(?<!\\)\|", line)) for line in body.splitlines() if line.startswith("|")]
    assert set(widths) == {12, 4}


def test_a_culprit_of_eight_kilobytes_is_shortened_for_people_and_whole_in_files() -> None:
    long = "long." * 1638
    assert len(shortened(long)) == 240
    assert long.encode() not in rendering("html").render(EVIL)
    assert long.encode() in rendering("json").render(EVIL)
    archive = zipfile.ZipFile(io.BytesIO(rendering("csv").render(EVIL)))
    assert long.encode() in archive.read("top_culprits.csv")
    assert len(rendering("html").render(EVIL)) < 500_000
