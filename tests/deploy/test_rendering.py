"""Helm renders and lints the chart, and every Kubernetes it is meant for takes what comes out."""

import shutil
import tomllib
from pathlib import Path
from typing import Any

import kubernetes_validate  # type: ignore[import-untyped]
import pytest
import yaml
from helm_python.chart import lint

from deploy.helm.generate import ROOT
from tests.deploy.chart import CHART, Rendered, Values, loaded, production_values, render

KUBERNETES = ("1.29", "1.30", "1.31", "1.32", "1.33", "1.34", "1.35", "1.36")
CUSTOM = frozenset({"ServiceMonitor"})
_WARNING = 2
VALUES: dict[str, Values] = {"default": {}, "production": production_values()}

Problems = list[str]


def kubernetes_problems(rendered: Rendered, version: str) -> Problems:
    problems = []
    for manifest in rendered.manifests:
        if manifest["kind"] in CUSTOM:
            continue
        try:
            kubernetes_validate.validate(manifest, version, strict=True)
        except kubernetes_validate.ValidationError as error:
            problems.append(f"{manifest['kind']}/{manifest['metadata']['name']}: {error.message}")
    return problems


@pytest.fixture(params=VALUES.values(), ids=list(VALUES))
def values(request: pytest.FixtureRequest) -> Values:
    given: Values = request.param
    return given


@pytest.mark.parametrize("version", KUBERNETES)
def test_kubernetes_takes_every_object(values: Values, version: str) -> None:
    assert kubernetes_problems(render(values), version) == []


def test_a_planted_field_is_noticed() -> None:
    rendered = render()
    rendered.one("Deployment", "feed")["spec"]["replica"] = 2
    assert any("replica" in problem for problem in kubernetes_problems(rendered, "1.36"))


@pytest.mark.parametrize("version", KUBERNETES)
def test_the_strict_linter_finds_nothing(values: Values, version: str) -> None:
    report: dict[str, Any] = lint(CHART, dict(values), strict=True, kube_version=f"{version}.0")
    assert [each for each in report["messages"] if each["severity"] >= _WARNING] == []
    assert report["errors"] == []
    assert report["total_charts_linted"] == 1


def test_a_planted_slip_is_noticed(tmp_path: Path) -> None:
    planted = shutil.copytree(CHART, tmp_path / "paceline")
    (planted / "templates/planted.yaml").write_text(
        "kind: ConfigMap\nmetadata: {name: {{ .Values.nowhere.name }}}\n"
    )
    report: dict[str, Any] = lint(planted, strict=True)
    assert any("nowhere" in str(each["error"]) for each in report["messages"])


def test_only_the_custom_objects_are_left_unjudged() -> None:
    kinds = {manifest["kind"] for manifest in render(production_values()).manifests}
    assert kinds & CUSTOM == CUSTOM
    assert kinds - CUSTOM == {
        "ConfigMap",
        "Deployment",
        "HorizontalPodAutoscaler",
        "Job",
        "NetworkPolicy",
        "PodDisruptionBudget",
        "Service",
        "ServiceAccount",
    }


def test_a_service_monitor_asks_every_service(values: Values) -> None:
    rendered = render({**values, "metrics": {"serviceMonitor": {"enabled": True}}})
    (monitor,) = rendered.of_kind("ServiceMonitor")
    wanted = monitor["spec"]["selector"]["matchLabels"].items()
    services = rendered.of_kind("Service")
    assert all(wanted <= service["metadata"]["labels"].items() for service in services)
    (endpoint,) = monitor["spec"]["endpoints"]
    assert all(
        endpoint["port"] in {port["name"] for port in service["spec"]["ports"]} for service in services
    )


def test_nothing_that_needs_an_operator_is_rendered_unasked() -> None:
    assert {manifest["kind"] for manifest in render().manifests} & CUSTOM == set()


def test_rendering_twice_gives_the_same(values: Values) -> None:
    assert render(values) == render(values)


def test_the_chart_is_of_the_version_of_the_application() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert loaded().metadata["appVersion"] == project["version"]


def test_templates_hold_no_tabs_and_values_no_duplicate_keys() -> None:
    for template in loaded().templates:
        assert "\t" not in template["data"], template["name"]
    yaml.load((CHART / "values.yaml").read_text(), Loader=_StrictLoader)  # noqa: S506 - a safe loader


class _StrictLoader(yaml.SafeLoader):
    """Refuses a key said twice, where YAML quietly keeps the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        assert len(keys) == len(set(keys)), f"said twice: {keys}"
        mapping: dict[Any, Any] = super().construct_mapping(node, deep=deep)
        return mapping


def test_the_notes_warn_of_plain_text_only_where_it_is_spoken() -> None:
    assert "plain text" in render().notes
    assert "plain text" not in render(production_values()).notes
