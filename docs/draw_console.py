"""
Draw a page of the console as an SVG for the README: what a browser shows, as text and shapes, in light and in dark.

`python docs/draw_console.py URL NAME < password > docs/console.svg`, of a console that runs.
"""

import sys
from html import escape
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from reports import palette

WIDTH = 1000
CHROMIUM = "/usr/bin/chromium"
UNTIL = "#h-new"  # what stands below is left out
FONTS = {
    "serif": 'ui-serif, Georgia, "Noto Serif", "Liberation Serif", serif',
    "mono": 'ui-monospace, Menlo, Consolas, "Liberation Mono", monospace',
    "sans": 'system-ui, "Segoe UI", "Noto Sans", "Liberation Sans", Arial, sans-serif',
}
# Every line of text with where its foot stands, every border, and every shape, from top to bottom.
SEEN = """
(until) => {
  const end = document.querySelector(until).getBoundingClientRect().top, found = [];
  const show = (at, paint) => { if (at.top < end && at.width + at.height > 0) found.push({
    x: at.left, y: at.top, w: at.width, h: at.height, ...paint }); };
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT | NodeFilter.SHOW_ELEMENT);
  for (let node; (node = walk.nextNode()); ) {
    if (node.nodeType === 1) {
      const style = getComputedStyle(node), at = node.getBoundingClientRect();
      if (node.closest("summary, details, .skip, title")) continue;
      if (node.matches("rect:not(.room)"))
        show(at, { kind: "rect", ink: style.fill, faint: +style.fillOpacity });
      else if (node.matches("line")) show({ left: at.left, top: at.top, width: at.width, height: 1 },
        { kind: "rect", ink: style.stroke, faint: 1 });
      else if (node.matches("polyline, polygon")) {
        const m = node.getScreenCTM();
        const points = [...node.points].map((p) => p.matrixTransform(m)).map((p) => [p.x, p.y]);
        const ink = node.matches("polygon") ? style.fill : style.stroke;
        show(at, { kind: node.tagName, points, ink, faint: node.matches("polygon") ? +style.fillOpacity : 1 });
      } else if (node.matches("span.key")) show(at, { kind: "rect", ink: style.backgroundColor, faint: 1 });
      else if (!node.closest("svg")) for (const [side, y] of [["Top", at.top], ["Bottom", at.bottom - 1]])
        if (parseFloat(style[`border${side}Width`]) > 0 && !node.matches("button, input"))
          show({ left: at.left, top: y, width: at.width, height: 1 },
            { kind: "rect", ink: style[`border${side}Color`], faint: 1 });
      if (node.matches(".top")) show({ left: at.left + 24, top: at.bottom - 13, width: at.width - 48, height: 1 },
        { kind: "rect", ink: getComputedStyle(node, "::after").borderBottomColor, faint: 1 });
      if (node.matches(".freshness")) show({ left: at.left, top: at.top + 7, width: 9, height: 9 },
        { kind: "dot", ink: getComputedStyle(node, "::before").backgroundColor, faint: 1 });
      continue;
    }
    const above = node.parentElement;
    if (!node.data.trim() || above.closest("details, .skip, title, svg")) continue;
    const style = getComputedStyle(above), range = document.createRange(), lines = [];
    for (let at = 0; at < node.length; at++) {
      range.setStart(node, at); range.setEnd(node, at + 1);
      const box = range.getBoundingClientRect(), last = lines[lines.length - 1];
      if (!box.width) continue;
      if (last && Math.abs(last.top - box.top) < 3) { last.text += node.data[at]; last.right = box.right; }
      else if (node.data[at].trim()) lines.push({
        text: node.data[at], left: box.left, right: box.right, top: box.top, bottom: box.bottom });
    }
    for (const line of lines) if (line.text.trim()) show(
      { left: line.left, top: line.top, width: line.right - line.left, height: line.bottom - line.top },
      { kind: "text", text: line.text, ink: style.color, size: parseFloat(style.fontSize),
        bold: +style.fontWeight > 500, family: style.fontFamily, ends: style.textAlign === "right" });
  }
  return [end, found];
}
"""


