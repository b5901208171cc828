"""What a receiver and a loader do in processes of their own, and `errhouse drain` in the foreground."""

import asyncio
import os
import socket
import sys
import time

import structlog
import uvicorn

from ingest import memory
from ingest.drain import Drain
from ingest.supervise import BACKLOG, FOLLOWED, LOADER_STOP_SECONDS, StopSignal, prepared, stop_with_parent
from models import embedded
from models.clock import now
from models.engine import DatabaseError, check_server, engine_for
from models.errors import ModelsError
from models.logs import configure
from models.settings import Settings

log = structlog.get_logger()


def receive(settings: Settings, number: int, handle: int) -> None:
    """Run one receiver in this process, on a socket opened by the parent."""
    import uvloop  # noqa: PLC0415 - only receivers need it

    from ingest.app import create_app  # noqa: PLC0415 - after the metrics folder is in the environment
    from ingest.console import behind_proxies  # noqa: PLC0415 - the same
    from ingest.followed import FollowedServer  # noqa: PLC0415 - only receivers need it
    from ingest.overload import Overload  # noqa: PLC0415 - after the metrics folder is in the environment
    from ingest.tls import served  # noqa: PLC0415 - the same
    from ingest.wire import Wire, limited  # noqa: PLC0415 - only receivers need it

    configure(settings.LOG_LEVEL, f"receive-{number}")
    stop_with_parent()
    app = create_app(settings, settings.spool_dir / str(number), settings.DATA_DIR / "run")
    config = uvicorn.Config(
        behind_proxies(app, settings.TRUSTED_PROXIES),
        http=limited(),
        loop="uvloop",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # done above
        timeout_keep_alive=75,
        backlog=BACKLOG,
        timeout_graceful_shutdown=8,
        ws="none",
        lifespan="on",
    )
    tls = served(settings)
    config.load()
    config.ssl = tls.context if tls else None
    listening = socket.socket(fileno=handle)
    server = FollowedServer(config)
    memory.settle()

    async def run() -> None:
        watching = asyncio.create_task(tls.watch()) if tls else None
        loop, state = asyncio.get_running_loop(), server.server_state

        def wire() -> Wire:
            made = Wire(config, state, server.lifespan.state, loop)
            made.is_by_hand = True
            return made

        overload = Overload(listening, settings.WORKERS, app.receiver.inbound, wire)
        if tls is None:
            overload.start()
        await server.serve(sockets=[listening])
        overload.stop()
        if watching:
            watching.cancel()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run())
    if not server.started:
        sys.exit(3)


def load(settings: Settings) -> None:
    """Run the loader in this process."""
    configure(settings.LOG_LEVEL, "load")
    stop_with_parent()
    stop = StopSignal(FOLLOWED)
    engine = engine_for(settings.DATABASE_URL or "", application="errhouse load", is_patient=True)

    def revive() -> None:
        if os.environ.get("ERRHOUSE_EMBEDDED"):
            try:
                embedded.revived(settings.DATA_DIR)
            except ModelsError as error:
                log.warning("the embedded database does not start", why=str(error))

    drain = Drain(engine, settings, now, revive)
    memory.settle()
    drain.run(stop)
    deadline = time.monotonic() + LOADER_STOP_SECONDS / 2
    while not stop.is_followed and time.monotonic() < deadline and drain.step():
        continue
    drain.close()
    engine.dispose()


def drain_now(settings: Settings, url: str) -> Drain:
    """Load the spools until they are empty, in this process. Raises DatabaseError when the database is away."""
    prepared(settings.DATA_DIR)
    engine = engine_for(url, application="errhouse drain")
    check_server(engine)
    drain = Drain(engine, settings, now)
    try:
        while drain.step() or not drain.is_empty():
            if drain.is_failing():
                raise DatabaseError(
                    f"The spool could not be loaded: {drain.total.database}; nothing was lost, try again."
                )
    finally:
        drain.close()
        engine.dispose()
    return drain
