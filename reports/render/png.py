"""The same picture as SVG, for chats and mail that show no SVG: on light paper."""

from reports.drawing import png
from reports.render import svg
from reports.report import Report

NAME: str = "png"
EXTENSION: str = "png"
MEDIA_TYPE: str = "image/png"


def render(report: Report) -> bytes:
    """Give the picture as PNG."""
    return png(svg.picture(report))
