"""The chart as Helm renders it, with the questions the tests ask of it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

import yaml
from helm_python.chart import Chart

from deploy.helm.generate import ROOT

Manifest: TypeAlias = dict[str, Any]
Values: TypeAlias = Mapping[str, Any]

CHART = ROOT / "deploy/helm/paceline"
PRODUCTION = Path(__file__).with_name("values-production.yaml")
RELEASE = "paceline"
NAMESPACE = "trading"


@cache
def loaded() -> Chart:
    return Chart.load(CHART)


@cache
def production_values() -> Manifest:
    values: Manifest = yaml.safe_load(PRODUCTION.read_text())
    return values


@dataclass(frozen=True, slots=True)
class Rendered:
    """The objects of one release, and its notes."""

    manifests: tuple[Manifest, ...]
    notes: str

    def of_kind(self, kind: str) -> list[Manifest]:
        return [each for each in self.manifests if each["kind"] == kind]

    def one(self, kind: str, component: str) -> Manifest:
        (found,) = (each for each in self.of_kind(kind) if component_of(each) == component)
        return found

    def pods(self) -> Iterator[tuple[str, Manifest]]:
        """Name and pod template of everything that runs."""
        for kind in ("Deployment", "Job"):
            for each in self.of_kind(kind):
                yield each["metadata"]["name"], each["spec"]["template"]

    def containers(self) -> Iterator[tuple[str, Manifest]]:
        for name, template in self.pods():
            spec = template["spec"]
            for container in (*spec.get("initContainers", ()), *spec["containers"]):
                yield f"{name}/{container['name']}", container

    def container(self, component: str) -> Manifest:
        (container,) = self.one("Deployment", component)["spec"]["template"]["spec"]["containers"]
        found: Manifest = container
        return found

    def environment(self, component: str, secrets: Mapping[str, str]) -> dict[str, str]:
        """What a process of the service would see, with `secrets` as what the Secrets hold, by variable."""
        container = self.container(component)
        seen: dict[str, str] = {}
        for source in container["envFrom"]:
            name = source["configMapRef"]["name"]
            (data,) = (each["data"] for each in self.of_kind("ConfigMap") if each["metadata"]["name"] == name)
            seen |= data
        for variable in container["env"]:
            given = variable.get("value")
            seen[variable["name"]] = (
                given if given is not None else secrets.get(variable["name"], "from-cluster")
            )
        return seen


def component_of(manifest: Manifest) -> str:
    component: str = manifest["metadata"]["labels"]["app.kubernetes.io/component"]
    return component


def render(values: Values | None = None, *, name: str = RELEASE) -> Rendered:
    """Render, or raise what Helm says about the values."""
    files = loaded().render(dict(values or {}), name=name, namespace=NAMESPACE)
    notes = next(text for path, text in files.items() if path.endswith("NOTES.txt"))
    manifests = tuple(
        document
        for path, text in sorted(files.items())
        if path.endswith(".yaml")
        for document in yaml.load_all(text, Loader=yaml.CSafeLoader)
        if document
    )
    return Rendered(manifests, notes)


def probes(container: Manifest) -> dict[str, Any]:
    return {kind: container[f"{kind}Probe"] for kind in ("startup", "liveness", "readiness")}


RELEASES = {"default": render(), "production": render(production_values())}
"""What a release looks like untouched, and with every optional part on."""
