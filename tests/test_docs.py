import importlib.util
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import psycopg
import pytest
import typer
from packaging.requirements import Requirement
from prometheus_client.metrics import MetricWrapperBase

from ingest import metrics
from ingest.cli import app
from ingest.errors import Reason
from ingest.forms import FORMS
from models import Base
from models.settings import PREFIX, Settings
from models.views import VIEWS
from reports.aggregation import DTYPES
from reports.aggregations import AGGREGATIONS
from reports.built_in import REPORTS
from reports.built_in.asked import KNOWN, PARAMETERS
from reports.render import FORMATS

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
PAGES = sorted([ROOT / "README.md", ROOT / "CHANGELOG.md", *DOCS.rglob("*.md")])
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
FENCED = re.compile(r"^```\w*\n(.*?)^```", re.MULTILINE | re.DOTALL)
SPAN = re.compile(r"`([^`\n]+)`")
CALL = re.compile(r"""(?:^\s*|&& |\$\(|ExecStart=)(?:[\w.-]*/)*errhouse((?: +(?:"[^"]*"|[^\s"()&|>#]+))*)""")


def name(path):
    return str(path.relative_to(ROOT))


def page(wanted):
    return (DOCS / wanted).read_text()


def commands(command=None, path=("errhouse",)):
    """Every command that is shown, by its words."""
    command = command or typer.main.get_command(app)
    found = {path: command}
    for word, child in getattr(command, "commands", {}).items():
        found |= commands(child, (*path, word))
    return found


COMMANDS = commands()
SHOWN = [path for path, command in COMMANDS.items() if not hasattr(command, "commands") and not command.hidden]


def test_what_is_made_from_the_code_is_not_stale():
    done = subprocess.run(
        [sys.executable, DOCS / "generate.py", "--check"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_stale_pages_are_named_and_written_again(tmp_path, capsys):
    spec = importlib.util.spec_from_file_location("docs_generate", DOCS / "generate.py")
    generate = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generate)
    generate.HERE = tmp_path
    assert generate.main(["--check"]) == 1
    assert "docs/settings.md is stale: run `make docs`." in capsys.readouterr().err
    assert generate.main([]) == 0
    assert generate.main(["--check"]) == 0
    assert generate.main(["--what"]) == 2


@pytest.mark.parametrize("setting", Settings.model_fields)
def test_every_setting_is_documented(setting):
    assert f"| `{PREFIX}{setting}` | " in page("settings.md")
    assert Settings.model_fields[setting].description


@pytest.mark.parametrize("path", SHOWN, ids=" ".join)
def test_every_command_is_documented_with_its_options(path):
    section = page("commands.md").split(f"\n## `{' '.join(path)}`\n")[1].split("\n## ")[0]
    assert COMMANDS[path].help in section
    for parameter in COMMANDS[path].params:
        if parameter.name != "help":
            assert parameter.help, parameter.name
            assert parameter.help in section
            assert all(flag in section for flag in parameter.opts if flag.startswith("-"))


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.NAME)
def test_every_form_is_documented_by_who_sends_it_how_it_is_told_and_where(form):
    section = page("forms.md").split(f"\n## {form.NAME}\n")[1].split("\n## ")[0]
    for label in ("Sent by", "Recognised by", "Documented at"):
        assert f"\n- {label}: " in section, label


@pytest.mark.parametrize("view", VIEWS, ids=lambda view: view.name)
def test_every_column_of_a_view_is_documented(view):
    section = page("schema.md").split(f"\n## analytics.{view.name}\n")[1].split("\n## ")[0]
    assert [line.split("`")[1] for line in section.splitlines() if line.startswith("| `")] == [
        column.name for column in view.columns
    ]


def test_every_report_parameter_and_format_is_documented():
    told = page("reports.md")
    for word in (*(each.name for each in REPORTS), *KNOWN, *(each.NAME for each in FORMATS)):
        assert f"\n| `{word}` | " in told, word
    assert set(PARAMETERS) == set(KNOWN)


@pytest.mark.parametrize("aggregation", AGGREGATIONS, ids=lambda aggregation: aggregation.name)
def test_every_column_of_an_aggregation_is_documented(aggregation):
    section = page("reports.md").split(f"\n### {aggregation.name}\n")[1].split("\n### ")[0]
    assert f"\n{aggregation.sentence}\n" in section
    rows = [line.split(" | ") for line in section.splitlines() if line.startswith("| `")]
    assert [row[0].strip("| `") for row in rows] == [column.name for column in aggregation.gives]
    assert all(row[1] in DTYPES[row[2]] for row in rows)
    assert all(f"`{name}`" in section for name in aggregation.takes)


