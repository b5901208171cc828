"""
The views analysts are promised: schema `analytics`, nothing but views.

Each is declared once here; the database's comments, `analytics.data_dictionary` and the docs are made from it.
Columns are only ever appended; anything else is a new `…_v2` view.
"""

from hashlib import sha256
from typing import NamedTuple

from sqlalchemy import Connection, text

from models.base import ANALYTICS


class Column(NamedTuple):
    """One promised column: its name, its type as PostgreSQL prints it, and a sentence."""

    name: str
    type: str
    comment: str


class View(NamedTuple):
    """One promised view: `sql` gives exactly `columns`, in their order."""

    name: str
    comment: str
    sql: str
    columns: tuple[Column, ...]


EVENTS = View(
    "events",
    "One row per error event, whatever form brought it. All instants are UTC.",
    """
    select
        e.event_id,
        e.project_id,
        coalesce(p.slug, p.name, e.project_id::text) as project,
        e.occurred_at,
        e.received_at,
        e.loaded_at,
        case e.level when 50 then 'fatal' when 40 then 'error' when 30 then 'warning' when 20 then 'info'
            when 10 then 'debug' end as level,
        coalesce(c.culprit, '') as culprit,
        coalesce(
            e.title,
            case when x.exception_type is not null and e.exception_value <> ''
                then x.exception_type || ': ' || e.exception_value end,
            x.exception_type,
            e.message,
            '<unlabeled event>'
        ) as title,
        x.exception_type,
        e.exception_value,
        e.message,
        l.logger,
        k.platform,
        r.release,
        r.dist,
        n.environment,
        t.transaction,
        e.handled,
        u.user_id,
        u.email as user_email,
        u.username as user_username,
        u.ip as user_ip,
        s.server_name,
        k.sdk_name,
        k.sdk_version,
        k.os_name,
        k.os_version,
        k.browser_name,
        k.browser_version,
        k.runtime_name,
        k.runtime_version,
        k.device_family,
        e.url,
        t.method,
        e.http_status::int as http_status,
        e.trace_id,
        coalesce(g.issue_id, e.group_key & 9223372036854775807) as issue_id,
        g.fingerprint,
        coalesce(e.tags, '{}'::jsonb) as tags,
        f.top_frame,
        case e.source when 1 then 'webhook_platform' when 2 then 'webhook_legacy' when 3 then 'service_hook'
            when 4 then 'sdk' when 5 then 'rest' when 6 then 'file' end as source,
        case e.time_quality when 0 then 'exact' when 1 then 'missing' when 2 then 'too_old' when 3 then 'future'
            when 4 then 'drifted' end as time_quality
    from warehouse.fact_event e
    left join warehouse.dim_project p on p.project_id = e.project_id
    left join warehouse.dim_culprit c on c.project_id = e.project_id and c.culprit_key = e.culprit_key
    left join warehouse.dim_exception x on x.project_id = e.project_id and x.exception_key = e.exception_key
    left join warehouse.dim_logger l on l.project_id = e.project_id and l.logger_key = e.logger_key
    left join warehouse.dim_client k on k.project_id = e.project_id and k.client_key = e.client_key
    left join warehouse.dim_release r on r.project_id = e.project_id and r.release_key = e.release_key
    left join warehouse.dim_environment n on n.project_id = e.project_id and n.environment_key = e.environment_key
    left join warehouse.dim_transaction t on t.project_id = e.project_id and t.transaction_key = e.transaction_key
    left join warehouse.dim_user u on u.project_id = e.project_id and u.user_key = e.user_key
    left join warehouse.dim_server s on s.project_id = e.project_id and s.server_key = e.server_key
    left join warehouse.dim_stack f on f.project_id = e.project_id and f.stack_key = e.stack_key
    left join warehouse.dim_group g on g.project_id = e.project_id and g.group_key = e.group_key
    """,
    (
        Column("event_id", "uuid", "The sender's id of the event; with project_id it names one row, for ever."),
        Column("project_id", "bigint", "Sentry's numeric id of the project."),
        Column("project", "text", "Slug or name of the project where known, else its id."),
        Column("occurred_at", "timestamp with time zone", "When the sender says it happened; see time_quality."),
        Column("received_at", "timestamp with time zone", "When errhouse accepted it."),
        Column("loaded_at", "timestamp with time zone", "When its row was loaded."),
        Column("level", "text", "fatal, error, warning, info or debug."),
        Column("culprit", "text", "Sentry's string for where it happened: the transaction, else the code; '' if none."),
        Column("title", "text", "Sentry's title: `type: value` of an exception, else the message."),
        Column("exception_type", "text", "Type of the thrown exception."),
        Column("exception_value", "text", "Its message."),
        Column("message", "text", "The log message, formatted."),
        Column("logger", "text", "The logger, where one was named."),
        Column("platform", "text", "Sentry's platform word, such as python; `other` when unknown."),
        Column("release", "text", "Release of the program."),
        Column("dist", "text", "Distribution: one build of the release."),
        Column("environment", "text", "Environment, such as production."),
        Column("transaction", "text", "Name of the transaction, such as a route."),
        Column("handled", "boolean", "Whether the program caught it; null when not told."),
        Column("user_id", "text", "The sender's id of the user."),
        Column("user_email", "text", "E-mail address of the user, as told."),
        Column("user_username", "text", "User name, as told."),
        Column("user_ip", "text", "IP address of the user, as told or of the peer where the SDK asks for it."),
        Column("server_name", "text", "Host the event came from."),
        Column("sdk_name", "text", "Name of the SDK."),
        Column("sdk_version", "text", "Version of the SDK."),
        Column("os_name", "text", "Operating system."),
        Column("os_version", "text", "Its version."),
        Column("browser_name", "text", "Browser."),
        Column("browser_version", "text", "Its version."),
        Column("runtime_name", "text", "Language runtime."),
        Column("runtime_version", "text", "Its version."),
        Column("device_family", "text", "Device family."),
        Column("url", "text", "URL of the request, without query."),
        Column("method", "text", "HTTP method of the request."),
        Column("http_status", "integer", "HTTP status of the response, where told."),
        Column("trace_id", "uuid", "The trace the event belongs to."),
        Column("issue_id", "bigint", "Sentry's id of the issue where it was told, else errhouse's own for the group."),
        Column("fingerprint", "text[]", "Fingerprint, where the sender set one."),
        Column("tags", "jsonb", "Tags as an object of strings."),
        Column("top_frame", "text", "The innermost frame of the program's own code."),
        Column(
            "source",
            "text",
            "Form that brought the row first: webhook_platform, webhook_legacy, service_hook, sdk, rest or file.",
        ),
        Column(
            "time_quality",
            "text",
            "exact; missing, too_old or future (received_at stands in for occurred_at); drifted (a clock far off).",
        ),
    ),
)

