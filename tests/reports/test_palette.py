from itertools import combinations, pairwise

import pytest

from reports.palette import (
    ACCENT,
    BETTER,
    FAINT,
    LEVELS,
    MUTED,
    OTHER,
    PAPER,
    SERIES,
    SHADES,
    TEXT,
    WORSE,
    inks,
    turned,
    variables,
)

# Machado, Oliveira and Fernandes 2009, severity 1, in linear RGB
BLINDNESS = {
    "nobody": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "protanopia": ((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216), (-0.003882, -0.048116, 1.051998)),
    "deuteranopia": ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413), (-0.011820, 0.042940, 0.968881)),
    "tritanopia": ((1.255528, -0.076749, -0.178779), (-0.078411, 0.930809, 0.147602), (0.004733, 0.691367, 0.303900)),
}


def linear(colour: str) -> tuple[float, float, float]:
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return red, green, blue


def luminance(colour: str) -> float:
    red, green, blue = linear(colour)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """As WCAG 2 defines it."""
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def lab(colour: str, seen_by: str) -> tuple[float, float, float]:
    rgb = [sum(m * c for m, c in zip(row, linear(colour), strict=True)) for row in BLINDNESS[seen_by]]
    red, green, blue = (min(max(part, 0), 1) for part in rgb)
    x = (0.4124 * red + 0.3576 * green + 0.1805 * blue) / 0.9505
    y = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    z = (0.0193 * red + 0.1192 * green + 0.9505 * blue) / 1.089
    fx, fy, fz = (part ** (1 / 3) if part > 0.008856 else 7.787 * part + 16 / 116 for part in (x, y, z))
    return 116 * fy - 16, 500 * (fx - fy), 200 * (fy - fz)


def difference(one: str, other: str, seen_by: str) -> float:
    return sum((a - b) ** 2 for a, b in zip(lab(one, seen_by), lab(other, seen_by), strict=True)) ** 0.5


@pytest.mark.parametrize("is_dark", [False, True])
def test_text_can_be_read_on_its_paper(is_dark: bool) -> None:
    for ink in (TEXT, MUTED, ACCENT, WORSE, BETTER):
        for paper in (PAPER, FAINT):
            assert contrast(ink[is_dark], paper[is_dark]) >= 4.5, (ink, paper)


@pytest.mark.parametrize("is_dark", [False, True])
def test_what_is_drawn_stands_out_from_its_paper(is_dark: bool) -> None:
    for ink in (*LEVELS.values(), *SERIES, OTHER):
        assert contrast(ink[is_dark], PAPER[is_dark]) >= 3, ink


@pytest.mark.parametrize("seen_by", BLINDNESS)
@pytest.mark.parametrize("is_dark", [False, True])
def test_levels_and_series_are_told_apart_by_every_eye(is_dark: bool, seen_by: str) -> None:
    for (one, a), (other, b) in combinations(LEVELS.items(), 2):
        assert difference(a[is_dark], b[is_dark], seen_by) >= 14, (one, other)
    for a, b in combinations(SERIES, 2):
        assert difference(a[is_dark], b[is_dark], seen_by) >= 20, (a, b)


@pytest.mark.parametrize("is_dark", [False, True])
def test_more_is_further_from_the_paper_in_every_shade(is_dark: bool) -> None:
    contrasts = [contrast(shade[is_dark], PAPER[is_dark]) for shade in SHADES]
    assert all(after > before * 1.08 for before, after in pairwise(contrasts))


def test_no_two_light_colours_are_alike_so_that_each_has_one_dark_partner() -> None:
    light = [ink.light for ink in inks()]
    assert sorted(set(light)) == sorted(light)
    assert all(f'[fill="{ink.light}"]{{fill:{ink.dark}}}' in turned() for ink in inks())
    assert variables(is_dark=True).count("--") == variables(is_dark=False).count("--")
