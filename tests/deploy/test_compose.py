"""The trial stack starts what there is, with settings that the services know, and opens nothing to others."""

import re
from typing import Any

import pytest
import yaml

from deploy.helm.generate import ROOT, SERVICES, settings_types
from paceline.runtime.settings import describe, hints, load
from simulator.__main__ import parser
from simulator.server import Simulator
from tests.deploy.dockerfile import parse

STACK: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
PARTS: dict[str, Any] = STACK["services"]
OURS = (*SERVICES, "migrate", "simulator")
EXACT = re.compile(r"^docker\.io/[a-z/]+:\d+\.\d+(\.\d+)?(-[a-z]+)?$")
KEY = "A" * 43 + "="


def environment(part: str) -> dict[str, str]:
    """What Compose would hand over, with a key where it asks for one."""
    asked = re.compile(r"^\$\{PACELINE_ENCRYPTION_KEY:\?.*\}$")
    return {name: KEY if asked.match(text) else text for name, text in PARTS[part]["environment"].items()}


def test_every_service_is_there_and_built_from_its_target() -> None:
    targets = {part: PARTS[part]["build"]["target"] for part in OURS}
    assert targets == {part: part for part in OURS}
    assert set(OURS) <= parse((ROOT / "Dockerfile").read_text()).stages.keys()


@pytest.mark.parametrize("service", SERVICES)
def test_its_settings_are_known_and_right(service: str) -> None:
    settings_type = settings_types()[service]
    seen = environment(service)
    settings = load(settings_type, seen)
    assert hints(settings_type, seen) == ()
    assert PARTS[service]["stop_grace_period"] == f"{settings.drain_s + 10:.0f}s"


def test_no_setting_is_unknown_to_all() -> None:
    known = {each.name for settings in settings_types().values() for each in describe(settings)}
    assert {name for service in SERVICES for name in environment(service)} <= known


async def test_the_broker_is_where_the_services_look_for_it() -> None:
    options = parser().parse_args(PARTS["simulator"]["command"])
    there = Simulator()._addresses(options.port, options.control_port)
    here = environment("feed")
    for name, url in there.as_dict().items():
        if name != "control_url":
            assert here[f"PACELINE_FYERS_{name.upper()}"] == url.replace("127.0.0.1", "simulator")
    assert f"{options.control_port}" in there.control_url
    assert options.host == "0.0.0.0"  # noqa: S104 - a container's own


def test_only_this_machine_reaches_in() -> None:
    published = [port for part in PARTS.values() for port in part.get("ports", ())]
    assert published
    assert all(port.startswith("127.0.0.1:") for port in published)


@pytest.mark.parametrize("part", OURS)
def test_what_is_ours_is_confined(part: str) -> None:
    assert PARTS[part]["read_only"] is True
    assert PARTS[part]["cap_drop"] == ["ALL"]
    assert PARTS[part]["security_opt"] == ["no-new-privileges:true"]


def test_what_is_not_ours_is_of_an_exact_version() -> None:
    images = {name: part["image"] for name, part in PARTS.items() if "image" in part}
    assert images.keys() == {"postgres", "valkey"}
    assert all(EXACT.match(image) for image in images.values())
