"""The report itself, of which everything else is a rendering."""

from reports.report import Report, encoded

NAME: str = "json"
EXTENSION: str = "json"
MEDIA_TYPE: str = "application/json"


def render(report: Report) -> bytes:
    """Give the report as JSON of the schema it names."""
    return encoded(report)
