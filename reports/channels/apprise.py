"""
Tells any service that Apprise knows, by an address such as discord://id/token (github.com/caronc/apprise, 2.3).

Apprise speaks to the service in a process of its own (reports/delivery/apprise_apart.py): 20 seconds, 512 MiB, no
secret in its arguments or environment, and no way to an address that the target may not have. Text goes as plain text,
in which no name, link or tag of a chat is left working; titles are cut at 250 characters, bodies at 4,000, and Apprise
cuts to what the service takes. Permanent are addresses it does not understand, and 4xx but 408, 409, 423, 425, 429.
"""

import os
import re
import signal
import subprocess
import sys
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

import msgspec

import reports
from reports.delivery.apprise_apart import SECONDS, Came, Told
from reports.delivery.message import Message
from reports.delivery.outgoing import Answer, Outgoing, Sent, accepted
from reports.delivery.plain import plain, plain_line
from reports.delivery.targets import Option, Target
from reports.errors import DeliveryError

NAME: str = "apprise"
SENTENCE: str = "Tells any other service, by an address as Apprise writes it."
OPTIONS: tuple[Option, ...] = (
    Option("url", "The service, as discord://id/token; see Apprise's list.", is_secret=True, is_required=True),
)
LONGEST_TITLE = 250
LONGEST_BODY = 4000
LONGEST_FACT = 300
KINDS = {"fatal": "failure", "error": "failure", "warning": "warning"}
PROGRAM = (
    sys.executable, "-I", "-c",
    "import sys; sys.path.insert(0, sys.argv[1]); from reports.delivery.apprise_apart import main; main()",
    str(Path(reports.__file__).parent.parent),
)  # fmt: skip

_ADDRESS = re.compile(r"[a-z][a-z0-9+-]{1,30}://[\x21-\x7e]{1,2000}", re.ASCII | re.IGNORECASE)


def check(target: Target) -> None:
    """Refuse what Apprise does not understand; it is asked in its own process, without the network."""
    _checked(target.get("url"), target.allow_private)


def send(target: Target, message: Message, _: Outgoing) -> Sent:
    """Send it as plain text."""
    title = plain_line(message.title, LONGEST_TITLE)
    told = Told(target.get("url"), target.allow_private, title, body(message), KINDS.get(message.level or "", "info"))
    return _ended(_apart(told))


def body(message: Message) -> str:
    """Give what a message says below its title."""
    lines = [plain(message.text, LONGEST_BODY // 2)] if message.text else []
    lines += [f"{plain_line(fact.name, 100)}: {plain_line(fact.value, LONGEST_FACT)}" for fact in message.facts]
    text = "\n".join(lines)[:LONGEST_BODY]
    return "\n".join(part for part in (text, message.link or "") if part) or plain_line(message.title, LONGEST_TITLE)


@lru_cache(maxsize=64)
def _checked(url: str, allow_private: bool) -> None:
    if not _ADDRESS.fullmatch(url):
        raise DeliveryError("The address is none of Apprise; write service://…, as its list shows.", permanent=True)
    _ended(_apart(Told(url, allow_private, is_check=True)))


def _ended(came: Came) -> Sent:
    if came.outcome == "sent":
        return Sent(came.status)
    if came.outcome == "answered" and (came.status or 0) >= 300:
        return accepted(Answer(came.status or 0, {"retry-after": came.retry_after}, b""), "The service")
    sentence = came.sentence or f"The service answered {came.status}, but did not take the message."
    raise DeliveryError(sentence, permanent=came.outcome == "permanent", status=came.status)


def _apart(told: Told) -> Came:
    """Have a process do it, and see to it that nothing of it is left."""
    with subprocess.Popen(
        PROGRAM,
        env={"PATH": os.defpath, "LANG": "C.UTF-8"},
        cwd="/",
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as process:
        try:
            said, _ = process.communicate(msgspec.json.encode(told), timeout=SECONDS)
            return msgspec.json.decode(said.splitlines()[-1], type=Came)
        except subprocess.TimeoutExpired:
            return Came("temporary", f"The service did not answer within {SECONDS} seconds.")
        except (IndexError, msgspec.MsgspecError):
            return Came("temporary", "Apprise ended without a word, as a process does that needs too much memory.")
        finally:
            with suppress(OSError):
                os.killpg(process.pid, signal.SIGKILL)
