"""Keeps secrets of a target out of what is written down: whatever a server repeats of them, or an error holds."""

import re
from urllib.parse import quote, urlsplit

from reports.channels import channel_of
from reports.delivery.outgoing import Sent
from reports.delivery.targets import Target
from reports.errors import DeliveryError

LEAST_CHARS = 4  # shorter ones would take words apart
MASK = "[secret]"


def masked(words: str | None, target: Target | None) -> str | None:
    """Give words without the target's secrets."""
    if not words or target is None:
        return words
    parts = sorted(_parts(target), key=len, reverse=True)
    return re.sub("|".join(map(re.escape, parts)), MASK, words) if parts else words


def masked_sent(sent: Sent, target: Target) -> Sent:
    """Give what was answered without the target's secrets."""
    return Sent(sent.status, masked(sent.detail, target))


def masked_error(wrong: DeliveryError, target: Target | None) -> DeliveryError:
    """Give an error without the target's secrets."""
    return DeliveryError(
        masked(str(wrong), target) or "",
        permanent=wrong.permanent,
        status=wrong.status,
        retry_after=wrong.retry_after,
        detail=masked(wrong.detail, target),
    )


def _parts(target: Target) -> set[str]:
    secret = {option.name for option in channel_of(target.channel).OPTIONS if option.is_secret}
    found = set()
    for name in secret:
        value = target.get(name)
        found |= {value, *value.split()}
        if "://" in value:
            address = urlsplit(value)
            found |= {part for part in (address.path, address.query, address.password) if part}
            found |= {part for part in address.path.split("/") if len(part) > 2 * LEAST_CHARS}
    found |= {quote(each, safe="") for each in found}
    return {each for each in found if len(each) >= LEAST_CHARS}
