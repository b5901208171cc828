"""Whether an address is our own: what errhouse sends never comes back to it."""

from urllib.parse import SplitResult, urlsplit

from models.settings import Settings

PORTS = {"http": 80, "https": 443}
LOOPBACK = {"localhost", "127.0.0.1", "::1", "0.0.0.0", "::"}  # noqa: S104 - compared, not bound


def is_ours(settings: Settings, address: str) -> bool:
    """Say whether a URL leads to this service: to PUBLIC_URL, or where the receiver listens."""
    asked = _split(address)
    if asked is None:
        return False
    public, listens = _split(settings.public_url), (_host(settings.HOST), settings.PORT)
    if public and _place(asked) == _place(public):
        path = public.path.rstrip("/")
        return not path or asked.path == path or asked.path.startswith(f"{path}/")
    return _place(asked) == listens


def _split(address: str) -> SplitResult | None:
    try:
        found = urlsplit(address.strip())
        return found if found.scheme.lower() in PORTS and found.hostname and found.port != 0 else None
    except ValueError:
        return None


def _place(found: SplitResult) -> tuple[str, int]:
    return _host(found.hostname or ""), found.port or PORTS[found.scheme.lower()]


def _host(host: str) -> str:
    bare = host.lower().rstrip(".")
    return "localhost" if bare in LOOPBACK else bare
