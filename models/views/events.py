"""
analytics.events: one row per event, with the names behind its keys.

The planner puts the first eight tables of a query in the best order and keeps the rest as written
(join_collapse_limit): so those whose names people filter by are joined first.
"""

from models.views.view import INSTANT, LEVEL, PROJECT, PROJECT_ID, USER_SKETCH, Column, View, level_word

SOURCES = ("webhook_platform", "webhook_legacy", "service_hook", "sdk", "rest", "file")
TIME_QUALITIES = ("exact", "missing", "too_old", "future", "drifted")


def _word(source: str) -> str:
    """Give the SQL for the word of a form's number."""
    words = " ".join(f"when {number} then '{word}'" for number, word in enumerate(SOURCES, 1))
    return f"case {source} {words} end"


EVENTS = View(
    "events",
    "One row per error event, whatever form brought it. All instants are UTC.",
    f"""
    select
        e.event_id,
        e.project_id,
        p.label as project,
        e.occurred_at,
        e.received_at,
        e.loaded_at,
        {level_word("e.level")} as level,
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
        g.public_issue_id as issue_id,
        g.fingerprint,
        coalesce(e.tags, '{{}}'::jsonb) as tags,
        f.top_frame,
        {_word("e.source")} as source,
        case e.time_quality when 0 then 'exact' when 1 then 'missing' when 2 then 'too_old' when 3 then 'future'
            when 4 then 'drifted' end as time_quality,
        e.stack_key as stack_id,
        e.group_key as group_id,
        e.sample_weight::float8 as sample_weight,
        case when e.user_key is not null then array[e.user_key] end as user_sketch,
        array[{_word("e.source")}] || array(
            select {_word("s.source")} from warehouse.event_source s
            where s.project_id = e.project_id and s.event_id = e.event_id order by s.received_at, s.source
        ) as sources
    from warehouse.fact_event e
    left join warehouse.dim_project p on p.project_id = e.project_id
    left join warehouse.dim_group g on g.project_id = e.project_id and g.group_key = e.group_key
    left join warehouse.dim_culprit c on c.project_id = e.project_id and c.culprit_key = e.culprit_key
    left join warehouse.dim_release r on r.project_id = e.project_id and r.release_key = e.release_key
    left join warehouse.dim_environment n on n.project_id = e.project_id and n.environment_key = e.environment_key
    left join warehouse.dim_exception x on x.project_id = e.project_id and x.exception_key = e.exception_key
    left join warehouse.dim_transaction t on t.project_id = e.project_id and t.transaction_key = e.transaction_key
    left join warehouse.dim_logger l on l.project_id = e.project_id and l.logger_key = e.logger_key
    left join warehouse.dim_client k on k.project_id = e.project_id and k.client_key = e.client_key
    left join warehouse.dim_user u on u.project_id = e.project_id and u.user_key = e.user_key
    left join warehouse.dim_server s on s.project_id = e.project_id and s.server_key = e.server_key
    left join warehouse.dim_stack f on f.project_id = e.project_id and f.stack_key = e.stack_key
    """,  # noqa: S608 - parts are ours
    (
        Column(
            "event_id",
            "uuid",
            "The sender's id of the event; with project_id it names one row, for ever.",
            is_told=True,
        ),
        PROJECT_ID,
        PROJECT,
        Column("occurred_at", INSTANT, "When the sender says it happened; see time_quality.", is_told=True),
        Column("received_at", INSTANT, "When errhouse accepted it.", is_told=True),
        Column("loaded_at", INSTANT, "When its row was loaded.", is_told=True),
        LEVEL,
        Column(
            "culprit",
            "text",
            "Sentry's string for where it happened: the transaction, else the code; '' if none.",
            is_told=True,
        ),
        Column("title", "text", "Sentry's title: `type: value` of an exception, else the message.", is_told=True),
        Column("exception_type", "text", "Type of the thrown exception."),
        Column("exception_value", "text", "Its message."),
        Column("message", "text", "The log message, formatted."),
        Column("logger", "text", "The logger, where one was named."),
        Column("platform", "text", "Sentry's platform word, such as python; `other` when unknown.", is_told=True),
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
        Column("tags", "jsonb", "Tags as an object of strings.", is_told=True),
        Column("top_frame", "text", "The innermost frame of the program's own code."),
        Column(
            "source",
            "text",
            "Form that brought the row first: webhook_platform, webhook_legacy, service_hook, sdk, rest or file.",
            is_told=True,
            words=SOURCES,
        ),
        Column(
            "time_quality",
            "text",
            "exact; missing, too_old or future (received_at stands in for occurred_at); drifted (a clock far off).",
            is_told=True,
            words=TIME_QUALITIES,
        ),
        Column("stack_id", "bigint", "Stack trace, as in analytics.stack_frames; null without one."),
        Column(
            "group_id",
            "bigint",
            "Group of events, as in group_ids of analytics.issues: with project_id the quickest way to an issue's last "
            "events.",
            is_told=True,
        ),
        Column(
            "sample_weight",
            "double precision",
            "How many events this one stands for: 1 / sample rate, 1 if none was sent.",
            is_told=True,
        ),
        USER_SKETCH,
        Column(
            "sources",
            "text[]",
            "All forms that brought it, `source` first, then as they came. Asking costs a look-up for each event.",
            is_told=True,
        ),
    ),
    key=("project_id", "event_id"),
    loaded_at="received_at",
)
