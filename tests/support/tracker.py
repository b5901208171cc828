"""Small trackers for tests: what GitHub, GitLab and Jira remember of issues and comments, by the paths of each."""

import json
import re
import socket
from dataclasses import dataclass, field
from threading import Lock
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.support.vendor import Request, Vendor, answering


@dataclass
class Issue:
    """An issue and its comments, the oldest first."""

    number: int
    title: str
    body: Any
    labels: list[str]
    is_open: bool = True
    comments: list[Any] = field(default_factory=list)


class Tracker:
    """Answers as a tracker does; `issues` are those that were opened, `asked` what was, as `GET search`."""

    def __init__(self) -> None:
        self.issues: list[Issue] = []
        self.asked: list[str] = []
        self._lock = Lock()

    def __call__(self, vendor: Vendor, connection: socket.socket, request: Request) -> None:
        with self._lock:
            status, said = self._answer(request)
        answering(status, json.dumps(said).encode(), {"content-type": "application/json"})(vendor, connection, request)

    def add(self, title: str, body: Any, labels: list[str] | None = None) -> Issue:
        made = Issue(len(self.issues) + 1, title, body, labels or [])
        self.issues.append(made)
        return made

    def _answer(self, request: Request) -> tuple[int, Any]:
        address = urlsplit(request.path)
        query = {name: values[0] for name, values in parse_qs(address.query).items()}
        body = json.loads(request.body or b"{}")
        found = re.fullmatch(
            r".*?/(?:(search)(?:/issues|/jql)?|issues?(?:/(?:SHOP-)?(\d+))?(?:/(comments?|notes))?)", address.path
        )
        assert found, request.path
        self.asked.append(f"{request.method} {'search' if found[1] or query.get('search') else found[3] or 'issue'}")
        if found[1] or query.get("search"):
            return 200, self._searched(address.path, query)
        if found[2] is None:
            return 201, self._told(address.path, self._opened(body))
        one = next((each for each in self.issues if each.number == int(found[2])), None)
        if one is None:
            return 404, {"message": "Not Found"}
        if found[3] and request.method == "POST":
            one.comments.append(body["body"])
            return 201, {"id": len(one.comments)}
        if found[3]:
            comments = [{"body": each} for each in one.comments]
            return 200, {"comments": comments} if found[3] == "comment" else comments
        if request.method in {"PATCH", "PUT"}:
            one.is_open = "open" in (body.get("state") or body.get("state_event"))
        return 200, self._told(address.path, one)

    def _opened(self, body: dict[str, Any]) -> Issue:
        told = body.get("fields", body)
        text = told.get("body") or told["description"]
        return self.add(told.get("title") or told["summary"], text, list(told.get("labels", [])))

    def _searched(self, path: str, query: dict[str, str]) -> Any:
        if "jql" in query:
            (key,) = re.findall(r'labels = "([\w-]+)"', query["jql"])
            return {"issues": [self._told(path, each) for each in self.issues if key in each.labels]}
        key = query.get("search") or re.findall(r'^"([\w-]+)"', query["q"])[0]
        found = [self._told(path, each) for each in self.issues if key in str(each.body)][:3]
        return found if "search" in query else {"incomplete_results": False, "items": found}

    def _told(self, path: str, one: Issue) -> dict[str, Any]:
        if "/rest/" in path:
            return {"key": f"SHOP-{one.number}", "fields": {"description": one.body}}
        url = f"https://tracker.example.com/{one.number}"
        if "/v4/" in path:
            state = "opened" if one.is_open else "closed"
            return {"iid": one.number, "web_url": url, "description": one.body, "state": state}
        state = "open" if one.is_open else "closed"
        return {"number": one.number, "html_url": url, "body": one.body, "state": state}


def options(channel: str, port: int) -> dict[str, str]:
    """Give the options of a target that leads to a tracker of this machine."""
    root = f"http://127.0.0.1:{port}"
    return {
        "github": {"url": f"{root}/repos/acme/shop", "token": "token"},
        "gitlab": {"url": f"{root}/acme/shop", "token": "token"},
        "jira": {"url": root, "project": "SHOP", "user": "ops@example.com", "token": "token"},
        "data-center": {"url": root, "project": "SHOP", "token": "token"},
    }[channel]
