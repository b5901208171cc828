"""A period against what was before: what the daily and the weekly report are."""

from reports.built_in import followed, rhythm, sections, spread
from reports.built_in.gathered import Gathered
from reports.built_in.headline import DEFINITIONS, figures, notes, quality_figures
from reports.grouping import coded
from reports.report import Report, span

HEATMAP_HOURS = 6 * 24


def compared(name: str, title: str, found: Gathered) -> Report:
    """Make the report of what was gathered."""
    period = found.period
    now, then = coded(found.now, found.then)
    found = found._replace(now=now, then=then)
    hours = found.hours
    movement = sections.moved(found)
    escalating = followed.escalating(found)
    churn = sections.churn(found)
    spiking = rhythm.spikes(found)
    made = [
        sections.what_changed(found),
        sections.new_and_regressed(movement, found.asked.top),
        followed.escalating_issues(escalating),
        *([sections.gone_quiet(movement)] if found.times == 1 else []),
        sections.top_culprits(found, churn),
        sections.by_project(found),
        rhythm.levels(found, hours),
        rhythm.unhandled(found),
        rhythm.timeline(found, hours, spiking),
        rhythm.spike_list(spiking, period.zone),
        *([rhythm.heatmap(found, hours)] if period.hours >= HEATMAP_HOURS else []),
        followed.silence(found),
        spread.releases(found),
        spread.environments(found, movement),
        spread.noise(found),
        *spread.budget(found),
    ]
    return Report(
        name=name,
        title=title,
        period=span(period),
        previous=span(found.before),
        parameters=found.asked.told("top", "budget"),
        headline=figures(found, movement, len(escalating), churn),
        sections=made,
        quality=quality_figures(found.quality),
        notes=notes(found),
        definitions=list(DEFINITIONS),
    )
