"""Reports: which there are, their runs, and what they made, as it was made."""

from fastapi import Response

from reports.pages import questions
from reports.pages.asked import Asked, NotThere
from reports.pages.page import Console, Route

# What a report holds is words of senders: it is shown in a frame of its own, without rights and without a way out.
ARTIFACT_CSP = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; font-src data:; sandbox; frame-ancestors 'self'; "
    "base-uri 'none'; form-action 'none'"
)
TYPES = {
    "html": "text/html; charset=utf-8",
    "json": "application/json",
    "md": "text/markdown; charset=utf-8",
    "text": "text/plain; charset=utf-8",
    "csv": "application/zip",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "parquet": "application/zip",
    "png": "image/png",
    "svg": "image/svg+xml",
}
SHOWN_HERE = frozenset({"html"})
ZIP = b"PK\x03\x04"


def reports(console: Console, asked: Asked) -> Response:
    """List reports and their last runs."""
    name = asked.word("name") or None
    with console.warehouse.reading() as connection:
        names = connection.execute(questions.REPORT_NAMES).all()
        runs = connection.execute(questions.RUNS, {"name": name}).all()
    return console.page(asked, "reports.html", names=names, runs=runs, chosen=name)


def run(console: Console, asked: Asked) -> Response:
    """Show one run, and what it made."""
    key = {"run_id": asked.uuid("run_id")}
    with console.warehouse.reading() as connection:
        found = connection.execute(questions.RUN, key).one_or_none()
        made = connection.execute(questions.ARTIFACTS, key).all()
        sent = connection.execute(questions.SENT_TO, {"run_id": str(key["run_id"])}).all()
    if found is None:
        raise NotThere("There is no such run of a report.")
    has_html = any(e.format == "html" for e in made)
    return console.page(asked, "run.html", run=found, artifacts=made, has_html=has_html, sent=sent)


def artifact(console: Console, asked: Asked) -> Response:
    """Give one file of a run."""
    run_id, kind = asked.uuid("run_id"), asked.named["format"][:40]
    with console.warehouse.reading() as connection:
        found = connection.execute(questions.ARTIFACT, {"run_id": run_id, "format": kind}).one_or_none()
    if found is None:
        raise NotThere("There is no such file: the run made none in this format, or it is kept no more.")
    body = bytes(found.body)
    media_type = TYPES.get(kind, "application/octet-stream")
    ending = "zip" if body.startswith(ZIP) and kind != "xlsx" else {"text": "txt"}.get(kind, kind)
    place = "inline" if kind in SHOWN_HERE else "attachment"
    headers = {
        "content-security-policy": ARTIFACT_CSP,
        "x-frame-options": "SAMEORIGIN",
        "content-disposition": f'{place}; filename="report-{run_id.hex[:8]}.{ending}"',
    }
    return Response(body, media_type="application/zip" if ending == "zip" else media_type, headers=headers)


ROUTES = (
    Route("/reports", reports),
    Route("/reports/runs/{run_id}", run),
    Route("/reports/runs/{run_id}/{format}", artifact),
)
