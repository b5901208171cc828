"""
The process in which Apprise speaks to a service: it is told one message on its standard input, and answers in a line.

Apprise reaches for the network itself, so this process watches itself: an audit hook refuses every address that a
target may not have, every other program, and every local socket. What Apprise or the service say goes nowhere, since
they may repeat secrets; the line holds words of this file and the status of the last answer.
"""

import os
import resource
import signal
import sys
from typing import Any, NamedTuple

import msgspec

from reports.delivery.guard import check_address, check_host
from reports.errors import DeliveryError

SECONDS = 20
MEMORY_BYTES = 512 * 1024 * 1024
FILE_BYTES = 1024 * 1024
TOLD_BYTES = 1024 * 1024
READ_BYTES = 64 * 1024


class Told(msgspec.Struct):
    """What the process is told; with `is_check` nothing is sent."""

    url: str
    allow_private: bool
    title: str = ""
    body: str = ""
    kind: str = "info"
    is_check: bool = False


class Came(msgspec.Struct):
    """What came of it: sent, temporary or permanent."""

    outcome: str
    sentence: str = ""
    status: int | None = None
    retry_after: str = ""


class Refused(OSError):
    """Something this process may not do."""


class _Last(NamedTuple):
    """The last answer of a service."""

    status: int
    retry_after: str
    is_long: bool


def main() -> None:
    """Read what to do, do it, and print what came of it."""
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 1)
    os.dup2(nothing, 2)
    told = msgspec.json.decode(sys.stdin.buffer.read(TOLD_BYTES), type=Told)
    _limit()
    try:
        came = _tell(told)
    except MemoryError:
        came = Came("temporary", "It needed more memory than it may; look at what the service answers.")
    except Exception as fault:  # noqa: BLE001 - whatever a plug-in of Apprise does; its words may hold secrets
        came = Came("temporary", f"Apprise failed ({type(fault).__name__}).")
    out.write(msgspec.json.encode(came).decode() + "\n")
    out.flush()
    os._exit(0)  # threads that a plug-in has left are not waited for


def _limit() -> None:
    for what, most in (
        (resource.RLIMIT_DATA, MEMORY_BYTES),
        (resource.RLIMIT_CPU, SECONDS),
        (resource.RLIMIT_FSIZE, FILE_BYTES),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(what, (most, most))
    signal.alarm(SECONDS + 5)  # should its parent be gone


def _tell(told: Told) -> Came:
    import apprise  # noqa: PLC0415 - within the limits
    import requests  # noqa: PLC0415

    why: list[str] = []
    last: list[_Last] = []
    send = requests.Session.send

    def seen(*args: Any, **kwargs: Any) -> Any:
        answer = send(*args, **{**kwargs, "stream": True, "allow_redirects": False})
        body = answer.raw.read(READ_BYTES + 1, decode_content=True)
        answer._content = body[:READ_BYTES]  # noqa: SLF001 - or all of it would be read
        answer._content_consumed = True  # noqa: SLF001 - the same
        last.append(_Last(answer.status_code, answer.headers.get("retry-after", ""), len(body) > READ_BYTES))
        return answer

    requests.Session.send = seen  # type: ignore[method-assign]
    sys.addaudithook(_hook(told.allow_private, why))
    asset = apprise.AppriseAsset(async_mode=False, app_id="errhouse", app_desc="errhouse", app_url="")
    service = apprise.Apprise.instantiate(told.url, asset=asset, suppress_exceptions=True)
    if service is None:
        return Came(
            "permanent", "Apprise does not understand the address; see its list of services for how to write it."
        )
    if not service.verify_certificate:
        return Came("permanent", "The address turns off that certificates are verified; take verify=no out.")
    if told.is_check:
        return Came("sent")
    try:
        is_sent = service.notify(
            body=told.body, title=told.title, notify_type=told.kind, body_format=apprise.NotifyFormat.TEXT
        )
    except Refused:
        is_sent = False
    if why and not is_sent:
        return Came("permanent", why[0])
    if not last:
        return Came("sent") if is_sent else Came("temporary", "The service was not reached, or did not answer in time.")
    if is_sent and last[-1].is_long:
        return Came("temporary", "The service answered with more than 64 KiB.", last[-1].status)
    return Came("sent" if is_sent else "answered", status=last[-1].status, retry_after=last[-1].retry_after)


def _hook(allow_private: bool, why: list[str]) -> Any:
    """Give what refuses: every event of the interpreter that reaches out comes by here."""

    def hook(event: str, args: tuple[Any, ...]) -> None:
        if event in {"socket.getaddrinfo", "socket.gethostbyname"}:
            if args[0]:
                vet(args[0], is_name=True)
        elif event in {"socket.connect", "socket.sendto", "socket.sendmsg"}:
            address = args[1]
            if address is not None or event == "socket.connect":
                vet(address[0] if isinstance(address, tuple) else None, is_name=False)
        elif event in {
            "os.system",
            "os.exec",
            "os.posix_spawn",
            "os.fork",
            "os.forkpty",
            "subprocess.Popen",
            "pty.spawn",
        }:
            refuse("The service is another program of this machine, and none is started; use a script target.")
        elif event.startswith(("syslog.", "ctypes.dlopen")):
            refuse("The service is one of this machine, and none is spoken to.")

    def vet(host: Any, *, is_name: bool) -> None:
        if isinstance(host, bytes):
            host = host.decode("ascii", "replace")
        if not isinstance(host, str):
            refuse("The service is a local socket, and none is spoken to.")
        try:
            (check_host if is_name else check_address)(host, allow_private)
        except DeliveryError as error:
            refuse(str(error))

    def refuse(sentence: str) -> None:
        why.append(sentence)
        raise Refused(sentence)

    return hook
