"""
What scheduled reports are made with: every report there is, and every format.

Both are imported when they are asked for: they bring pandas and what draws, which a scheduler must not hold.
"""

from importlib import import_module

from reports.making import Workshop


def workshop() -> Workshop:
    """Give all of them."""
    built_in = import_module("reports.built_in")
    return Workshop(built_in.make, built_in.ahead, import_module("reports.render").FORMATS)


def report_names() -> list[str]:
    """Name the reports."""
    return [each.name for each in import_module("reports.built_in").REPORTS]


def format_names() -> list[str]:
    """Name the formats."""
    return [each.NAME for each in import_module("reports.render").FORMATS]
