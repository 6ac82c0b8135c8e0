"""The objects of a release find each other: what Kubernetes' schemas do not know."""

import re
from collections.abc import Iterator

import pytest

from deploy.helm.generate import SERVICES
from tests.deploy.chart import RELEASES, Rendered, component_of, probes, render

NAME_MAX = 63
PINNED = "feed-pin"
"""The component of pinned feeds, which are no service of their own: `test_pinned_feeds.py`."""
LONGEST_RELEASE_NAME = "r" * 53

selected = pytest.mark.parametrize("rendered", RELEASES.values(), ids=list(RELEASES))


def pod_labels(rendered: Rendered, component: str) -> dict[str, str]:
    labels: dict[str, str] = rendered.one("Deployment", component)["spec"]["template"]["metadata"]["labels"]
    return labels


def selectors(rendered: Rendered) -> Iterator[tuple[str, str, dict[str, str]]]:
    """Kind, component and labels of everything that selects the pods of its own component."""
    for each in rendered.of_kind("Service"):
        yield "Service", component_of(each), each["spec"]["selector"]
    for each in rendered.of_kind("Deployment"):
        yield "Deployment", component_of(each), each["spec"]["selector"]["matchLabels"]
        for spread in each["spec"]["template"]["spec"]["topologySpreadConstraints"]:
            yield "spread", component_of(each), spread["labelSelector"]["matchLabels"]
    for each in rendered.of_kind("PodDisruptionBudget"):
        yield "PodDisruptionBudget", component_of(each), each["spec"]["selector"]["matchLabels"]
    for each in rendered.of_kind("NetworkPolicy"):
        yield "NetworkPolicy", component_of(each), each["spec"]["podSelector"]["matchLabels"]


@selected
def test_every_service_is_whole(rendered: Rendered) -> None:
    for kind in ("Deployment", "Service", "ServiceAccount", "ConfigMap", "PodDisruptionBudget"):
        components = {component_of(each) for each in rendered.of_kind(kind)} - {"migrate", PINNED}
        assert components == set(SERVICES), kind


@selected
def test_a_selector_selects_its_own_pods_and_no_others(rendered: Rendered) -> None:
    for kind, component, labels in selectors(rendered):
        chosen = {each for each in SERVICES if labels.items() <= pod_labels(rendered, each).items()}
        assert chosen == {component} - {PINNED}, kind
        job = rendered.one("Job", "migrate")["spec"]["template"]["metadata"]["labels"]
        assert not labels.items() <= job.items(), kind


def test_labels_of_ones_own_never_break_a_selector() -> None:
    strays = {"app.kubernetes.io/component": "stray", "app.kubernetes.io/name": "stray"}
    rendered = render({"common": {"podLabels": strays}})
    for _, component, labels in selectors(rendered):
        assert labels.items() <= pod_labels(rendered, component).items()


def test_two_releases_in_one_namespace_keep_apart() -> None:
    first, second = render(name="one"), render(name="two")
    names = [
        {(each["kind"], each["metadata"]["name"]) for each in release.manifests}
        for release in (first, second)
    ]
    assert names[0] & names[1] == set()
    for _, component, labels in selectors(first):
        assert not labels.items() <= pod_labels(second, component).items()


@selected
def test_the_door_is_the_setting_the_port_the_probe_and_the_address(rendered: Rendered) -> None:
    for component in SERVICES:
        seen = rendered.environment(component, {})
        container = rendered.container(component)
        ports = {port["name"]: port["containerPort"] for port in container["ports"]}
        assert ports == {
            "grpc": int(seen["PACELINE_GRPC_PORT"]),
            "metrics": int(seen["PACELINE_METRICS_PORT"]),
        }
        assert seen["PACELINE_ADVERTISE_ADDRESS"] == f"$(POD_IP):{ports['grpc']}"
        service = rendered.one("Service", component)["spec"]["ports"]
        assert {port["name"]: (port["port"], port["targetPort"]) for port in service} == {
            name: (port, name) for name, port in ports.items()
        }
        for probe in probes(container).values():
            asked = probe["grpc"]["port"] if "grpc" in probe else ports[probe["httpGet"]["port"]]
            assert asked in ports.values()


