"""
The way in: the same commands as ingest.cli, of which a report that somebody waits for needs not import the others.

Whatever is no `errhouse report run` goes to ingest.cli.
"""

import gc
import os
import sys
from contextlib import suppress

SELDOM = 1_000_000  # objects between two looks for cycles: imports and frames make many, and counting frees them


def main() -> None:
    """
    Run the command line: 0 done, 1 done with findings, 2 cannot be done, in one sentence.

    A report that is made leaves at once: to take a process down that has imported pandas takes as long as a question.
    """
    if sys.argv[1:3] == ["report", "run"]:
        try:
            _report()
        except SystemExit as end:
            with suppress(BrokenPipeError):  # who reads has what it wanted
                sys.stdout.flush()
                if not end.code:
                    os._exit(0)
            raise
    else:
        from ingest.cli import main as any_command  # noqa: PLC0415 - it imports every command

        any_command()


def _report() -> None:
    gc.set_threshold(SELDOM)
    import typer  # noqa: PLC0415 - what only this way needs

    from models.errors import ModelsError  # noqa: PLC0415 - the same
    from reports.cli_report import report_commands  # noqa: PLC0415 - the same
    from reports.errors import ReportsError  # noqa: PLC0415 - the same

    app = typer.Typer(name="errhouse", pretty_exceptions_enable=False, add_completion=False)
    app.callback()(_nothing)  # so that `report` is a word to be said
    app.add_typer(report_commands, name="report")
    try:
        app()
    except (ModelsError, ReportsError) as wrong:
        sys.stderr.write(f"errhouse: {wrong}\n")
        sys.exit(2)
    except OSError as wrong:
        if wrong.filename is None:
            raise
        sys.stderr.write(f"errhouse: {wrong.filename} cannot be used ({wrong.strerror}).\n")
        sys.exit(2)


def _nothing() -> None:
    """Every Sentry error event, in your own PostgreSQL: complete, queryable and reported on."""
