"""Small pictures of a row's counts over time, written by hand: no axis, one colour, the highest point marked."""

from collections.abc import Sequence

WIDTH = 108
HEIGHT = 20
PAD = 2.5
MOST_POINTS = 84


def sparkline(values: Sequence[float | int | None], label: str = "") -> str:
    """
    Draw counts as an SVG of 1 to 3 KB; a gap counts as none, and long series are summed to at most MOST_POINTS.

    Takes: `label`, words that are safe in an attribute: ours, not a sender's.
    """
    counts = _summed([max(float(value or 0), 0.0) for value in values])
    if not counts:
        return ""
    most = max(counts)
    step = (WIDTH - 2 * PAD) / max(len(counts) - 1, 1)
    points = [(PAD + step * number, _height(count, most)) for number, count in enumerate(counts)]
    base = HEIGHT - PAD
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    area = f"{PAD},{base} {line} {points[-1][0]:.1f},{base}"
    name = f' role="img" aria-label="{label}"' if label else ' aria-hidden="true"'
    peak = points[counts.index(most)]
    dot = f'<circle cx="{peak[0]:.1f}" cy="{peak[1]:.1f}" r="1.9"/>' if most else ""
    return (
        f'<svg class="sparkline" width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}"{name}>'
        f'<polygon points="{area}"/><polyline points="{line}"/>{dot}</svg>'
    )


def _height(count: float, most: float) -> float:
    return HEIGHT - PAD - (count / most * (HEIGHT - 2 * PAD) if most else 0)


def _summed(counts: list[float]) -> list[float]:
    size = -(-len(counts) // MOST_POINTS)
    return [sum(counts[start : start + size]) for start in range(0, len(counts), size)] if size > 1 else counts
