"""Asks a tracker, and tells its refusals apart: those that pass by waiting, and those that a person must mend."""

import json
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple
from urllib.parse import quote

from reports.delivery.guard import Place, check_header, check_url
from reports.delivery.outgoing import MOST_RETRY_AFTER, Answer, Http, accepted, retry_after
from reports.delivery.targets import Target
from reports.errors import DeliveryError

LONGEST_ADDRESS = 500
SECONDARY_SECONDS = 60.0
RATES = ("x-ratelimit", "ratelimit")  # GitHub's, GitLab's
MOVED = {301, 302, 307, 308}

_NAME = r"[A-Za-z0-9_.-]{1,100}"
_REPOSITORY = re.compile(rf"/({_NAME})/({_NAME}?)(?:\.git)?/?", re.ASCII)
_REPOSITORY_API = re.compile(rf"((?:/{_NAME})*)/repos/({_NAME})/({_NAME})/?", re.ASCII)
_PROJECT = re.compile(rf"((?:/{_NAME}){{2,20}}?)(?:\.git)?/?", re.ASCII)
_PROJECT_API = re.compile(r"((?:/[A-Za-z0-9_.-]+)*/api/v4/projects/[A-Za-z0-9_.%-]{1,500})/?", re.ASCII)
_NUMBER = re.compile(r"[0-9]{1,18}", re.ASCII)


class Repository(NamedTuple):
    """Where GitHub's methods are, for a repository of it."""

    api: str
    owner: str
    name: str

    @property
    def url(self) -> str:
        """Return the address of its methods."""
        return f"{self.api}/repos/{self.owner}/{self.name}"


class Api:
    """One tracker's methods. Takes `who`, its name, and `cures`: what a person can do, by status."""

    def __init__(self, http: Http, who: str, headers: Mapping[str, str], now: datetime, cures: Mapping[int, str]):
        self._http = http
        self._who = who
        self._headers = headers
        self._now = now
        self._cures = cures

    def ask(self, method: str, url: str, told: Any = None) -> Any:
        """Call a method; give what it answers. Raises DeliveryError."""
        headers = {"accept": "application/json", "user-agent": "errhouse", **self._headers}
        body = b""
        if told is not None:
            headers["content-type"] = "application/json"
            body = json.dumps(told, ensure_ascii=False).encode("utf-8", "replace")
        answer = self._http.request(method, url, headers, body)
        if not 200 <= answer.status < 300:
            raise self._refused(answer)
        try:
            return json.loads(answer.body)
        except (ValueError, RecursionError):
            raise self.strange(answer.status) from None

    def one(self, method: str, url: str, told: Any = None) -> dict[str, Any]:
        """Call a method that answers with one thing."""
        found = self.ask(method, url, told)
        if not isinstance(found, dict):
            raise self.strange()
        return found

    def many(self, url: str, within: str = "") -> list[dict[str, Any]]:
        """Ask for several things; `within` is the field they are in, where they are in one."""
        found = self.ask("GET", url)
        if within:
            found = found.get(within) if isinstance(found, dict) else None
        if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
            raise self.strange()
        return found

    def newest(self, url: str, within: str = "") -> list[dict[str, Any]]:
        """Ask for comments; none, where theirs are longer than is read: better to be told twice than never."""
        try:
            return self.many(url, within)
        except DeliveryError as wrong:
            if wrong.status is None or not 200 <= wrong.status < 300:
                raise
            return []

    def number(self, told: Any) -> str:
        """Give the number of a ticket as it was answered."""
        if not isinstance(told, int | str) or not _NUMBER.fullmatch(str(told)):
            raise self.strange()
        return str(told)

    def strange(self, status: int | None = None) -> DeliveryError:
        """Give the error of an answer that is none of this tracker's."""
        return DeliveryError(
            f"{self._who} did not answer as its REST API does; check url.", permanent=False, status=status
        )

    def _refused(self, answer: Answer) -> DeliveryError:
        try:
            accepted(answer, self._who)
        except DeliveryError as wrong:
            detail = wrong.detail or ""
            for value in self._headers.values():  # whoever repeats what was asked must tell nobody by it
                detail = detail.replace(value.rpartition(" ")[2], "[secret]") if len(value) > 20 else detail
            if (wait := self._wait(answer)) is not None:
                why = f"{self._who} asks to wait: too many requests in its time."
                return DeliveryError(why, permanent=False, status=wrong.status, retry_after=wait, detail=detail)
            cure = self._cures.get(answer.status, "")
            if answer.status in MOVED:
                cure = "it has moved: give url the new address"
            why = f"{self._who} answered {answer.status}; {cure}." if cure else str(wrong)
            return DeliveryError(
                why, permanent=wrong.permanent, status=wrong.status, retry_after=wrong.retry_after, detail=detail
            )
        return self.strange(answer.status)

    def _wait(self, answer: Answer) -> float | None:
        """Give the seconds to wait when there were too many requests; None for other refusals."""
        if answer.status not in {403, 429}:
            return None
        if (told := retry_after(answer.headers)) is not None:
            return told
        for name in RATES:
            reset = answer.headers.get(f"{name}-reset", "").strip()
            if answer.headers.get(f"{name}-remaining", "").strip() == "0" and _NUMBER.fullmatch(reset):
                return min(max(float(reset) - self._now.timestamp(), 1.0), MOST_RETRY_AFTER)
        return SECONDARY_SECONDS if b"rate limit" in answer.body.lower() else None


