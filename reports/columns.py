"""Columns that several aggregations give; each has one name, one title and one meaning everywhere."""

from reports.report import Column

PROJECT = Column("project", "Project", "text", "Slug or name of the project where known, else its id.")
LEVEL = Column("level", "Level", "text", "fatal, error, warning, info or debug.")
CULPRIT = Column("culprit", "Culprit", "text", "Sentry's string for where it happened; empty for none.")
ENVIRONMENT = Column("environment", "Environment", "text", "Environment, such as production; empty for none.")
RELEASE = Column("release", "Release", "text", "Release of the program; empty for none.")
ISSUE = Column("issue", "Issue", "id", "Sentry's id of the issue where it was told, else errhouse's own.")
ISSUE_ID = Column("issue_id", "Issue", "id", "Sentry's id of the issue where it was told, else errhouse's own.")
TITLE = Column("title", "Title", "text", "Title of the issue.")
PREDECESSOR = Column("predecessor", "Predecessor", "text", "The release before it; empty when there is none.")

GROUPED = (PROJECT, LEVEL, CULPRIT, ENVIRONMENT, RELEASE, ISSUE)
"""A column for each word of reports.filters.GROUPINGS, in its order."""

EVENTS = Column("events", "Events", "count", "Events of the period.")
WEIGHTED_EVENTS = Column(
    "weighted_events", "Weighted events", "number", "Events, each counted as the number it stands for: 1 / sample rate."
)
UNHANDLED_EVENTS = Column("unhandled_events", "Unhandled", "count", "Events whose exception the program did not catch.")
USERS = Column(
    "users", "Users", "count", "Distinct users; missing where rows were put together whose users may be the same."
)
EVENTS_PER_HOUR = Column(
    "events_per_hour", "Per hour", "number", "Events divided by the real hours of the period.", "1/h"
)
SHARE = Column("share", "Share", "share", "Part of all events of the period.")
CUMULATIVE_SHARE = Column("cumulative_share", "Cumulative share", "share", "Share of this row and of all above it.")
PREVIOUS_EVENTS = Column("previous_events", "Before", "count", "Events of the period before.")
DIFFERENCE = Column("difference", "Difference", "count", "Events more than in the period before; fewer are negative.")
CHANGE = Column(
    "change", "Change", "change", "Difference as a part of the events before; missing where those are fewer than 20."
)
RATIO = Column("ratio", "Ratio", "number", "(events + 0.5) / (events before + 0.5), so that it is never infinite.")
Z = Column("z", "z", "number", "How many standard deviations lie between the two numbers of events.")
IS_SIGNIFICANT = Column("is_significant", "Significant", "flag", "The change is more than chance: |z| > 3.")
IS_NEW = Column("is_new", "New", "flag", "There were none in the period before.")
FIRST_SEEN_AT = Column("first_seen_at", "First seen", "instant", "When the first of its events occurred.")
LAST_SEEN_AT = Column("last_seen_at", "Last seen", "instant", "When the last of its events occurred.")
GROUPS = Column("groups", "Groups", "count", "Groups of events that the row stands for; more than 1 in the last row.")
IS_OTHER = Column("is_other", "Other", "flag", "The row stands for all groups that are not shown.")
STARTS_AT = Column("starts_at", "Starts", "instant", "First instant of the bucket.")
IS_PARTIAL = Column("is_partial", "Partial", "flag", "The bucket is cut by the period, or is not over.")

COMPARED = (PREVIOUS_EVENTS, DIFFERENCE, CHANGE, RATIO, Z, IS_SIGNIFICANT, IS_NEW)
"""What reports.counting.compared adds."""

COUNTED = (
    EVENTS,
    WEIGHTED_EVENTS,
    UNHANDLED_EVENTS,
    USERS,
    EVENTS_PER_HOUR,
    SHARE,
    *COMPARED,
    FIRST_SEEN_AT,
    LAST_SEEN_AT,
    GROUPS,
    IS_OTHER,
)
"""What reports.counting.counted gives beside the names of its groups."""
