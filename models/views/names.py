"""analytics.names: what ids stand for, so that a question groups by ids and names only what it keeps."""

from models.views.view import PROJECT_ID, Column, View

KINDS = ("project", "culprit", "environment", "release")

NAMES = View(
    "names",
    "What ids of projects, culprits, environments and releases stand for: group by ids, and name what is kept.",
    """
    select project_id, 'project'::text as kind, project_id as id, label as name from warehouse.dim_project
    union all
    select project_id, 'culprit'::text, culprit_key, culprit from warehouse.dim_culprit
    union all
    select project_id, 'environment'::text, environment_key, environment from warehouse.dim_environment
    union all
    select project_id, 'release'::text, release_key, coalesce(release, '') from warehouse.dim_release
    """,
    (
        PROJECT_ID,
        Column("kind", "text", "What it is the name of.", is_told=True, words=KINDS),
        Column("id", "bigint", "project_id, culprit_id, environment_id or release_id.", is_told=True),
        Column("name", "text", "Its name; of a release without dist, which has an id of its own.", is_told=True),
    ),
    key=("project_id", "kind", "id"),
)
