"""
Write a CycloneDX 1.6 list of what errhouse needs to run, on this platform, in the locked versions: `make sbom`.

The list is made from what is installed, which must be what is locked; who needs whom is told by each package itself.
"""  # noqa: INP001 - a script of the gate

import json
import re
import sys
import tomllib
import uuid
from collections.abc import Iterator
from importlib.metadata import Distribution, distribution
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
TARGET = ROOT / "dist" / "errhouse.cdx.json"
PIN = re.compile(r"^([\w.-]+)==([^\s;\\]+)", re.MULTILINE)


def needed(asked: list[Requirement], extras: set[str]) -> Iterator[tuple[str, set[str]]]:
    """Give those that apply here: the name, and the extras that are wanted of it."""
    for each in asked:
        if each.marker is None or any(each.marker.evaluate({"extra": extra}) for extra in extras or {""}):
            yield canonicalize_name(each.name), set(each.extras)


def requirements(found: Distribution) -> list[Requirement]:
    """Return what a package says it needs."""
    return [Requirement(line) for line in found.requires or []]


def closure(asked: list[Requirement]) -> dict[str, list[str]]:
    """Return every package that is needed, directly or not, and whom it needs itself."""
    graph: dict[str, set[str]] = {}
    seen: set[tuple[str, frozenset[str]]] = set()
    waiting = list(needed(asked, set()))
    while waiting:
        name, extras = waiting.pop()
        if (name, frozenset(extras)) in seen:
            continue
        seen.add((name, frozenset(extras)))
        more = list(needed(requirements(distribution(name)), extras))
        graph.setdefault(name, set()).update(child for child, _ in more)
        waiting += more
    return {name: sorted(graph[name]) for name in sorted(graph)}


def licenses(found: Distribution) -> list[dict[str, Any]]:
    """Return the licence as the package tells it: an SPDX expression, else its classifiers, else a word."""
    if expression := found.metadata.get("License-Expression"):
        return [{"expression": expression}]
    told = [line.split(" :: ")[-1] for line in found.metadata.get_all("Classifier", []) if line.startswith("License")]
    told = told or [str(found.metadata.get("License", "")).partition("\n")[0]]
    return [{"license": {"name": name}} for name in sorted(set(told)) if name]


def component(name: str) -> dict[str, Any]:
    """Return one package."""
    found = distribution(name)
    purl = f"pkg:pypi/{name}@{found.version}"
    return {
        "type": "library",
        "bom-ref": purl,
        "name": name,
        "version": found.version,
        "purl": purl,
        "licenses": licenses(found),
    }


def bill(project: dict[str, Any], lock: str) -> dict[str, Any]:
    """Return the whole list; the same lock gives the same list."""
    direct = [Requirement(line) for line in project["dependencies"]]
    graph = closure(direct)
    components = {name: component(name) for name in graph}
    pins = {(canonicalize_name(name), version) for name, version in PIN.findall(lock)}
    strange = [each["purl"] for name, each in components.items() if (name, each["version"]) not in pins]
    if strange:
        sys.exit(f"The environment is not what is locked ({', '.join(strange)}); run `make setup`, then this again.")
    us = {
        "type": "application",
        "bom-ref": "errhouse",
        "name": project["name"],
        "version": project["version"],
        "licenses": [{"expression": project["license"]}],
    }
    depends = {"errhouse": sorted(name for name, _ in needed(direct, set())), **graph}
    refs = {name: each["bom-ref"] for name, each in components.items()}
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_OID, json.dumps(depends) + lock)}",
        "version": 1,
        "metadata": {"component": us},
        "components": list(components.values()),
        "dependencies": [
            {"ref": refs.get(name, name), "dependsOn": [refs[child] for child in children]}
            for name, children in depends.items()
        ],
    }


def main(target: Path) -> None:
    """Write the list."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    made = bill(project, (ROOT / "requirements.lock").read_text())
    target.parent.mkdir(exist_ok=True)
    target.write_text(json.dumps(made, indent=1) + "\n")
    sys.stdout.write(f"{len(made['components'])} packages: {target}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else TARGET)
