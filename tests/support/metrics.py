"""What a service says of itself at `/metrics`."""

import re

import httpx

from tests.support.server import Server

SAMPLE = re.compile(r"^(\w+)(?:\{(.*)\})? (\S+)$", re.MULTILINE)


def counted(server: Server, name: str, **labels: str) -> float:
    """Return the sum of the samples of a metric that have these labels."""
    text = httpx.get(f"{server.url}/metrics", timeout=5, trust_env=False).text
    wanted = {f'{label}="{value}"' for label, value in labels.items()}
    return sum(
        float(value) for found, told, value in SAMPLE.findall(text) if found == name and wanted <= set(told.split(","))
    )
