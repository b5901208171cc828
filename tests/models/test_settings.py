import re
from pathlib import Path

import pytest

from models.settings import PREFIX, Settings, SettingsError, default_data_dir, load_settings

MIB = 1024 * 1024

BAD = [
    ("DATABASE_URL", "mysql://localhost/errhouse"),
    ("DATABASE_URL", "localhost:5432"),
    ("DATA_DIR", ""),
    ("DATA_DIR", "  "),
    ("WEBHOOK_SECRETS", ""),
    ("WEBHOOK_SECRETS", " "),
    ("WEBHOOK_SECRETS", "one,,two"),
    ("WEBHOOK_SECRETS", "one, "),
    ("HOST", ""),
    ("PORT", "0"),
    ("PORT", "65536"),
    ("PORT", "http"),
    ("PORT", ""),
    ("WORKERS", "0"),
    ("WORKERS", "65"),
    ("PUBLIC_URL", "errhouse.example.com"),
    ("PUBLIC_URL", "ftp://errhouse.example.com"),
    ("TLS_CERT_FILE", " "),
    ("TLS_KEY_FILE", "/etc/errhouse/key.pem"),
    ("CONSOLE_USER_HEADER", "two words"),
    ("CONSOLE_HEADER_ROLE", "root"),
    ("MAX_BODY_BYTES", "20MiB"),
    ("MAX_BODY_BYTES", "100"),
    ("MAX_DECODED_BYTES", "-1"),
    ("SPOOL_MAX_BYTES", "1"),
    ("SET_ASIDE_MAX_BYTES", "1"),
    ("PAYLOAD_RETENTION_DAYS", "-1"),
    ("EVENT_RETENTION_DAYS", "-1"),
    ("ROLLUP_RETENTION_DAYS", "x"),
    ("HOUR_GROUP_RETENTION_DAYS", "0"),
    ("FOLD_SECONDS", "0"),
    ("MAINTAIN_SECONDS", "0.5"),
    ("REPORT_RETENTION_DAYS", "-1"),
    ("REPORT_MEMORY_BYTES", "1GiB"),
    ("REPORT_TIME_LIMIT_SECONDS", "0"),
    ("TARGETS_FILE", ""),
    ("SEAL_KEY_FILE", " "),
    ("MESSAGE_RETENTION_DAYS", "-1"),
    ("SCRIPTS_DIR", ""),
    ("SCRIPTS_USER", ""),
    ("PARTITION_DAYS", "2"),
    ("PARTITIONS_AHEAD_DAYS", "0"),
    ("LOAD_BATCH_EVENTS", "0"),
    ("LOAD_BATCH_BYTES", "1"),
    ("LOAD_MAX_WAIT_SECONDS", "-0.1"),
    ("LOAD_MAX_WAIT_SECONDS", "nan"),
    ("READY_MAX_LAG_SECONDS", "0"),
    ("ACK_DEADLINE_SECONDS", "0"),
    ("PROJECT_MAX_REQUESTS_PER_SECOND", "-1"),
    ("PROJECT_MAX_REQUESTS_PER_SECOND", "nan"),
    ("LOG_LEVEL", "loud"),
]


@pytest.mark.parametrize(("name", "value"), BAD)
def test_a_bad_value_is_one_sentence_that_names_its_variable(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(PREFIX + name, value)
    with pytest.raises(SettingsError) as wrong:
        load_settings()
    assert re.fullmatch(rf"{PREFIX}{name} cannot be used: [^\n]+[^.]\.", str(wrong.value))


def test_every_setting_that_can_be_wrong_is_in_the_table_above() -> None:
    anything_goes = {"TRUSTED_PROXIES"}
    assert {name for name, _ in BAD} == set(Settings.model_fields) - anything_goes


def test_a_bad_value_is_not_repeated_since_it_may_be_a_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PREFIX + "DATABASE_URL", "mysql://user:hunter2@localhost/errhouse")
    with pytest.raises(SettingsError) as wrong:
        load_settings()
    assert "hunter2" not in str(wrong.value)
    assert wrong.value.__cause__ is None


def test_secrets_are_split_at_commas_and_do_not_show() -> None:
    settings = load_settings(
        WEBHOOK_SECRETS="sesame, abracadabra ,mellon", DATABASE_URL="postgresql://u:hunter2@localhost/x"
    )
    assert [secret.get_secret_value() for secret in settings.WEBHOOK_SECRETS] == ["sesame", "abracadabra", "mellon"]
    assert not any(secret in repr(settings) for secret in ("sesame", "abracadabra", "mellon", "hunter2"))


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg"])
def test_every_way_to_write_the_scheme_becomes_libpq_s(scheme: str) -> None:
    assert load_settings(DATABASE_URL=f"{scheme}://u@h:1/d").DATABASE_URL == "postgresql://u@h:1/d"


def test_an_empty_database_url_is_none_so_that_a_compose_file_may_leave_it_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PREFIX + "DATABASE_URL", "")
    assert load_settings().DATABASE_URL is None


def test_without_a_variable_the_defaults_are_those_that_are_promised(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", "/data")
    settings = load_settings()
    assert settings.DATABASE_URL is None
    assert str(settings.DATA_DIR) == "/data/errhouse"
    assert settings.WEBHOOK_SECRETS == ()
    assert (settings.HOST, settings.PORT, settings.WORKERS) == ("127.0.0.1", 8000, 1)
    assert settings.public_url == "http://127.0.0.1:8000"
    assert (settings.MAX_BODY_BYTES, settings.PARTITION_DAYS, settings.LOG_LEVEL) == (20 * MIB, 7, "info")
    assert settings.spool_dir == Path("/data/errhouse/spool")


def test_the_data_folder_is_the_user_s_where_none_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert default_data_dir() == tmp_path / ".local" / "share" / "errhouse"


@pytest.mark.parametrize(
    ("overrides", "wanted"),
    [
        ({"HOST": "0.0.0.0", "PORT": 9000}, "http://127.0.0.1:9000"),  # noqa: S104 - told, not bound
        ({"HOST": "errhouse.local"}, "http://errhouse.local:8000"),
        ({"HOST": "::1"}, "http://[::1]:8000"),
        ({"PUBLIC_URL": "https://errors.example.com/sentry/"}, "https://errors.example.com/sentry"),
        ({"PUBLIC_URL": ""}, "http://127.0.0.1:8000"),
    ],
)
def test_senders_are_told_a_url_they_can_reach(overrides: dict[str, object], wanted: str) -> None:
    assert load_settings(**overrides).public_url == wanted


def test_what_the_command_line_says_outranks_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PREFIX + "PORT", "9000")
    assert load_settings().PORT == 9000
    assert load_settings(PORT=9001).PORT == 9001


def test_every_setting_has_a_sentence() -> None:
    told = {name: field.description or "" for name, field in Settings.model_fields.items()}
    assert {name: sentence for name, sentence in told.items() if not sentence.rstrip("`").endswith((".", "it"))} == {}
