"""The pods of a release are confined, bounded, versioned, and end in order."""

import math
import re

import pytest

from deploy.helm.generate import SERVICES
from tests.deploy.chart import RELEASES, Rendered, probes, render

VERSIONED = re.compile(r"^[a-z0-9][a-z0-9.:/-]*(:[A-Za-z0-9_][A-Za-z0-9_.-]*|@sha256:[0-9a-f]{64})$")
CREDENTIALS = re.compile(r"://[^/\s]*:[^/\s]*@")
SCRATCH = "/tmp"  # noqa: S108 - a volume of the pod's own

selected = pytest.mark.parametrize("rendered", RELEASES.values(), ids=list(RELEASES))


def test_readiness_asks_the_grpc_door() -> None:
    rendered = render({"services": {"feed": {"settings": {"grpc_port": 7443}}}})
    asked = {component: probes(rendered.container(component))["readiness"]["grpc"] for component in SERVICES}
    assert asked.pop("feed") == {"port": 7443}
    assert all(door == {"port": 50051} for door in asked.values())


def test_a_kubelet_speaks_no_tls_so_readiness_is_asked_in_plain_text_where_grpc_is_sealed() -> None:
    for component in SERVICES:
        readiness = probes(RELEASES["production"].container(component))["readiness"]
        assert readiness["httpGet"] == {"path": "/readyz", "port": "metrics"}


@selected
def test_life_does_not_hang_on_a_store(rendered: Rendered) -> None:
    """gRPC health turns NOT_SERVING while PostgreSQL is away; a restart would not bring it back."""
    for component in SERVICES:
        for kind in ("startup", "liveness"):
            probe = probes(rendered.container(component))[kind]
            assert probe["httpGet"] == {"path": "/healthz", "port": "metrics"}


@selected
def test_secrets_are_referred_to_and_never_rendered(rendered: Rendered) -> None:
    assert rendered.of_kind("Secret") == []
    assert not CREDENTIALS.search(repr(rendered.manifests))
    for component in SERVICES:
        for variable in rendered.container(component)["env"]:
            if variable["name"].endswith(("_URL", "_KEY", "_SECRET", "_PASSWORD")):
                assert "secretKeyRef" in variable.get("valueFrom", {}), variable["name"]


@selected
def test_every_container_is_bounded_and_confined(rendered: Rendered) -> None:
    for name, container in rendered.containers():
        assert container["resources"]["requests"].keys() >= {"cpu", "memory"}, name
        assert "memory" in container["resources"]["limits"], name
        security = container["securityContext"]
        assert security["runAsNonRoot"] is True, name
        assert security["runAsUser"] > 0, name
        assert security["readOnlyRootFilesystem"] is True, name
        assert security["allowPrivilegeEscalation"] is False, name
        assert security["capabilities"] == {"drop": ["ALL"]}, name
        assert security["seccompProfile"] == {"type": "RuntimeDefault"}, name


@selected
def test_every_pod_is_confined(rendered: Rendered) -> None:
    for name, template in rendered.pods():
        spec = template["spec"]
        assert spec["automountServiceAccountToken"] is False, name
        assert spec["enableServiceLinks"] is False, name
        assert spec["securityContext"]["runAsNonRoot"] is True, name
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert not spec.keys() & {"hostNetwork", "hostPID", "hostIPC"}, name
        assert spec["serviceAccountName"] in {
            each["metadata"]["name"] for each in rendered.of_kind("ServiceAccount")
        }


@selected
def test_no_account_holds_a_token(rendered: Rendered) -> None:
    for account in rendered.of_kind("ServiceAccount"):
        assert account["automountServiceAccountToken"] is False


@selected
def test_what_is_mounted_is_declared_and_only_scratch_is_writable(rendered: Rendered) -> None:
    for name, template in rendered.pods():
        spec = template["spec"]
        volumes = {volume["name"]: volume for volume in spec["volumes"]}
        for container in spec["containers"]:
            mounts = container["volumeMounts"]
            assert {mount["name"] for mount in mounts} == volumes.keys(), name
            writable = {mount["mountPath"] for mount in mounts if not mount.get("readOnly")}
            assert writable == {SCRATCH}, name
            paths = [mount["mountPath"] for mount in mounts]
            assert len(paths) == len(set(paths)), name