VIEWS: tuple[View, ...] = (EVENTS,)

VIEWS_LOCK = 0x6572727669657773  # "errviews": one maker of views at a time
IN_PLACE = text(
    """
    select obj_description(to_regnamespace(:schema), 'pg_namespace') as said,
        (select count(*) from pg_class c where c.relnamespace = to_regnamespace(:schema) and c.relkind = 'v') as views
    """
)


def _quoted(sentence: str) -> str:
    return "'" + sentence.replace("'", "''") + "'"


def apply(connection: Connection) -> None:
    """
    Make or replace every view, with its comments; does nothing where they are as they should be.

    Replacing a view waits for every query that reads it, so a command must not do it without need; which definition is
    in place stands in the schema's comment. COMMENT and CREATE VIEW take no parameters: what stands here is our own
    constant text, quoted.
    """
    run = connection.exec_driver_sql
    connection.execute(text("select pg_advisory_xact_lock(:key)"), {"key": VIEWS_LOCK})
    definition = sha256(repr(VIEWS).encode()).hexdigest()[:16]
    said = f"What analysts are promised: views only, documented, stable. Definition {definition}."
    if connection.execute(IN_PLACE, {"schema": ANALYTICS}).one() == (said, len(VIEWS)):
        return
    run(f"create schema if not exists {ANALYTICS}")
    for view in VIEWS:
        name = f"{ANALYTICS}.{view.name}"
        run(f"create or replace view {name} as {view.sql}")
        run(f"comment on view {name} is {_quoted(view.comment)}")
        for column in view.columns:
            run(f"comment on column {name}.{column.name} is {_quoted(column.comment)}")
    run(f"comment on schema {ANALYTICS} is {_quoted(said)}")


def columns_of(connection: Connection, view: str) -> list[tuple[str, str]]:
    """Read a view's columns back from the database: name and type, in order."""
    rows = connection.execute(
        text(
            "select attname, format_type(atttypid, atttypmod) from pg_attribute "
            "where attrelid = cast(:view as regclass) and attnum > 0 and not attisdropped order by attnum"
        ),
        {"view": f"{ANALYTICS}.{view}"},
    )
    return [(row[0], row[1]) for row in rows]