def drawn(end: float, shapes: list[dict[str, Any]]) -> str:
    """Give the picture; every colour is one of the palette, and so has its dark partner."""
    height = round(end)
    light = {ink.light: f"c{number}" for number, ink in enumerate(palette.inks())}
    body = "\n".join(_shape(shape, light) for shape in shapes)
    used = [(name, ink) for ink in palette.inks() if f'"{(name := light[ink.light])}' in body or f" {name}" in body]
    rules = "".join(f".{name}{{fill:{ink.light}}}.s{name}{{stroke:{ink.light}}}" for name, ink in used)
    dark = "".join(f".{name}{{fill:{ink.dark}}}.s{name}{{stroke:{ink.dark}}}" for name, ink in used)
    fonts = "".join(f".{name}{{font-family:{told}}}" for name, told in FONTS.items())
    paper = f".paper{{fill:{palette.PAPER.light};stroke:{palette.RULE.light}}}"
    paper_dark = f".paper{{fill:{palette.PAPER.dark};stroke:{palette.RULE.dark}}}"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" '
        f'aria-label="The overview of the console: how many events, by day and level, by project and by culprit">\n'
        f"<style>{fonts}.b{{font-weight:600}}{paper}{rules}"
        f"@media (prefers-color-scheme:dark){{{paper_dark}{dark}}}</style>\n"
        f'<rect class="paper" x=".5" y=".5" width="{WIDTH - 1}" height="{height - 1}" rx="8"/>\n{body}\n</svg>\n'
    )


def _shape(shape: dict[str, Any], light: dict[str, str]) -> str:
    ink, faint = _ink(shape["ink"], light), shape.get("faint", 1)
    more = f' opacity="{faint:g}"' if faint < 1 else ""
    x, y, width, height = (round(shape[name], 1) for name in "xywh")
    match shape["kind"]:
        case "text":
            family = next((name for name in ("mono", "serif") if f"ui-{name}" in shape["family"].split(",")[0]), "sans")
            at = f'x="{x + width:g}" text-anchor="end"' if shape["ends"] else f'x="{x:g}"'
            bold = " b" if shape["bold"] else ""
            foot = y + height * 0.79
            told = f'class="{ink} {family}{bold}" {at} y="{foot:.1f}" font-size="{shape["size"]:g}"'
            return f"<text {told}>{escape(shape['text'].strip())}</text>"
        case "dot":
            return f'<circle class="{ink}" cx="{x + 4.5:g}" cy="{y + 4.5:g}" r="4.5"/>'
        case "polyline" | "polygon":
            points = " ".join(f"{px:.1f},{py:.1f}" for px, py in shape["points"])
            style = (
                f'class="s{ink}" fill="none" stroke-width="1.4"' if shape["kind"] == "polyline" else f'class="{ink}"'
            )
            return f'<{shape["kind"]} {style} points="{points}"{more}/>'
        case _:
            return f'<rect class="{ink}" x="{x:g}" y="{y:g}" width="{width:g}" height="{max(height, 1):g}"{more}/>'


def _ink(told: str, light: dict[str, str]) -> str:
    """Give the class of a colour of the palette, of the nearest where the browser mixed one."""
    rgb = [int(float(part)) for part in told.partition("(")[2].rstrip(")").replace(",", " ").split()[:3]]

    def far(ink: str) -> int:
        return sum(abs(int(ink[at : at + 2], 16) - part) for at, part in zip((1, 3, 5), rgb, strict=True))

    return light[min(light, key=far)]


def main(url: str, name: str) -> None:
    """Log in and draw the overview."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--no-proxy-server"])
        page = browser.new_page(base_url=url, viewport={"width": WIDTH, "height": 900}, color_scheme="light")
        page.goto("/login")
        page.get_by_label("Name").fill(name)
        page.get_by_label("Password").fill(sys.stdin.readline().strip())
        page.get_by_role("button", name="Log in").click()
        page.get_by_role("heading", name="Overview").wait_for()
        end, shapes = page.evaluate(SEEN, UNTIL)
        browser.close()
    sys.stdout.write(drawn(end, shapes))


if __name__ == "__main__":
    main(*sys.argv[1:3])