@selected
def test_images_are_versions(rendered: Rendered) -> None:
    for name, container in rendered.containers():
        assert VERSIONED.match(container["image"]), name
        assert ":latest" not in container["image"], name
        assert container["imagePullPolicy"] in {"IfNotPresent", "Always"}


def test_nothing_is_pulled_from_strangers_by_default() -> None:
    for _, container in RELEASES["default"].containers():
        assert container["image"].startswith("localhost/paceline/")


def test_a_digest_wins_over_a_tag() -> None:
    image = RELEASES["production"].container("feed")["image"]
    assert image == "registry.example.com:5000/trading/paceline/feed-hardened@sha256:" + "0f" * 32


@selected
def test_a_pod_outlives_its_drain(rendered: Rendered) -> None:
    for component in SERVICES:
        spec = rendered.one("Deployment", component)["spec"]["template"]["spec"]
        drain_s = float(rendered.environment(component, {})["PACELINE_DRAIN_S"])
        sleep = (
            spec["containers"][0].get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
        )
        assert spec["terminationGracePeriodSeconds"] > math.ceil(drain_s) + sleep


@selected
def test_a_changed_setting_is_a_new_pod(rendered: Rendered) -> None:
    changed = render({"services": {"feed": {"settings": {"log_level": "debug"}}}})
    before, after = render(), changed
    marks = [
        {
            component: release.one("Deployment", component)["spec"]["template"]["metadata"]["annotations"][
                "paceline/settings"
            ]
            for component in SERVICES
        }
        for release in (before, after)
    ]
    assert {each for each in SERVICES if marks[0][each] != marks[1][each]} == {"feed"}


def test_the_schema_is_moved_first_and_not_for_ever() -> None:
    for release in RELEASES.values():
        job = release.one("Job", "migrate")
        assert job["metadata"]["annotations"]["helm.sh/hook"] == "pre-install,pre-upgrade"
        assert 0 < job["spec"]["activeDeadlineSeconds"] <= 900
        assert job["spec"]["backoffLimit"] >= 1
        assert job["spec"]["template"]["spec"]["restartPolicy"] == "Never"


def test_the_migration_needs_nothing_that_is_installed_after_it() -> None:
    release = RELEASES["production"]
    hooks = [each for each in release.manifests if "helm.sh/hook" in each["metadata"].get("annotations", {})]
    account, job = sorted(hooks, key=lambda each: int(each["metadata"]["annotations"]["helm.sh/hook-weight"]))
    assert account["kind"] == "ServiceAccount"
    assert job["spec"]["template"]["spec"]["serviceAccountName"] == account["metadata"]["name"]
    assert "envFrom" not in job["spec"]["template"]["spec"]["containers"][0]


def test_the_migration_may_have_a_role_of_its_own() -> None:
    (container,) = RELEASES["production"].one("Job", "migrate")["spec"]["template"]["spec"]["containers"]
    references = {each["name"]: each.get("valueFrom") for each in container["env"]}
    assert references["PACELINE_POSTGRES_URL"] == {
        "secretKeyRef": {"name": "managed-postgres", "key": "owner-url"}
    }


def test_prometheus_is_told_once() -> None:
    for component in SERVICES:
        annotations = RELEASES["default"].one("Deployment", component)["spec"]["template"]["metadata"][
            "annotations"
        ]
        assert annotations["prometheus.io/port"] == "9464"
        quiet = RELEASES["production"].one("Deployment", component)["spec"]["template"]["metadata"][
            "annotations"
        ]
        assert "prometheus.io/scrape" not in quiet


def test_a_balanced_pod_is_forgotten_before_it_drains() -> None:
    sleeps = {
        component: RELEASES["production"].container(component).get("lifecycle") for component in SERVICES
    }
    assert sleeps.pop("gateway") == {"preStop": {"sleep": {"seconds": 10}}}
    assert set(sleeps.values()) == {None}
