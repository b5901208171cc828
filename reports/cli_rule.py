"""`errhouse rule …`: what is told of which events, to whom, and how often."""

from datetime import datetime
from typing import Annotated, Any

import msgspec
import typer
from sqlalchemy import Connection

from models.cli import JsonFlag, opened, shown, told
from models.clock import database_time
from models.printed import confirmed
from models.settings import Settings
from reports.alerts import alert_message, alert_query, rule_trial, rules_kept
from reports.alerts.matching import is_project
from reports.alerts.rule import Finding, Rule
from reports.alerts.rule_written import check, length, parameters, seconds, tags
from reports.delivery import outbox
from reports.delivery.targets_kept import Targets
from reports.errors import BadRule, BadTarget
from reports.rules import RULES, kind_of

SHOWN = 20

rule_commands = typer.Typer(help="Alert rules: what is told of which events, and to whom.", no_args_is_help=True)

NameArgument = Annotated[str, typer.Argument(help="Name of the rule.")]
KINDS = "What it waits for: " + "; ".join(f"{each.NAME}: {each.SENTENCE}" for each in RULES)


@rule_commands.command("add")
def add(
    name: NameArgument,
    when: Annotated[str, typer.Option(help=KINDS)],
    target: Annotated[list[str] | None, typer.Option(help="Target to tell; again for more.")] = None,
    project: Annotated[list[str] | None, typer.Option(help="Only this project: slug, name or id; again.")] = None,
    level: Annotated[
        list[str] | None, typer.Option(help="Only this level; again. Of a level rule: the least level.")
    ] = None,
    culprit: Annotated[
        list[str] | None, typer.Option(help="Only this culprit, with * and ?, or /regular expression/; again.")
    ] = None,
    title: Annotated[list[str] | None, typer.Option(help="Only this title, as culprit; again.")] = None,
    release: Annotated[list[str] | None, typer.Option(help="Only this release, as culprit; again.")] = None,
    environment: Annotated[list[str] | None, typer.Option(help="Only this environment, as culprit; again.")] = None,
    tag: Annotated[list[str] | None, typer.Option(help="Only events with this tag, key=value; again.")] = None,
    count: Annotated[str | None, typer.Option(help="Of threshold: how many events.")] = None,
    window: Annotated[str | None, typer.Option(help="Of threshold: within which time, such as 5m.")] = None,
    rate: Annotated[str | None, typer.Option(help="Of threshold: how many times as many as before, as 3x.")] = None,
    against: Annotated[str | None, typer.Option(help="Of threshold's rate: window, or days.")] = None,
    silent: Annotated[str | None, typer.Option(help="Of regression and silence: how long, such as 14d.")] = None,
    lag: Annotated[str | None, typer.Option(help="Of freshness: how long is too long, such as 2m.")] = None,
    sql: Annotated[str | None, typer.Option(help="Of sql: one select with a column subject.")] = None,
    every: Annotated[str | None, typer.Option(help="How often one that is asked by the clock is asked.")] = None,
    cooldown: Annotated[str, typer.Option(help="How long nothing more is told of the same.")] = "1h",
    group_by: Annotated[str, typer.Option(help="What one message is about: issue, project or rule.")] = "issue",
    quiet: Annotated[str | None, typer.Option(help="When nothing is sent but later, such as 22:00-07:00.")] = None,
    zone: Annotated[str, typer.Option("--tz", help="IANA time zone of the quiet hours.")] = "UTC",
    replace: Annotated[bool, typer.Option("--replace", help="Put it in place of one of the same name.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Add an alert rule. It tells of what is loaded from now on; `errhouse rule test` says what it would have told."""
    kind = kind_of(when)
    asked = {"count": count, "window": window, "rate": rate, "against": against, "silent": silent, "lag": lag}
    asked |= {"sql": sql, "every": every}
    if when == "level" and level:
        if len(level) > 1:
            raise BadRule("A level rule has one --level, the least.")
        asked["level"], level = level[0], None
    lists = {"project": project, "level": level, "culprit": culprit, "title": title, "release": release}
    lists |= {"environment": environment}
    matches: dict[str, Any] = {each: values for each, values in lists.items() if values}
    if tag:
        matches["tag"] = tags(tag)
    made = Rule(
        name=name,
        kind=when,
        matches=matches,
        parameters=parameters(kind, asked),
        targets=list(dict.fromkeys(target or [])),
        group_by=group_by,
        cooldown_seconds=seconds("--cooldown", cooldown),
        quiet=quiet,
        zone=zone,
    )
    check(made)
    with opened() as (engine, settings, _):
        with engine.connect() as connection:
            if "sql" in made.parameters:
                alert_query.check(connection, made.parameters["sql"])
        with engine.begin() as connection:
            warnings = _checked(connection, settings, made)
            rules_kept.keep(connection, made, database_time(connection), is_replaced=replace)
            found = rules_kept.named(connection, name)
    for warning in warnings:
        typer.echo(warning, err=True)
    if as_json:
        told(_described(found))
    else:
        typer.echo(f"{name} is added; `errhouse rule test {name}` shows what it would have told in the last 24 hours.")


@rule_commands.command("list")
def show(as_json: JsonFlag = False) -> None:
    """List rules, and why one cannot be evaluated."""
    with opened() as (engine, *_), engine.connect() as connection:
        found = rules_kept.listed(connection)
    if as_json:
        told([_described(each) for each in found])
    elif found:
        columns = ("name", "when", "which", "targets", "cooldown", "enabled", "why not")
        rows = [
            (
                each.name,
                " ".join((each.kind, *_options(each.parameters))),
                " ".join(_options(each.matches)),
                ", ".join(each.targets),
                length(each.cooldown_seconds),
                each.is_enabled,
                each.error,
            )
            for each in found
        ]
        shown("Alert rules", columns, rows)
    else:
        typer.echo("There is no alert rule yet; `errhouse rule add` adds one.")


@rule_commands.command("test")
def try_out(
    name: NameArgument,
    send: Annotated[bool, typer.Option("--send", help="Send the last of it to the rule's targets, as a test.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """
    Show what a rule would have told of the events of the last 24 hours.

    One that is asked by the clock is asked now. Exit code 1 with --send when there is nothing to send.
    """
    with opened() as (engine, settings, _), engine.begin() as connection:
        rule = rules_kept.named(connection, name)
        now = database_time(connection)
        found = rule_trial.trial(engine, connection, rule, now, {})
        sent = _sent(connection, settings, rule, found[-1].finding, now) if send and found else []
    if as_json:
        told({"findings": [_finding(each) for each in found], "sent_to": sent})
    elif found:
        rows = [(f"{each.at:%Y-%m-%d %H:%M}", alert_message.line(each.finding.title)) for each in found[-SHOWN:]]
        shown(f"{name} would have told", ("at (UTC)", "what"), rows)
        if len(found) > SHOWN:
            typer.echo(f"These are the last {SHOWN} of {len(found):,}.")
    else:
        typer.echo(f"{name} would have told nothing in the last 24 hours.")
    if sent and not as_json:
        typer.echo(f"The last was put into the outbox for {', '.join(sent)}; `errhouse serve` sends it.")
    if send and not sent:
        raise typer.Exit(1)


@rule_commands.command("remove")
def remove(name: NameArgument, as_json: JsonFlag = False) -> None:
    """Remove a rule; messages that wait are sent."""
    with opened() as (engine, *_), engine.begin() as connection:
        rules_kept.remove(connection, name)
    confirmed(name, "removed", as_json=as_json)


@rule_commands.command("pause")
def pause(name: NameArgument, as_json: JsonFlag = False) -> None:
    """Let a rule tell nothing until it is resumed."""
    _switched(name, as_json=as_json, is_enabled=False)


@rule_commands.command("resume")
def resume(name: NameArgument, as_json: JsonFlag = False) -> None:
    """Let a rule go on from now; what was loaded while it was paused is not told."""
    _switched(name, as_json=as_json, is_enabled=True)


def _checked(connection: Connection, settings: Settings, rule: Rule) -> list[str]:
    """Raise BadTarget when a target is not there; give a sentence for each project that is not."""
    targets = Targets(settings)
    for each in rule.targets:
        kept = targets.kept(connection, each)
        if kept is None or kept.channel == "file":
            raise BadTarget(f"{each} takes the files of reports; give the rule a target of another channel.")
    known = rules_kept.projects(connection)
    return [
        f"No project is called {wanted} yet; the rule waits for it. `errhouse project list` shows those there are."
        for wanted in rule.matches.get("project", [])
        if not any(is_project([wanted], each.project_id, each.slug, each.name) for each in known)
    ]


def _sent(connection: Connection, settings: Settings, rule: Rule, finding: Finding, now: datetime) -> list[str]:
    message = alert_message.message(connection, rule, finding, now, settings.public_url, is_test=True)
    for each in rule.targets:
        outbox.put(connection, message, each, now, rule=rule.name)
    return rule.targets


def _finding(each: rule_trial.Told) -> dict[str, Any]:
    found = each.finding
    return {
        "at": each.at,
        "subject": found.subject,
        "transition": found.transition,
        "title": found.title,
        "text": found.text,
        "level": found.level,
        "project_id": found.project_id,
        "issue_id": found.sighting.issue_id if found.sighting else None,
    }


def _described(rule: Rule) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.structs.asdict(rule)
    return found


def _options(values: dict[str, Any]) -> list[str]:
    """Write conditions or parameters as they are given to `rule add`."""
    lengths = {"window", "silent", "lag", "every"}
    found = []
    for name, value in values.items():
        if name == "tag":
            found += [f"--tag {key}={each}" for key, several in value.items() for each in several]
        elif isinstance(value, list):
            found += [f"--{name} {each}" for each in value]
        elif value is not None:
            found.append(f"--{name} {length(value) if name in lengths else value}")
    return found


def _switched(name: str, *, as_json: bool, is_enabled: bool) -> None:
    with opened() as (engine, *_), engine.begin() as connection:
        rules_kept.switch(connection, name, database_time(connection), is_enabled=is_enabled)
    confirmed(name, "resumed" if is_enabled else "paused", as_json=as_json)