def test_one_page_is_written_alone(tmp_path, monkeypatch, capsys):
    spec = importlib.util.spec_from_file_location("docs_generate", DOCS / "generate.py")
    generate = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generate)
    monkeypatch.setattr(generate, "HERE", tmp_path)
    assert generate.main(["reports.md"]) == 0
    assert [path.name for path in tmp_path.iterdir()] == ["reports.md"]
    assert generate.main(["--check", "reports.md"]) == 0
    assert generate.main(["nothing.md"]) == 2
    assert "no page nothing.md; there are settings.md," in capsys.readouterr().err


def test_every_table_is_documented():
    for table in Base.metadata.tables.values():
        assert f"\n## {table.schema}.{table.name}\n" in page("schema.md")


def test_every_metric_is_documented():
    told = page("metrics.md")
    for metric in vars(metrics).values():
        if isinstance(metric, MetricWrapperBase):
            assert f"`{metric._name}`" in told or f"`{metric._name}_total`" in told


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_is_documented(reason):
    assert f"| `{reason.value}` | " in page("glossary.md")


@pytest.mark.parametrize("path", PAGES, ids=name)
def test_every_link_within_the_repository_resolves(path):
    for target in LINK.findall(path.read_text()):
        if "://" in target:
            continue
        file, _, anchor = target.partition("#")
        found = (path.parent / file).resolve() if file else path
        assert found.exists(), target
        if anchor:
            headings = [line.lstrip("# ") for line in found.read_text().splitlines() if line.startswith("#")]
            assert anchor in [re.sub(r"[^\w\- ]", "", text).lower().replace(" ", "-") for text in headings], target


def calls(text):
    """The words of every call of `errhouse` in code blocks and code spans."""
    lines = [line for block in FENCED.findall(text) for line in block.replace("\\\n", " ").splitlines()]
    for line in [*lines, *SPAN.findall(FENCED.sub("", text))]:
        for found in CALL.finditer(line):
            words = shlex.split("errhouse" + found[1])
            if len(words) > 1:
                yield line, words


def unknown(text):
    """Lines with a call of a command, or with an option, that does not exist."""
    found = []
    for line, words in calls(text):
        at = max((path for path in COMMANDS if tuple(words[: len(path)]) == path), key=len)
        command = COMMANDS[at]
        known = {flag for parameter in command.params for flag in (*parameter.opts, *parameter.secondary_opts)}
        options = {word.split("=")[0] for word in words[len(at) :] if word.startswith("-") and word != "-"}
        is_known = command.context_settings.get("allow_extra_args") or options <= known | {"--help"}
        if len(at) == 1 or not is_known:
            found.append(line)
    return found


@pytest.mark.parametrize("path", PAGES, ids=name)
def test_every_command_that_is_shown_exists_with_its_options(path):
    assert unknown(path.read_text()) == []


def test_what_does_not_exist_is_found_in_blocks_and_spans():
    text = "`errhouse nothing` and `errhouse drain --json`\n\n```sh\n.venv/bin/errhouse load a.json --fast\n```\n"
    assert unknown(text) == [".venv/bin/errhouse load a.json --fast", "errhouse nothing"]


def test_the_pages_show_calls_at_all():
    assert len(list(calls((ROOT / "README.md").read_text()))) >= 5


def test_the_queries_of_the_readme_run(database_url):
    queries = re.findall(r"^```sql\n(.*?)^```", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    assert len(queries) >= 4
    with psycopg.connect(database_url) as connection:
        for query in queries:
            assert connection.execute(query).fetchall() == []


def test_every_direct_dependency_has_its_reason_and_licence():
    section = (ROOT / "README.md").read_text().split("\n## Dependencies\n")[1].split("\n## ")[0]
    told = [line.split(" | ") for line in section.splitlines() if line.startswith("| ") and "package |" not in line]
    assert all(len(cells) == 3 and all(cells) for cells in told)
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    assert [cells[0].strip("| ") for cells in told] == sorted(Requirement(each).name for each in wanted)
