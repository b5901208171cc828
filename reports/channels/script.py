"""
Runs an automation script of the operator's folder, with the message as JSON on its standard input.

It is run once at most: an exit code other than 0, a limit that was met and a refusal are permanent. All scripts that
may run being busy is not.
"""

from reports.automation import script_options
from reports.delivery.message import Message
from reports.delivery.outgoing import Outgoing, Sent
from reports.delivery.targets import Option, Target

NAME: str = "script"
SENTENCE: str = "Runs a script of the operator's folder, with the message as JSON on its standard input."
OPTIONS: tuple[Option, ...] = script_options.OPTIONS


def check(target: Target) -> None:
    """Refuse options that cannot be; whether the script is there is found when it is run."""
    script_options.asked(target)


def send(target: Target, message: Message, out: Outgoing) -> Sent:
    """Run it."""
    return out.scripts.run(target, message)