def test_the_address_of_an_ipv6_pod_is_bracketed() -> None:
    rendered = render({"services": {"feed": {"settings": {"grpc_host": "[::]"}}}})
    assert rendered.environment("feed", {})["PACELINE_ADVERTISE_ADDRESS"] == "[$(POD_IP)]:50051"


@selected
def test_the_variable_an_address_is_made_of_comes_first(rendered: Rendered) -> None:
    for component in SERVICES:
        names = [variable["name"] for variable in rendered.container(component)["env"]]
        assert names.index("POD_IP") < names.index("PACELINE_ADVERTISE_ADDRESS")
        assert len(names) == len(set(names))


@selected
def test_callers_find_pods_by_name_and_people_find_the_gateway(rendered: Rendered) -> None:
    headless = {
        component_of(each): each["spec"].get("clusterIP") == "None" for each in rendered.of_kind("Service")
    }
    assert headless.pop(PINNED, True)
    assert headless == {each: each != "gateway" for each in SERVICES}


@pytest.mark.parametrize("name", ["p", "paceline", LONGEST_RELEASE_NAME, "paceline-" + "x" * 44])
def test_names_fit(name: str) -> None:
    for manifest in render(name=name).manifests:
        assert len(manifest["metadata"]["name"]) <= NAME_MAX
        assert re.fullmatch(r"[a-z]([-a-z0-9]*[a-z0-9])?", manifest["metadata"]["name"])
        for value in manifest["metadata"]["labels"].values():
            assert len(value) <= NAME_MAX


@selected
def test_no_name_is_given_twice(rendered: Rendered) -> None:
    names = [(each["kind"], each["metadata"]["name"]) for each in rendered.manifests]
    assert len(names) == len(set(names))


@selected
def test_an_eviction_leaves_someone_standing(rendered: Rendered) -> None:
    for budget in rendered.of_kind("PodDisruptionBudget"):
        assert budget["spec"]["maxUnavailable"] < fewest_replicas(rendered, component_of(budget))


def fewest_replicas(rendered: Rendered, component: str) -> int:
    scalers = [
        each for each in rendered.of_kind("HorizontalPodAutoscaler") if component_of(each) == component
    ]
    if scalers:
        return int(scalers[0]["spec"]["minReplicas"])
    return int(rendered.one("Deployment", component)["spec"]["replicas"])


def test_a_single_replica_has_no_budget_that_would_block_its_node() -> None:
    rendered = render({"services": {"risk": {"replicas": 1}}})
    assert "risk" not in {component_of(each) for each in rendered.of_kind("PodDisruptionBudget")}


@selected
def test_either_a_scaler_or_the_release_counts_the_replicas(rendered: Rendered) -> None:
    scaled = {each["spec"]["scaleTargetRef"]["name"] for each in rendered.of_kind("HorizontalPodAutoscaler")}
    for each in rendered.of_kind("Deployment"):
        assert ("replicas" in each["spec"]) != (each["metadata"]["name"] in scaled)


def test_one_service_alone_may_leave_what_all_have() -> None:
    scaled = {component_of(each) for each in RELEASES["production"].of_kind("HorizontalPodAutoscaler")}
    assert scaled == set(SERVICES) - {"feed"}


def test_only_those_who_call_may_call() -> None:
    callers = {
        component_of(policy): {
            peer["podSelector"]["matchLabels"]["app.kubernetes.io/component"]
            for peer in policy["spec"]["ingress"][0]["from"]
            if "podSelector" in peer
        }
        for policy in RELEASES["production"].of_kind("NetworkPolicy")
    }
    assert callers == {
        "gateway": set(),
        "feed": {"gateway", "replicator", "executor", "risk"},
        PINNED: {"gateway"},
        "replicator": {"gateway"},
        "executor": {"gateway", "replicator", "risk"},
        "risk": {"gateway"},
    }
    assert RELEASES["default"].of_kind("NetworkPolicy") == []


def test_a_service_without_callers_in_its_policy_is_not_open_to_all() -> None:
    rendered = render({"networkPolicy": {"enabled": True}})
    for component in set(SERVICES) - {"gateway"}:
        assert rendered.one("NetworkPolicy", component)["spec"]["ingress"][0]["from"]
