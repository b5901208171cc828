"""Who may send: what the receivers know of it, and the DSNs that SDKs are given."""

import re
import stat
from urllib.parse import urlsplit

import msgspec

from ingest.doctor.finding import Context, Finding, Skip, named, ok, wrong
from models import access, projects
from models.worded import counted

KEY = re.compile(r"[0-9a-f]{32}")


def known_senders(context: Context) -> Finding:
    """See that the receivers know the same keys and hooks as the database."""
    path = context.settings.DATA_DIR / access.FILE_NAME
    try:
        told = msgspec.json.decode(path.read_bytes(), type=access.Access)
        is_open = bool(stat.S_IMODE(path.stat().st_mode) & 0o077)
    except FileNotFoundError:
        raise Skip(f"There is no {path} yet; `errhouse serve` makes it when it starts.") from None
    except (ValueError, msgspec.MsgspecError):
        return wrong(f"{path} is damaged: receivers know no sender.", "Remove it; `errhouse serve` makes it again.")
    with context.database.connect() as connection:
        kept = access.read(connection)
    strange = [*(key[:6] + "…" for key in told.projects.keys() - kept.projects), *_names(told, kept)]
    missing = [*(f"project {kept.projects[key]}" for key in kept.projects.keys() - told.projects), *_names(kept, told)]
    moved = [key[:6] + "…" for key in told.projects.keys() & kept.projects if told.projects[key] != kept.projects[key]]
    cure = (
        f"A running `errhouse serve` puts {path} right within seconds: start it, or see that its user may write there. "
        "`errhouse project list` shows who should be known."
    )
    if strange:
        return wrong(f"Receivers accept senders that the database does not know: {named(strange)}.", cure)
    if missing or moved:
        return wrong(f"Receivers refuse senders that the database knows: {named([*missing, *moved])}.", cure)
    if is_open:
        return wrong(f"Others can read {path}.", f"chmod 600 {path}")
    return ok(
        f"Receivers know {counted(len(kept.projects), 'key')} and {counted(len(kept.hooks), 'hook')}, all there are."
    )


def dsn(context: Context) -> Finding:
    """See that the DSN of each project can be read by SDKs."""
    with context.database.connect() as connection:
        found = [each for each in projects.listed(connection) if each.public_key]
    if not found:
        raise Skip("No project has a DSN; `errhouse project add NAME` makes one.")
    bad = []
    for each in found:
        made = projects.dsn(context.settings.public_url, each.public_key, each.project_id) or ""
        if not _is_dsn(made, each.project_id):
            bad.append(each.name)
    if bad:
        return wrong(
            f"SDKs cannot read the DSN of {named(bad)}.",
            "Give ERRHOUSE_PUBLIC_URL no user, ? or #; keys are 32 hex digits, see `errhouse project list`.",
        )
    return ok(f"SDKs can read {counted(len(found), 'DSN')}.")


def _is_dsn(told: str, project_id: int) -> bool:
    try:
        parts = urlsplit(told)
        return bool(
            parts.scheme in {"http", "https"}
            and KEY.fullmatch(parts.username or "")
            and parts.password is None
            and parts.hostname
            and "@" not in (parts.hostname or "")
            and parts.port != 0
            and not parts.query
            and not parts.fragment
            and parts.path.rpartition("/")[2] == str(project_id)
        )
    except ValueError:
        return False


def _names(one: access.Access, other: access.Access) -> list[str]:
    return [f"hook {one.hooks[key]}" for key in one.hooks.keys() - other.hooks.keys()]
