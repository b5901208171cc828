"""
The report's charts below each other as one picture, with its headline above: for messages, slides and wikis.

It follows its reader to dark. A report without charts is a picture of its headline.
"""

from html import escape

from reports import charts, drawing, wording
from reports.charts import FONT, WIDTH
from reports.palette import MUTED, PAPER, RULE, TEXT
from reports.report import Report

NAME: str = "svg"
EXTENSION: str = "svg"
MEDIA_TYPE: str = "image/svg+xml"
MARGIN = 28
TITLE_CHARACTERS = 60
LINE_CHARACTERS = 118
FIGURES_IN_A_LINE = 4


def render(report: Report) -> bytes:
    """Give the picture as SVG."""
    return picture(report).encode()


def picture(report: Report) -> str:
    """Draw the report."""
    zone = report.period.zone
    title = wording.shortened(wording.visible(f"{report.title}, {report.period.label}"), TITLE_CHARACTERS)
    parts = [_text(MARGIN, 46, title, 22, TEXT.light, "bold")]
    told = f"{wording.span(report.period)}, {zone}, {wording.hours(report.period)}"
    parts.append(_text(MARGIN, 68, told, 12, MUTED.light))
    top = _headline(report, parts, 104)
    for section in report.sections:
        drawn = drawing.picture(section, zone)
        if drawn is None:
            continue
        parts.append(f'<rect x="{MARGIN}" y="{top}" width="{WIDTH}" height="1" fill="{RULE.light}"/>')
        parts.append(_text(MARGIN, top + 26, _line(section.title, 70), 15, TEXT.light, "bold"))
        parts.append(_text(MARGIN, top + 44, _line(section.sentence), 12, TEXT.light))
        size = f'x="{MARGIN}" y="{top + 56}" width="{drawn.width:g}" height="{drawn.height:g}"'
        parts.append(drawn.element(size))
        bottom = top + 56 + drawn.height
        parts.append(_text(MARGIN, bottom + 16, _line(charts.caption(section, zone)), 11, MUTED.light))
        top = bottom + 36
    width, height = WIDTH + 2 * MARGIN, top
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height:g}" '
        f'viewBox="0 0 {width} {height:g}" font-family="{FONT}">{drawing.style()}'
        f'<rect width="{width}" height="{height:g}" fill="{PAPER.light}"/>{"".join(parts)}</svg>'
    )


def _headline(report: Report, parts: list[str], top: float) -> float:
    step = WIDTH / FIGURES_IN_A_LINE
    for place, figure in enumerate(report.headline):
        left, line = MARGIN + step * (place % FIGURES_IN_A_LINE), top + 66 * (place // FIGURES_IN_A_LINE)
        parts.append(_text(left, line, _line(figure.title, 28), 11, MUTED.light))
        value = _line(wording.figure(figure, report.period.zone), 16)
        parts.append(_text(left, line + 22, value, 18, TEXT.light, "bold"))
        change = wording.change(figure)
        if change is not None:
            percent = f" ({change.percent})" if change.percent else ""
            indent = 0 if change.direction == "even" else 14
            parts.append(_text(left + indent, line + 38, f"{change.absolute}{percent}", 11, TEXT.light))
            if indent:
                parts.append(_arrow(left + 1, line + 30, change.direction, is_filled=figure.is_significant))
    return top + 66 * -(-len(report.headline) // FIGURES_IN_A_LINE)


def _arrow(x: float, y: float, direction: str, *, is_filled: bool) -> str:
    """Draw the sign of a difference: as a letter it would be of whatever font has it."""
    path = f"M{x:g},{y + 8:g}h8l-4,-8z" if direction == "up" else f"M{x:g},{y:g}h8l-4,8z"
    fill = TEXT.light if is_filled else "none"
    return f'<path d="{path}" fill="{fill}" stroke="{TEXT.light}"/>'


def _line(text: str, most: int = LINE_CHARACTERS) -> str:
    return wording.shortened(wording.visible(text), most)


def _text(x: float, y: float, words: str, size: int, colour: str, weight: str = "normal") -> str:
    look = f'font-size="{size}" fill="{colour}" font-weight="{weight}"'
    return f'<text x="{x:g}" y="{y:g}" {look}>{escape(words)}</text>'
