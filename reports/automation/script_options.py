"""What a target of channel `script` is told: which script, and within which limits it runs."""

import re
import shlex
from typing import NamedTuple

from reports.automation.script_folder import NAME
from reports.delivery.targets import Option, Target
from reports.errors import DeliveryError

SECONDS = 30
CPU_SECONDS = 10
LONGEST_SECONDS = 300
LONGEST_COOLDOWN = 7 * 86_400
MOST_ARGUMENTS = 32
MOST_ARGUMENT_CHARS = 4096

OPTIONS: tuple[Option, ...] = (
    Option("url", "Name of the script: a file in the folder of scripts.", is_required=True),
    Option(
        "sha256",
        "Hash of the file, as `errhouse script list --json` tells it; another file is not run. "
        "`errhouse target add` takes that of the file that is there.",
        is_required=True,
    ),
    Option("args", "Fixed arguments, written as in a shell."),
    Option("timeout", f"Seconds it may take, at most {LONGEST_SECONDS}; {SECONDS} if not told."),
    Option("cpu", f"Seconds of processor time that a process of it may use; {CPU_SECONDS} if not told."),
    Option("cooldown", "Seconds after a start within which it is not started again for this target; 0 if not told."),
    Option("dry_run", "true: only write down what would be run."),
    Option("again_after_crash", "true: run it once more when errhouse was cut off while it ran, so perhaps twice."),
    Option("no_network", "true: it reaches no network, not even this machine's; sockets that are files remain."),
)


class Asked(NamedTuple):
    """The options of a target, read."""

    name: str
    sha256: bytes
    arguments: tuple[str, ...] = ()
    seconds: int = SECONDS
    cpu_seconds: int = CPU_SECONDS
    cooldown_seconds: int = 0
    is_dry_run: bool = False
    is_run_again: bool = False
    has_network: bool = True


def asked(target: Target) -> Asked:
    """Read the options of a target. Raises DeliveryError, permanent."""
    name, pin = target.get("url"), target.get("sha256").lower()
    if not NAME.fullmatch(name):
        raise _wrong(f"{name!r} is no name of a script; give the name of a file of `errhouse script list`.")
    if not re.fullmatch(r"[0-9a-f]{64}", pin, re.ASCII):
        raise _wrong("sha256 must be the 64 hexadecimal digits that `errhouse script list --json` tells.")
    return Asked(
        name=name,
        sha256=bytes.fromhex(pin),
        arguments=arguments(target.get("args")),
        seconds=_number(target, "timeout", SECONDS, 1, LONGEST_SECONDS),
        cpu_seconds=_number(target, "cpu", CPU_SECONDS, 1, LONGEST_SECONDS),
        cooldown_seconds=_number(target, "cooldown", 0, 0, LONGEST_COOLDOWN),
        is_dry_run=_flag(target, "dry_run"),
        is_run_again=_flag(target, "again_after_crash"),
        has_network=not _flag(target, "no_network"),
    )


def arguments(written: str) -> tuple[str, ...]:
    """Split fixed arguments as a shell would, without running one. Raises DeliveryError, permanent."""
    try:
        found = tuple(shlex.split(written))
    except ValueError:
        raise _wrong("args cannot be read: a quotation mark is not closed.") from None
    if "\0" in written or len(found) > MOST_ARGUMENTS or len(written) > MOST_ARGUMENT_CHARS:
        raise _wrong(f"args are at most {MOST_ARGUMENTS} words and {MOST_ARGUMENT_CHARS} characters, without NUL.")
    return found


def _number(target: Target, name: str, usual: int, least: int, most: int) -> int:
    written = target.get(name, str(usual))
    if not re.fullmatch(r"[0-9]{1,9}", written, re.ASCII) or not least <= int(written) <= most:
        raise _wrong(f"{name} must be a whole number of seconds from {least} to {most}.")
    return int(written)


def _flag(target: Target, name: str) -> bool:
    written = target.get(name, "false").lower()
    if written not in {"true", "false"}:
        raise _wrong(f"{name} must be true or false.")
    return written == "true"


def _wrong(why: str) -> DeliveryError:
    return DeliveryError(why, permanent=True)
