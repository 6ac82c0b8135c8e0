"""The images are small, locked, versioned and run as nobody."""

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from deploy.helm.generate import ROOT, SERVICES
from tests.deploy.chart import render
from tests.deploy.dockerfile import parse

PATH = ROOT / "Dockerfile"
FILE = parse(PATH.read_text())
TARGETS = (*SERVICES, "migrate", "simulator")
PORTS = {"50051", "9464"}
EXACT_TAG = re.compile(r"^docker\.io/library/python:3\.\d+\.\d+-slim-[a-z]+$")
HADOLINT = Path(sys.executable).with_name("hadolint")

each_target = pytest.mark.parametrize("target", TARGETS)


def complaints(path: Path) -> list[str]:
    """What hadolint has to say at its strictest; exceptions written into the file do not count."""
    options = ["--format", "json", "--failure-threshold", "style", "--disable-ignore-pragma"]
    result = subprocess.run(
        [str(HADOLINT), *options, "--trusted-registry", "docker.io", str(path)],
        capture_output=True,
        text=True,
        check=False,
    )
    return [f"{each['line']}: {each['code']} {each['message']}" for each in json.loads(result.stdout)]


def test_hadolint_finds_nothing() -> None:
    assert complaints(PATH) == []


def test_hadolint_would_find_a_floating_version(tmp_path: Path) -> None:
    planted = tmp_path / "Dockerfile"
    planted.write_text(
        PATH.read_text().replace("3.11.15-slim-trixie", "latest").replace('"uv==${UV_VERSION}"', "uv")
    )
    found = "\n".join(complaints(planted))
    assert "DL3013" in found


def test_there_is_an_image_for_everything_the_chart_runs() -> None:
    named = {container["image"].split("/")[-1].partition(":")[0] for _, container in render().containers()}
    assert named == FILE.stages.keys() - {"build", "runtime", "simulator"}


@each_target
def test_an_image_stands_on_an_exact_version(target: str) -> None:
    assert EXACT_TAG.match(FILE.image(target))


def test_what_is_built_and_what_runs_have_the_same_python() -> None:
    assert {FILE.image(stage) for stage in FILE.stages} == {FILE.image("build")}


@each_target
def test_an_image_runs_as_nobody(target: str) -> None:
    user, _, group = FILE.last(target, "USER").arguments.partition(":")
    assert int(user) > 0
    assert int(group) > 0
    pod = dict(render().pods())["paceline-feed"]["spec"]["securityContext"]
    assert (int(user), int(group)) == (pod["runAsUser"], pod["runAsGroup"])


@each_target
def test_an_image_needs_no_shell_and_is_told_to_end_by_sigterm(target: str) -> None:
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    command = FILE.last(target, "ENTRYPOINT").exec_form()
    assert command[0] in scripts
    assert command == (["paceline", "migrate"] if target == "migrate" else [f"paceline-{target}"])
    assert FILE.last(target, "STOPSIGNAL").arguments == "SIGTERM"
    assert not any(stage.all("CMD") for stage in FILE.lineage(target))


@pytest.mark.parametrize("service", SERVICES)
def test_the_ports_of_an_image_are_those_of_the_chart(service: str) -> None:
    exposed = {port for each in FILE.stages[service].all("EXPOSE") for port in each.arguments.split()}
    assert exposed == PORTS
    assert exposed == {str(port["containerPort"]) for port in render().container(service)["ports"]}


def test_the_environment_is_the_lock_file_s_and_nothing_else() -> None:
    installs = [each.arguments for each in FILE.stages["build"].all("RUN") if "uv sync" in each.arguments]
    assert installs
    for install in installs:
        assert install.split()[:4] == ["uv", "sync", "--locked", "--no-dev"]
        assert "extra" not in install
    assert "--no-editable" in installs[-1]


def test_uv_is_of_an_exact_version_and_stays_in_the_build() -> None:
    (version,) = FILE.stages["build"].all("ARG")
    assert re.fullmatch(r"UV_VERSION=\d+\.\d+\.\d+", version.arguments)
    (install,) = (
        each.arguments for each in FILE.stages["build"].all("RUN") if "pip install" in each.arguments
    )
    assert '"uv==${UV_VERSION}"' in install
    for target in TARGETS:
        runs = [each.arguments for stage in FILE.lineage(target) for each in stage.all("RUN")]
        assert not any(word in run for run in runs for word in ("uv", "apt", "pip install"))


@each_target
def test_an_image_holds_the_environment_and_no_sources(target: str) -> None:
    copies = [each for stage in FILE.lineage(target) for each in stage.all("COPY")]
    assert [(each.flags, each.arguments) for each in copies] == [
        ({"from": "build"}, "/opt/paceline /opt/paceline")
    ]
    assert not any(stage.all("ADD") for stage in FILE.stages.values())


def test_installers_are_taken_out_of_what_runs() -> None:
    runs = [each.arguments for each in FILE.stages["runtime"].all("RUN")]
    assert any(run.startswith("pip uninstall --yes") and "setuptools" in run for run in runs)


def test_nothing_secret_can_be_sent_to_the_build() -> None:
    lines = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if not line.startswith("#")]
    allowed = {line.removeprefix("!") for line in lines if line.startswith("!")}
    assert lines[0] == "*"
    copied = {word for each in FILE.stages["build"].all("COPY") for word in each.arguments.split()[:-1]}
    assert allowed == copied
