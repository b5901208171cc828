"""`errhouse deliveries` and `errhouse inspect`: tools for whoever connects senders."""

import os
import sys
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ingest.errors import IngestError
from models.logs import configure
from models.printed import JsonFlag, shown, told
from models.settings import load_settings

if TYPE_CHECKING:
    from ingest.inbound import Inbound

FOLLOW_SECONDS = 0.5
COLUMNS = ("when", "form", "sender", "bytes", "ms", "status", "reason", "event")

FormOption = Annotated[str | None, typer.Option(help="Only this form or door, such as error, legacy_plugin, envelope.")]
StatusOption = Annotated[str | None, typer.Option(help="Only this HTTP status, such as 401, or a class, such as 4xx.")]
ReasonOption = Annotated[str | None, typer.Option(help="Only this reason code, such as bad_signature.")]
SlowOption = Annotated[bool, typer.Option("--slow", help="Only answers that took 900 ms or longer.")]
TopOption = Annotated[int, typer.Option(min=1, help="How many, latest first.")]
FollowOption = Annotated[bool, typer.Option("--follow", help="Show what comes from now on, until Ctrl-C.")]


def deliveries(
    form: FormOption = None,
    status: StatusOption = None,
    reason: ReasonOption = None,
    slow: SlowOption = False,
    top: TopOption = 50,
    follow: FollowOption = False,
    as_json: JsonFlag = False,
) -> None:
    """List the last inbound requests: when, form, bytes, ms, status, reason; also those that were refused."""
    from ingest.inbound import reading  # noqa: PLC0415 - a command loads what it needs

    data_dir = load_settings().DATA_DIR
    chosen = reading.Chosen(form, status, reason, slow)
    if follow:
        _follow(reading.Following(data_dir), chosen, as_json=as_json)
        return
    found = reading.recent(data_dir, chosen, top)
    if as_json:
        told([as_told(one) for one in found.requests])
    elif found.requests:
        shown("Deliveries, latest first", COLUMNS, [_row(one) for one in found.requests])
    else:
        typer.echo("No such request has come. `errhouse send-test` sends some; `errhouse doctor` looks for the cause.")
    if found.left_out and not as_json:
        typer.echo(f"{found.left_out} more requests came faster than are written down, and are counted in metrics.")


def inspect(
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 8888,
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 for every interface.")] = "127.0.0.1",
    secret: Annotated[
        list[str] | None, typer.Option(help="Client Secret to verify with, or env:NAME; may be given several times.")
    ] = None,
    max_body: Annotated[int, typer.Option(min=1024, help="Largest body in bytes.")] = 20 * 1024 * 1024,
    as_json: JsonFlag = False,
) -> None:
    """Receive, show and verify whatever arrives, without database or spool; nothing of it is kept on disk."""
    from ingest.inspector import MOST_KEPT, server, terminal  # noqa: PLC0415 - a command loads what it needs

    configure("warning", "inspect")
    given = [secret_of(each) or "" for each in secret or []]
    if not given:
        settings = load_settings()
        given = [each.get_secret_value() for each in settings.WEBHOOK_SECRETS]
    if not all(given):
        raise IngestError("A secret is empty, so anyone could sign; give it a value.")
    if not as_json:
        shown_host = f"[{host}]" if ":" in host else host
        typer.echo(f"Send to http://{shown_host}:{port}/hooks/sentry, or with a DSN http://{'0' * 32}@HOST:{port}/1")
        typer.echo(f"The last {MOST_KEPT} requests are at http://{shown_host}:{port}/ too. Ctrl-C ends it.")
        if not given:
            typer.echo("Signatures are not checked; name the Client Secret with --secret.")
    tell = terminal.told_as_json if as_json else terminal.show
    server.run(host, port, [each.encode() for each in given], max_body, tell)


def secret_of(told: str | None) -> str | None:
    """Give a secret that stands on the command line, or in the environment as `env:NAME`. Raises IngestError."""
    if told is None or not told.startswith("env:"):
        return told
    if not (found := os.environ.get(told[4:])):
        raise IngestError(f"The environment has no {told[4:]}; set it, or give the secret itself.")
    return found


def as_told(one: "Inbound") -> dict[str, Any]:
    """Give a request as programs get it."""
    return {
        "at": datetime.fromtimestamp(one.at_us / 1e6, UTC).isoformat(timespec="milliseconds"),
        "door": one.door,
        "form": one.form or None,
        "method": one.method,
        "path": one.path,
        "sender": one.sender,
        "agent": one.agent,
        "bytes": one.bytes,
        "body_bytes": one.body_bytes,
        "ms": one.ms,
        "status": one.status,
        "reason": one.reason or None,
        "project_id": one.project_id,
        "event_id": one.event_id or None,
        "sha256": one.sha256 or None,
        "receiver": one.receiver,
    }


def _follow(following: Any, chosen: Any, *, as_json: bool) -> None:
    try:
        while True:
            for one in following.more(chosen):
                if as_json:
                    told(as_told(one))
                else:
                    when, form, sender, size, ms, status, reason, event = _row(one)
                    said = f"{when:%H:%M:%S}  {status}  {form or one.path:<20} {size:>9} B {ms:>8} ms  {sender:<16} "
                    typer.echo(said + (reason or event))
            sys.stdout.flush()
            time.sleep(FOLLOW_SECONDS)
    except KeyboardInterrupt:
        return


def _row(one: "Inbound") -> tuple[Any, ...]:
    when = datetime.fromtimestamp(one.at_us / 1e6, UTC)
    return when, one.form or one.path, one.sender, one.bytes, one.ms, one.status, one.reason, one.event_id
