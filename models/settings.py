"""Every setting of the program: one class, one prefix, one list. `docs/settings.md` is made from here."""

import os
import re
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from models.errors import ModelsError

PREFIX = "ERRHOUSE_"
MIB = 1024 * 1024


class SettingsError(ModelsError):
    """A setting has a value that cannot be used; the message names it and says what would do."""


def default_data_dir() -> Path:
    """Return the user's data folder for errhouse, by the XDG rule."""
    home = os.environ.get("XDG_DATA_HOME")
    return (Path(home) if home else Path.home() / ".local" / "share") / "errhouse"


def _postgresql_url(url: str | None) -> str | None:
    if not url:
        return None
    scheme = url.partition("://")[0]
    if scheme not in {"postgresql", "postgres", "postgresql+psycopg"}:
        raise ValueError("it must begin with postgresql://")
    return "postgresql" + url[len(scheme) :]


class Settings(BaseSettings):
    """What can be set, each by an environment variable with the prefix `ERRHOUSE_`."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_ignore_empty=False, extra="ignore", frozen=True)

    DATABASE_URL: Annotated[str | None, AfterValidator(_postgresql_url)] = Field(
        None,
        repr=False,
        description="PostgreSQL 15 to 18 to load into, as `postgresql://user:password@host:port/name`. "
        "Unset: an embedded PostgreSQL 18 under `DATA_DIR`.",
    )
    DATA_DIR: Path = Field(
        default_factory=default_data_dir,
        description="Folder of the spool, the embedded database and generated secrets; made with mode 0700.",
    )
    WEBHOOK_SECRETS: Annotated[tuple[SecretStr, ...], NoDecode] = Field(
        (),
        description="Client Secrets of Sentry integrations, comma separated; all are valid at once, for rotation. "
        "Unset: one is generated on first start, stored in `DATA_DIR` and printed. Empty is refused.",
    )
    HOST: str = Field("127.0.0.1", description="Address the receiver listens on; `0.0.0.0` for every interface.")
    PORT: int = Field(8000, ge=1, le=65535, description="TCP port the receiver listens on.")
    WORKERS: int = Field(
        1, ge=1, le=64, description="Receiver processes; each has its own spool. One serves some thousand events/s."
    )
    PUBLIC_URL: str | None = Field(
        None,
        description="URL under which senders reach this service, for the DSNs and hook addresses that are printed. "
        "Unset: `http://HOST:PORT`, or `https://` with a certificate.",
    )
    TLS_CERT_FILE: Path | None = Field(
        None,
        description="PEM file of a certificate with its chain. With `TLS_KEY_FILE`, the receiver speaks HTTPS on "
        "`PORT`, by TLS 1.2 or newer. Read again when it changes. Unset: plain HTTP.",
    )
    TLS_KEY_FILE: Path | None = Field(
        None,
        validate_default=True,
        description="PEM file of the private key of `TLS_CERT_FILE`, without a password; both are set, or neither.",
    )
    TRUSTED_PROXIES: str = Field(
        "127.0.0.1",
        description="Addresses of proxies, comma separated, whose X-Forwarded-For is believed; `*` believes everybody.",
    )
    CONSOLE_USER_HEADER: str | None = Field(
        None,
        description="Header by which a proxy of `TRUSTED_PROXIES` names who uses the console, such as "
        "`X-Forwarded-User`; the proxy must set X-Forwarded-For, and remove the header from what it is sent. "
        "Unset: people log in with a password.",
    )
    CONSOLE_HEADER_ROLE: str = Field(
        "viewer",
        description="Role of people whom the proxy names and `errhouse user` does not know: viewer, analyst, admin, or "
        "`none`, which refuses them.",
    )
    MAX_BODY_BYTES: int = Field(
        20 * MIB, ge=1024, description="Largest request body in bytes, as sent; larger ones are answered 413."
    )
    MAX_DECODED_BYTES: int = Field(
        64 * MIB,
        ge=1024,
        description="Largest request body in bytes once decompressed; larger ones are answered 413.",
    )
    PROJECT_MAX_REQUESTS_PER_SECOND: float = Field(
        0,
        ge=0,
        le=1_000_000,
        description="Most requests a second that one receiver takes from SDKs for one project, ten seconds of them at "
        "once; more are answered 429, and the SDK pauses for 10 s. Webhooks are never limited. 0: no limit.",
    )
    SPOOL_MAX_BYTES: int = Field(
        4096 * MIB,
        ge=MIB,
        description="Largest size in bytes of one receiver's spool; when it is full senders are answered 503.",
    )
    SET_ASIDE_MAX_BYTES: int = Field(
        1024 * MIB,
        ge=MIB,
        description="Bytes kept of what could not become a row; past it the oldest records are removed, and counted.",
    )
    PAYLOAD_RETENTION_DAYS: int = Field(
        30, ge=0, description="Days for which an event's own JSON is kept; 0 keeps none."
    )
    EVENT_RETENTION_DAYS: int = Field(
        0, ge=0, description="Days for which events are kept after they occurred; 0 keeps them for ever."
    )
    ROLLUP_RETENTION_DAYS: int = Field(
        0,
        ge=0,
        description="Days for which rollups are kept; 0 keeps them for ever. They never go before their events.",
    )
    HOUR_GROUP_RETENTION_DAYS: int = Field(
        14, ge=1, le=366, description="Days for which the hourly counts of single issues are kept."
    )
    FOLD_SECONDS: float = Field(
        5, gt=0, le=3600, description="Seconds between two foldings of what was loaded into the rollups."
    )
    MAINTAIN_SECONDS: float = Field(
        3600, ge=1, description="Seconds between two runs of what `errhouse db maintain` does, by `errhouse serve`."
    )
    REPORT_RETENTION_DAYS: int = Field(
        400, ge=0, description="Days for which the files that scheduled reports made are kept; 0 keeps them for ever."
    )
    REPORT_MEMORY_BYTES: int = Field(
        1024 * MIB,
        ge=128 * MIB,
        description="Most memory in bytes of the process that makes one report; past it, it is ended and told.",
    )
    REPORT_TIME_LIMIT_SECONDS: float = Field(
        600,
        gt=0,
        le=86_400,
        description="Seconds that one report may take, with sending it; then it is ended and told.",
    )
    SCRIPTS_DIR: Path | None = Field(
        None,
        description="Folder of the automation scripts, which nobody but its owner may write to. "
        "Unset: `DATA_DIR/scripts`.",
    )
    SCRIPTS_USER: str = Field(
        "nobody",
        min_length=1,
        description="User as whom scripts run when errhouse runs as root; otherwise they run as errhouse does.",
    )
    TARGETS_FILE: Path | None = Field(
        None,
        description="TOML file of targets for messages, beside those of `errhouse target add`: a table of each name, "
        "with its channel and options; a value may be `env:NAME` or `file:/path`. Unset: there is none.",
    )
    SEAL_KEY_FILE: Path | None = Field(
        None,
        description="File of the keys by which secrets of targets are sealed in the database; readable by its owner "
        "alone. Unset: `DATA_DIR/seal.key`, which is made when a secret is first to be sealed.",
    )
    MESSAGE_RETENTION_DAYS: int = Field(
        30,
        ge=0,
        description="Days for which messages that were sent or given up are kept, with every attempt at them; "
        "0 keeps them for ever.",
    )
    PARTITION_DAYS: int = Field(
        7,
        description="Days in one partition of the fact: 7 up to about a million events a day, 1 above. "
        "Applies to partitions made from then on.",
    )
    PARTITIONS_AHEAD_DAYS: int = Field(14, ge=1, le=366, description="Days for which partitions are made in advance.")
    LOAD_BATCH_EVENTS: int = Field(2000, ge=1, le=100_000, description="Most events in one loading transaction.")
    LOAD_BATCH_BYTES: int = Field(
        32 * MIB, ge=1024, description="Most payload bytes in one loading transaction; bounds the loader's memory."
    )
    LOAD_MAX_WAIT_SECONDS: float = Field(
        0.2, ge=0, le=10, description="Longest time in seconds an event waits for company before it is loaded."
    )
    READY_MAX_LAG_SECONDS: float = Field(
        60, gt=0, description="Age in seconds of the oldest unloaded event at which `/readyz` turns 503."
    )
    ACK_DEADLINE_SECONDS: float = Field(
        0.6,
        gt=0,
        le=60,
        description="Seconds a sender waits for its bytes to be durable before it is answered 503; they are kept "
        "all the same. Sentry gives up after 1 s.",
    )
    LOG_LEVEL: str = Field("info", description="Least level that is logged: debug, info, warning or error.")

    @field_validator("WEBHOOK_SECRETS", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        secrets = [part.strip() for part in value.split(",")]
        if not all(secrets):
            raise ValueError("a secret is empty, so anyone could sign; give it a value or unset the variable")
        return secrets

    @field_validator("PARTITION_DAYS")
    @classmethod
    def _day_or_week(cls, value: int) -> int:
        if value not in {1, 7}:
            raise ValueError("it must be 1 or 7")
        return value

    @field_validator("TLS_KEY_FILE")
    @classmethod
    def _pair(cls, value: Path | None, told: ValidationInfo) -> Path | None:
        if (value is None) != (told.data.get("TLS_CERT_FILE") is None):
            raise ValueError("it goes together with ERRHOUSE_TLS_CERT_FILE; set both, or neither")
        return value

    @field_validator(
        "DATA_DIR",
        "HOST",
        "SCRIPTS_DIR",
        "TARGETS_FILE",
        "SEAL_KEY_FILE",
        "TLS_CERT_FILE",
        "TLS_KEY_FILE",
        mode="before",
    )
    @classmethod
    def _told(cls, value: Any) -> Any:
        if isinstance(value, str) and not value.strip():
            raise ValueError("it is empty; give it a value or unset the variable")
        return value

    @field_validator("PUBLIC_URL")
    @classmethod
    def _web_url(cls, value: str | None) -> str | None:
        if value and not re.match(r"https?://[^/?#\s]", value):
            raise ValueError("it must begin with http:// or https:// and name a host")
        return value

    @field_validator("CONSOLE_USER_HEADER")
    @classmethod
    def _header(cls, value: str | None) -> str | None:
        if value and not re.fullmatch(r"[A-Za-z0-9-]{1,80}", value):
            raise ValueError("it must be the name of one header, such as X-Forwarded-User")
        return value or None

    @field_validator("CONSOLE_HEADER_ROLE")
    @classmethod
    def _known_role(cls, value: str) -> str:
        if value.lower() not in {"viewer", "analyst", "admin", "none"}:
            raise ValueError("it must be viewer, analyst, admin or none")
        return value.lower()

    @field_validator("LOG_LEVEL")
    @classmethod
    def _known_level(cls, value: str) -> str:
        if value.lower() not in {"debug", "info", "warning", "error"}:
            raise ValueError("it must be debug, info, warning or error")
        return value.lower()

    @cached_property
    def public_url(self) -> str:
        """Return the URL senders use, without a slash at its end."""
        host = "127.0.0.1" if self.HOST in {"0.0.0.0", "::"} else self.HOST  # noqa: S104 - compared, not bound
        host = f"[{host}]" if ":" in host else host
        return (self.PUBLIC_URL or f"{self.scheme}://{host}:{self.PORT}").rstrip("/")

    @property
    def scheme(self) -> str:
        """Return what receivers speak."""
        return "https" if self.TLS_CERT_FILE else "http"

    @property
    def scripts_dir(self) -> Path:
        """Return the folder of automation scripts."""
        return self.SCRIPTS_DIR or self.DATA_DIR / "scripts"

    @property
    def spool_dir(self) -> Path:
        """Return the folder that holds one spool a receiver."""
        return self.DATA_DIR / "spool"


def load_settings(**overrides: Any) -> Settings:
    """
    Read the settings from the environment; `overrides` come from the command line and outrank it.

    Raises: SettingsError, one sentence naming the variable.
    """
    try:
        return Settings(**overrides)
    except ValidationError as error:
        first = error.errors()[0]
        name = PREFIX + ".".join(str(part) for part in first["loc"][:1])
        said = first["msg"].removeprefix("Value error, ")
        raise SettingsError(f"{name} cannot be used: {said[:1].lower()}{said[1:]}.") from None
