"""The settings every service has."""

import base64
import socket
from dataclasses import replace
from pathlib import Path

import pytest

from paceline.runtime.common_settings import CommonSettings, LogLevel, advertised_address
from paceline.runtime.settings import SettingsError, load

STORES = {
    "PACELINE_POSTGRES_URL": "postgresql://u:hunter2@db:5432/paceline",
    "PACELINE_REDIS_URL": "redis://r:6379/0",
}
KEY = base64.urlsafe_b64encode(bytes(range(32))).decode()


def refusal(environ: dict[str, str]) -> str:
    with pytest.raises(SettingsError) as caught:
        load(CommonSettings, {**STORES, **environ})
    return str(caught.value)


def test_the_two_stores_suffice() -> None:
    settings = load(CommonSettings, STORES)
    assert settings.log_level is LogLevel.INFO
    assert settings.otlp_endpoint is None


def test_no_store_password_is_in_the_repr() -> None:
    assert "hunter2" not in repr(load(CommonSettings, STORES))


def test_the_older_names_are_read() -> None:
    older = {
        "DATABASE_URL": "postgresql+asyncpg://u@db/x",
        "REDIS_URL": "redis://r",
        "LOG_LEVEL": "WARNING",
        "ENCRYPTION_KEY": KEY,
    }
    settings = load(CommonSettings, older)
    assert settings.postgres_url.reveal() == "postgresql://u@db/x"
    assert settings.log_level is LogLevel.WARNING
    assert [key.reveal() for key in settings.encryption_keys] == [KEY]


def test_a_socket_is_a_place_too() -> None:
    environ = {
        "PACELINE_POSTGRES_URL": "postgresql://u@/db?host=/tmp/x&port=5433",
        "PACELINE_REDIS_URL": "unix://:p@/tmp/redis.sock?db=0",
    }
    assert load(CommonSettings, environ).postgres_url.reveal() == environ["PACELINE_POSTGRES_URL"]


def test_every_start_is_a_new_replica() -> None:
    assert load(CommonSettings, STORES).replica_id != load(CommonSettings, STORES).replica_id


def test_keys_may_be_named_and_several() -> None:
    settings = load(CommonSettings, {**STORES, "PACELINE_ENCRYPTION_KEY": f"2026:{KEY}, 2025:{KEY}"})
    assert len(settings.encryption_keys) == 2


@pytest.mark.parametrize(("key", "words"), [("c2hvcnQ=", "holds 5 bytes where 32"), ("!", "is not base64")])
def test_a_bad_key_is_refused_unseen(key: str, words: str) -> None:
    message = refusal({"PACELINE_ENCRYPTION_KEY": key})
    assert words in message
    assert key not in message


def test_certificate_and_key_go_together(tmp_path: Path) -> None:
    certificate = tmp_path / "tls.crt"
    certificate.touch()
    assert "go together" in refusal({"PACELINE_TLS_CERTIFICATE_FILE": str(certificate)})


def test_a_file_must_be_there() -> None:
    assert "is not a file" in refusal({"PACELINE_TLS_AUTHORITY_FILE": "/nowhere/ca.crt"})


def test_required_tls_needs_an_identity() -> None:
    assert "TLS is required" in refusal({"PACELINE_TLS_REQUIRED": "true"})


def test_the_advertised_address_can_be_dialled_from_elsewhere() -> None:
    settings = load(CommonSettings, STORES)
    assert advertised_address(settings, 7000) == "127.0.0.1:7000"
    everywhere = replace(settings, grpc_host="0.0.0.0")  # noqa: S104 - nothing is bound here
    assert advertised_address(everywhere, 7000) == f"{socket.gethostname()}:7000"
    assert advertised_address(replace(settings, advertise_address="pod-1:50051"), 7000) == "pod-1:50051"
