"""`errhouse doctor`, without what it is told by other rooms."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

import typer

from ingest.doctor import Context, Database, Finding, State, examine
from ingest.doctor.finding import Look
from models.cli import told
from models.clock import now
from models.engine import check_server, database_url, engine_for
from models.errors import ModelsError
from models.settings import Settings

CONNECT_SECONDS = 3
CONNECTIONS = 4
COLORS = {
    State.OK: typer.colors.GREEN,
    State.WARNING: typer.colors.YELLOW,
    State.WRONG: typer.colors.RED,
    State.SKIPPED: typer.colors.BRIGHT_BLACK,
}


@contextmanager
def reached(settings: Settings) -> Iterator[Database]:
    """Give the database if it answers soon, else why not; an embedded one is started, but never made."""
    if settings.DATABASE_URL is None and not (settings.DATA_DIR / "postgres" / "data").exists():
        yield Database(None, "There is no database yet; `errhouse serve` makes one.", is_wrong=False)
        return
    with ExitStack() as stack:
        try:
            url = stack.enter_context(database_url(settings))
            engine = engine_for(
                url, application="errhouse doctor", pool_size=CONNECTIONS, connect_seconds=CONNECT_SECONDS
            )
            stack.callback(engine.dispose)
            check_server(engine)
            found = Database(engine)
        except ModelsError as error:
            found = Database(None, str(error))
        yield found


def examined(settings: Settings, targets: Look, scripts: Look, *, as_json: bool) -> None:
    """
    Examine, and tell what was found; exit code 1 when something is wrong.

    Takes: `targets` and `scripts`, which look at what is another room's.
    """
    with reached(settings) as database:
        found = examine(Context(settings, database, now, targets=targets, scripts=scripts))
    if as_json:
        told([{"name": each.name, **each._asdict()} for each in found])
    else:
        _show(found)
    if any(each.state is State.WRONG for each in found):
        raise typer.Exit(1)


def _show(found: Sequence[Finding]) -> None:
    width = max(len(each.name) for each in found)
    for each in found:
        state = typer.style(f"{each.state.value:8}", fg=COLORS[each.state])
        typer.echo(f"{state} {each.name:{width}}  {each.sentence}")
        if each.cure:
            typer.echo(f"{'':8} {'':{width}}  → {each.cure}")
    counts = {state: sum(each.state is state for each in found) for state in State}
    wrong, warned = counts[State.WRONG], counts[State.WARNING]
    typer.echo(f"\n{wrong or 'Nothing'} wrong, {warned} to be seen to, {counts[State.SKIPPED]} not looked at.")
