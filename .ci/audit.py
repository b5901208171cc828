"""
Ask an advisory source about everything that is locked: `make audit`, or with `--osv-url URL` a source of one's own.

An unreachable source and one that knows nothing look like a clean answer to pip-audit. So each is first asked about a
version that is known to be vulnerable, and believed only if it says so.

Exits with 0: nothing is known against what is locked; 1: something is; 3: no source answered, so nothing was audited.
"""  # noqa: INP001 - a script of the gate

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
LOCK = ROOT / "requirements.lock"
KNOWN_BAD = "jinja2==3.1.2"  # CVE-2024-22195 and four more
SOURCES = (["-s", "pypi"], ["-s", "osv"])
ASK_SECONDS, AUDIT_SECONDS = 60, 900


def ask(source: list[str], requirements: Path, *options: str, seconds: int) -> list[dict[str, Any]]:
    """Return what a source said of each package: name, version and vulns, or skip_reason; nothing if it failed."""
    command = [sys.executable, "-m", "pip_audit", "-r", str(requirements), "--disable-pip", *options, *source]
    with tempfile.TemporaryDirectory() as cache:  # an answer of yesterday is none
        command += ["-f", "json", "--progress-spinner", "off", "--cache-dir", cache]
        try:
            done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=seconds)
            told: list[dict[str, Any]] = json.loads(done.stdout)["dependencies"]
        except (subprocess.TimeoutExpired, ValueError, KeyError):
            return []
    return told


def knows(source: list[str]) -> bool:
    """Tell whether a source reports what is known to be vulnerable."""
    with tempfile.TemporaryDirectory() as folder:
        bad = Path(folder, "bad.txt")
        bad.write_text(KNOWN_BAD + "\n")
        return any(each.get("vulns") for each in ask(source, bad, "--no-deps", seconds=ASK_SECONDS))


def main(arguments: list[str]) -> int:
    """Print what is known against the lock, and return the exit code."""
    sources = [["-s", "osv", *arguments]] if arguments else [*SOURCES]
    source = next(filter(knows, sources), None)
    told = ask(source, LOCK, "--require-hashes", seconds=AUDIT_SECONDS) if source else []
    asked = [each for each in told if "skip_reason" not in each]
    if not asked:
        sys.stdout.write("No advisory source answered; nothing was audited.\n")
        return 3
    for each in told:
        for vuln in each.get("vulns", []):
            fixed = ", ".join(vuln["fix_versions"]) or "no version"
            sys.stdout.write(f"{each['name']} {each['version']}: {vuln['id']}, fixed in {fixed}\n")
        if "skip_reason" in each:
            sys.stdout.write(f"{each['name']}: not audited: {each['skip_reason']}\n")
    bad = sum(bool(each.get("vulns")) for each in asked)
    sys.stdout.write(f"{len(asked)} packages audited, {bad} vulnerable, {len(told) - len(asked)} not known there.\n")
    return int(bad > 0 or len(asked) < len(told))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