def repository(target: Target) -> Repository:
    """
    Read the address of a repository of GitHub, or of an Enterprise server.

    Raises: DeliveryError, permanent.
    """
    place = check_url(target.get("url"), target.allow_private)
    if found := _REPOSITORY_API.fullmatch(place.path):
        return Repository(f"{_root(place)}{found[1]}", found[2], found[3])
    found = _REPOSITORY.fullmatch(place.path)
    if not found or not found[2]:
        raise _refused("https://github.com/OWNER/REPO, or https://api.github.com/repos/OWNER/REPO")
    is_public = place.host in {"github.com", "www.github.com"}
    return Repository("https://api.github.com" if is_public else f"{_root(place)}/api/v3", found[1], found[2])


def project(target: Target) -> str:
    """
    Read the address of a project of GitLab; give that of its methods.

    Raises: DeliveryError, permanent.
    """
    place = check_url(target.get("url"), target.allow_private)
    if found := _PROJECT_API.fullmatch(place.path):
        return f"{_root(place)}{found[1]}"
    if "/api/" in place.path or not (found := _PROJECT.fullmatch(place.path)):
        raise _refused("https://gitlab.com/GROUP/PROJECT, or https://gitlab.com/api/v4/projects/ID")
    return f"{_root(place)}/api/v4/projects/{quote(found[1].strip('/'), safe='')}"


def is_github(target: Target) -> bool:
    """Say whether an address is one of GitHub's, not GitLab's. Raises DeliveryError."""
    place = check_url(target.get("url"), target.allow_private)
    return place.host in {"github.com", "www.github.com"} or bool(_REPOSITORY_API.fullmatch(place.path))


def github_headers(target: Target) -> dict[str, str]:
    """Give what every request to GitHub says. Raises DeliveryError when the token can be none."""
    return {
        "accept": "application/vnd.github+json",
        "authorization": _checked("authorization", f"Bearer {target.get('token')}"),
        "x-github-api-version": "2022-11-28",
    }


def gitlab_headers(target: Target) -> dict[str, str]:
    """Give what every request to GitLab says. Raises DeliveryError when the token can be none."""
    return {"private-token": _checked("private-token", target.get("token"))}


def labels(target: Target) -> list[str]:
    """Give the labels that tickets get: the operator's, none of the data. Raises DeliveryError, permanent."""
    found = list(dict.fromkeys(word for word in (part.strip() for part in target.get("labels").split(",")) if word))
    if len(found) > 10 or any(len(word) > 50 or not word.isprintable() for word in found):
        raise DeliveryError("labels are ten at most, of 50 characters each, with commas between.", permanent=True)
    return found


def web_address(told: object) -> str:
    """Give the address of a ticket as a tracker tells it; nothing when it is none."""
    url = str(told or "")
    is_one = url.startswith(("https://", "http://")) and url.isascii() and url.isprintable() and " " not in url
    return url if is_one and len(url) <= LONGEST_ADDRESS else ""


def _root(place: Place) -> str:
    return f"{place.scheme}://{place.authority}"


def _checked(name: str, value: str) -> str:
    check_header(name, value)
    return value


def _refused(forms: str) -> DeliveryError:
    return DeliveryError(f"url is none of a repository: write {forms}.", permanent=True)
