"""
Tells what a query of the operator's finds: each row is a finding.

The query is one `select` over schema analytics, read only, of 10 s and 100 rows at most. Column `subject` names what a
row is about, and is told again once it was gone; `title` and `text` say it; every other column is a fact.
"""

from collections.abc import Mapping
from typing import Any

from reports.alerts.rule import Finding, Given, Needs, Parameter
from reports.delivery.message import Fact
from reports.errors import BadRule

NAME: str = "sql"
SENTENCE: str = "Whatever a query over schema analytics finds; each row is told."
PARAMETERS: tuple[Parameter, ...] = (
    Parameter("sql", "One select, with a column subject; title and text if you like.", "query"),
    Parameter("every", "How often it is asked.", "length", 300),
)
NEEDS: Needs = "rows"
MATCHES: tuple[str, ...] = ()
EVERY_SECONDS: int = 300
MOST_FACTS, MOST_CHARACTERS, MOST_TEXT = 20, 300, 2000


def check(parameters: Mapping[str, Any]) -> None:
    """Ask for the query; whether PostgreSQL takes it is asked when the rule is added."""
    if not str(parameters.get("sql") or "").strip():
        raise BadRule("A sql rule needs --sql with a select that has a column subject.")


def found(_: Mapping[str, Any], given: Given) -> list[Finding]:
    """Give every row that names a subject."""
    findings = {}
    for row in given.rows:
        subject = _told(row.get("subject"))
        if not subject:
            continue
        facts = [Fact(name, _told(value)) for name, value in row.items() if name not in {"subject", "title", "text"}]
        findings[subject] = Finding(
            subject=f"row:{subject}",
            transition="found",
            title=_told(row.get("title")) or subject,
            says="lasting",
            text=str(row.get("text") or "")[:MOST_TEXT],
            facts=tuple(facts[:MOST_FACTS]),
        )
    return list(findings.values())


def _told(value: Any) -> str:
    return "" if value is None else str(value)[:MOST_CHARACTERS]
