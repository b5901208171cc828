"""
Write the pages of docs/ that the code itself knows; `docs/made/` says how each is made.

`python docs/generate.py` writes them, `--check` only tells whether they are stale and exits 1 if so; `PAGE…` are some.
"""

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from docs.made.openapi import openapi  # noqa: E402 - found by the line above
from docs.made.program import all_metrics, commands, forms, settings  # noqa: E402
from docs.made.reports import reports  # noqa: E402
from docs.made.scenarios import scenarios  # noqa: E402
from docs.made.warehouse import data_dictionary, dbt_sources, schema  # noqa: E402

MADE = "Made by docs/generate.py from the code: change it there, then run `make docs`."

PAGES: dict[str, Callable[[], Iterator[str]]] = {
    "settings.md": settings,
    "commands.md": commands,
    "forms.md": forms,
    "schema.md": schema,
    "metrics.md": all_metrics,
    "data-dictionary.md": data_dictionary,
    "reports.md": reports,
    "scenarios.md": scenarios,
    "dbt/models/sources.yml": dbt_sources,
    "openapi.json": openapi,
}


def text(page: str) -> str:
    """Give a page as it should be."""
    heads = {".yml": [f"# {MADE}"], ".json": []}  # JSON has no comments: it says so itself
    made = heads.get(Path(page).suffix, [f"<!-- {MADE} -->", ""])
    return "\n".join([*made, *PAGES[page]()]) + "\n"


def stale(wanted: Iterable[str] = PAGES) -> list[str]:
    """Name the pages, of those wanted, that are not as they should be."""
    return [page for page in wanted if not (HERE / page).is_file() or (HERE / page).read_text() != text(page)]


def main(arguments: Sequence[str]) -> int:
    """Write what is stale, of all pages or of those that are named; with `--check`, only name it."""
    is_check = "--check" in arguments
    wanted = [each for each in arguments if each != "--check"]
    if strange := [each for each in wanted if each not in PAGES]:
        pages = ", ".join(PAGES)
        sys.stderr.write(
            f"usage: python docs/generate.py [--check] [PAGE...]\nno page {strange[0]}; there are {pages}\n"
        )
        return 2
    found = stale(wanted or PAGES)
    for page in found:
        if is_check:
            sys.stderr.write(f"docs/{page} is stale: run `make docs`.\n")
        else:
            (HERE / page).parent.mkdir(parents=True, exist_ok=True)
            (HERE / page).write_text(text(page))
    return 1 if found and is_check else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
