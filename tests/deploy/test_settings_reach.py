"""Every setting of every service can be said in values and reaches its process; no other can be said.

A service that gains or loses a setting turns this red until `python -m deploy.helm.generate` has been run.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any

import pytest

from deploy.helm import generate
from deploy.helm.generate import SCHEMA, SERVICES
from deploy.helm.settings_schema import OWNED, key_of, of_service
from paceline.runtime.common_settings import CommonSettings
from paceline.runtime.settings import Secret, describe, hints, load, setting
from tests.deploy.chart import Rendered, production_values, render

LEFT_TO_THE_PROCESS = {"PACELINE_REPLICA_ID"}
OF_PINNED_PODS = {"PACELINE_PINNED_ACCOUNTS"}
IN_THE_SECRETS = {
    "PACELINE_POSTGRES_URL": "postgresql://paceline:word@db.example.com:5432/paceline",
    "PACELINE_REDIS_URL": "rediss://cache.example.com:6379/0",
    "PACELINE_ENCRYPTION_KEY": "first:" + "A" * 43 + "=",
}
MOUNTED = "/etc/paceline/tls"

each_service = pytest.mark.parametrize("service", SERVICES)


def settings_of(service: str) -> type[Any]:
    return generate.settings_types()[service]


def schema_of(service: str, part: str) -> dict[str, Any]:
    definitions = json.loads(SCHEMA.read_text())["$defs"]
    properties = definitions[f"{service}{part}"]["properties"]
    shared = definitions[f"common{part}"]["properties"]
    return {
        key: shared[key] if "commonSettings" in each.get("$ref", "") else each
        for key, each in properties.items()
    }


def sample(schema: Mapping[str, Any], number: int) -> Any:
    """A value that the schema takes; `number` keeps two of them apart."""
    lowest = schema.get("minimum", 0)
    match schema.get("type"):
        case None:
            return schema["enum"][-1]
        case "boolean":
            return True
        case "integer":
            return max(lowest, schema.get("maximum", lowest + 2 * number) - number)
        case "number" | ["number", "string"]:
            return (lowest + schema.get("maximum", lowest + 1)) / 2
        case "array":
            return [sample(schema["items"], number), sample(schema["items"], number + 1)]
    return schema["enum"][-1] if "enum" in schema else _text(schema.get("pattern", ""), number)


def _text(pattern: str, number: int) -> str:
    scheme = pattern.removeprefix("^(").partition(")")[0].partition("|")[0]
    return f"{scheme}://host-{number}.example.com:4317" if "://" in pattern else f"text-{number}"


def as_read(value: Any) -> str:
    """The text a process must find for a value."""
    if isinstance(value, list):
        return ",".join(as_read(item) for item in value)
    if isinstance(value, float):
        return f"{value:g}"
    return str(value).lower() if isinstance(value, bool) else str(value)


def said(service: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """A sample of every setting, and a reference for every secret, that the chart knows of a service."""
    settings = {
        key: sample(schema, number)
        for number, (key, schema) in enumerate(schema_of(service, "Settings").items(), start=1)
    }
    secrets = {key: {"existingSecret": f"for-{service}", "key": key} for key in schema_of(service, "Secrets")}
    return settings, secrets


def rendered_with(service: str, settings: Mapping[str, Any], secrets: Mapping[str, Any]) -> Rendered:
    own = {"settings": settings, "secrets": secrets, "tls": {"existingSecret": "mesh"}}
    return render({"services": {service: own}})


@each_service
def test_every_setting_reaches_its_process_and_no_other_does(service: str) -> None:
    settings, secrets = said(service)
    seen = rendered_with(service, settings, secrets).environment(service, {})
    in_the_pod = {name for name in seen if name.startswith("PACELINE_")}
    in_the_code = {each.name for each in describe(settings_of(service))}
    assert in_the_pod == in_the_code - LEFT_TO_THE_PROCESS - OF_PINNED_PODS


@each_service
def test_a_setting_arrives_as_it_was_said(service: str) -> None:
    settings, secrets = said(service)
    seen = rendered_with(service, settings, secrets).environment(service, {})
    arrived = {key: seen[f"PACELINE_{key.upper()}"] for key in settings}
    assert arrived == {key: as_read(value) for key, value in settings.items()}


@each_service
def test_a_secret_comes_from_the_secret_that_was_named(service: str) -> None:
    settings, secrets = said(service)
    container = rendered_with(service, settings, secrets).container(service)
    references = {
        each["name"]: each["valueFrom"]["secretKeyRef"]
        for each in container["env"]
        if "secretKeyRef" in each.get("valueFrom", {})
    }
    assert references == {
        f"PACELINE_{key.upper()}": {"name": f"for-{service}", "key": key} for key in secrets
    }
    assert {f"PACELINE_{key.upper()}" for key in secrets} == {
        each.name for each in describe(settings_of(service)) if each.secret
    }


@each_service
def test_the_schema_knows_exactly_the_settings_of_the_code(service: str) -> None:
    reachable = of_service(settings_of(service))
    assert schema_of(service, "Settings").keys() == reachable.settings.keys()
    assert schema_of(service, "Secrets").keys() == reachable.secrets
    known = {key_of(name) for name in OWNED}
    assert not known & (reachable.settings.keys() | reachable.secrets)


@each_service
def test_a_default_release_starts(service: str) -> None:
    seen = render().environment(service, IN_THE_SECRETS)
    settings = load(settings_of(service), seen)
    assert settings.grpc_host == "0.0.0.0"  # noqa: S104 - compared with, not bound to
    assert settings.advertise_address == "$(POD_IP):50051"
    assert hints(settings_of(service), seen) == ()


@each_service
def test_a_production_release_starts(service: str, tmp_path: Path) -> None:
    seen = render(production_values()).environment(service, IN_THE_SECRETS)
    for name in ("tls.crt", "tls.key", "ca.crt"):
        (tmp_path / name).write_text("PEM")
    here = {name: value.replace(MOUNTED, str(tmp_path)) for name, value in seen.items()}
    settings = load(settings_of(service), here)
    assert settings.tls_required
    assert settings.drain_s == 42.5
    assert settings.tls_authority_file == tmp_path / "ca.crt"
    assert hints(settings_of(service), here) == ()


@each_service
def test_a_setting_of_another_service_is_not_taken_for_a_slip(service: str) -> None:
    """One environment for all of them is how the command line starts them."""
    everything = {each.name: "" for name in SERVICES for each in describe(settings_of(name))}
    assert hints(settings_of(service), everything) == ()


def test_the_chart_and_its_document_are_as_the_generator_writes_them(
    capsys: pytest.CaptureFixture[str],
) -> None:
    code = generate.main(["--check"])
    assert code == 0, f"{capsys.readouterr().out}run: python -m deploy.helm.generate"


class Pace(Enum):
    SLOW = "slow"
    FAST = "fast"


@dataclass(frozen=True, kw_only=True, slots=True)
class Grown(CommonSettings):
    """A service that gained settings of every kind."""

    pace: Pace = setting(default=Pace.SLOW, about="how it goes")
    windows: tuple[int, ...] = setting(default=(1, 60), minimum=1, about="seconds")
    allowance: Decimal = setting(default=Decimal("0.5"), minimum=0, maximum=5, about="percent")
    broker_url: str = setting(schemes=("https", "http"), about="where the broker is")
    door_key: Secret | None = setting(default=None, about="opens the door")
    drain_s: float = setting(default=30.0, minimum=1, maximum=600, about="longer than others")


@pytest.fixture
def grown() -> dict[str, Any]:
    text = generate.schema_with(SCHEMA.read_text(), dict.fromkeys(SERVICES, CommonSettings) | {"feed": Grown})
    definitions: dict[str, Any] = json.loads(text)["$defs"]
    return definitions


def test_a_new_setting_is_described_as_it_is_declared(grown: dict[str, Any]) -> None:
    settings = grown["feedSettings"]["properties"]
    assert settings["pace"] == {"description": "how it goes", "enum": ["slow", "fast"], "default": "slow"}
    assert settings["windows"]["items"] == {"pattern": "^[^,]+$", "type": "integer", "minimum": 1}
    assert settings["windows"]["default"] == [1, 60]
    assert settings["allowance"]["type"] == ["number", "string"]
    assert settings["broker_url"]["pattern"] == "^(https|http)://.+"
    assert settings["drain_s"]["default"] == 30.0
    assert settings["log_level"] == {"$ref": "#/$defs/commonSettings/properties/log_level"}
    assert grown["feedSettings"]["required"] == ["broker_url"]
    assert grown["feedSettings"]["additionalProperties"] is False


def test_a_new_secret_is_a_reference_and_never_a_setting(grown: dict[str, Any]) -> None:
    assert "door_key" not in grown["feedSettings"]["properties"]
    assert grown["feedSecrets"]["properties"]["door_key"] == {"$ref": "#/$defs/secretReference"}


def test_a_setting_that_the_chart_lacks_is_noticed() -> None:
    before = SCHEMA.read_text()
    assert generate.schema_with(before, {**generate.settings_types(), "feed": Grown}) != before


def test_a_setting_that_only_the_chart_knows_is_noticed() -> None:
    schema = json.loads(SCHEMA.read_text())
    schema["$defs"]["feedSettings"]["properties"]["bogus"] = {"type": "string"}
    planted = json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
    assert generate.schema_with(planted, generate.settings_types()) != planted


def test_a_setting_without_the_prefix_is_refused() -> None:
    with pytest.raises(ValueError, match="SOMETHING_ELSE"):
        key_of("SOMETHING_ELSE")
