"""Wrong values are refused, with the field that is wrong; right ones reach the objects as they were said."""

import json
from typing import Any

import pytest
from helm_python.errors import HelmError

from tests.deploy.chart import CHART, Values, render

WRONG: list[tuple[str, Values]] = [
    ("common/replicas", {"common": {"replicas": 0}}),
    ("services/feed/replicas", {"services": {"feed": {"replicas": 0}}}),
    ("services/feed/replicas", {"services": {"feed": {"replicas": "2"}}}),
    ("services/feed/replicas", {"services": {"feed": {"replicas": 1.5}}}),
    ("services", {"services": {"broker": {}}}),
    ("replica_count", {"replica_count": 2}),
    ("replica", {"common": {"replica": 2}}),
    ("common/settings/drain_s", {"common": {"settings": {"drain_s": "15"}}}),
    ("common/settings/drain_s", {"common": {"settings": {"drain_s": -1}}}),
    ("common/settings/log_level", {"common": {"settings": {"log_level": "loud"}}}),
    ("common/settings/grpc_port", {"common": {"settings": {"grpc_port": 80}}}),
    ("common/settings/grpc_port", {"common": {"settings": {"grpc_port": 70000}}}),
    ("common/settings/grpc_host", {"common": {"settings": {"grpc_host": "127.0.0.1"}}}),
    ("common/settings/otlp_endpoint", {"common": {"settings": {"otlp_endpoint": "collector:4317"}}}),
    ("services/risk/settings/grpc_port", {"services": {"risk": {"settings": {"grpc_port": 1}}}}),
    ("loglevel", {"common": {"settings": {"loglevel": "info"}}}),
    ("postgres_url", {"common": {"settings": {"postgres_url": "postgresql://u:p@h/d"}}}),
    ("replica_id", {"services": {"feed": {"settings": {"replica_id": "one"}}}}),
    ("advertise_address", {"common": {"settings": {"advertise_address": "10.0.0.1:1"}}}),
    ("postgres_url/existingSecret", {"common": {"secrets": {"postgres_url": {"existingSecret": ""}}}}),
    (
        "postgres_url/existingSecret",
        {"common": {"secrets": {"postgres_url": {"existingSecret": "Not_A_Name"}}}},
    ),
    ("existingSecret", {"services": {"risk": {"secrets": {"redis_url": {"key": "url"}}}}}),
    ("redis_url", {"common": {"secrets": {"redis_url": "redis://cache:6379/0"}}}),
    ("value", {"common": {"secrets": {"redis_url": {"existingSecret": "a", "key": "b", "value": "c"}}}}),
    ("common/image/tag", {"common": {"image": {"tag": "latest"}}}),
    ("digest", {"common": {"image": {"digest": "sha256:" + "0" * 64}}}),
    ("services/feed/image/digest", {"services": {"feed": {"image": {"digest": "sha256:00"}}}}),
    ("common/image/pullPolicy", {"common": {"image": {"pullPolicy": "Sometimes"}}}),
    ("PACELINE_LOG_LEVEL", {"common": {"extraEnv": {"PACELINE_LOG_LEVEL": {"value": "info"}}}}),
    ("common/extraEnv/TZ", {"common": {"extraEnv": {"TZ": "UTC"}}}),
    ("common/resources", {"common": {"resources": {"limits": {"memory": "lots"}}}}),
    ("gpu", {"common": {"resources": {"limits": {"gpu": 1}}}}),
    ("common/files/ca", {"common": {"files": {"ca": {"mountPath": "/etc/ca"}}}}),
    ("mountPath", {"common": {"files": {"ca": {"secret": "ca", "mountPath": "/etc/paceline/tls"}}}}),
    ("common/tolerations/0", {"common": {"tolerations": [{"keys": "a"}]}}),
    ("migration/activeDeadlineSeconds", {"migration": {"activeDeadlineSeconds": 0}}),
    ("migration/backoffLimit", {"migration": {"backoffLimit": -1}}),
    ("metrics/serviceMonitor/interval", {"metrics": {"serviceMonitor": {"interval": "often"}}}),
    ("networkPolicy/gatewayFrom/0", {"networkPolicy": {"gatewayFrom": [{}]}}),
    ("fullnameOverride", {"fullnameOverride": "Not A Name"}),
    ("fullnameOverride", {"fullnameOverride": "x" * 51}),
]

CONTRARY: list[tuple[str, Values]] = [
    (
        "services.executor.podDisruptionBudget.maxUnavailable",
        {"services": {"executor": {"podDisruptionBudget": {"maxUnavailable": 2}}}},
    ),
    (
        "services.feed.autoscaling.minReplicas",
        {"services": {"feed": {"autoscaling": {"enabled": True, "minReplicas": 9}}}},
    ),
    (
        "services.risk.settings.grpc_port",
        {"services": {"risk": {"settings": {"grpc_port": 9000, "metrics_port": 9000}}}},
    ),
    ("services.gateway.tls.existingSecret", {"services": {"gateway": {"settings": {"tls_required": True}}}}),
    (
        "services.feed.extraEnv.TZ",
        {
            "common": {"extraEnv": {"TZ": {"value": "UTC"}}},
            "services": {
                "feed": {"extraEnv": {"TZ": {"valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}}}}
            },
        },
    ),
    (
        "services.feed.files.ca",
        {
            "common": {"files": {"ca": {"secret": "ca", "mountPath": "/etc/ca"}}},
            "services": {"feed": {"files": {"ca": {"configMap": "ca", "mountPath": "/etc/ca"}}}},
        },
    ),
]


@pytest.mark.parametrize(
    ("field", "values"), WRONG, ids=lambda value: value if isinstance(value, str) else ""
)
def test_a_wrong_value_is_refused_by_name(field: str, values: Values) -> None:
    with pytest.raises(HelmError) as refusal:
        render(values)
    assert field in str(refusal.value)
    assert "paceline" in str(refusal.value)


@pytest.mark.parametrize(
    ("field", "values"), CONTRARY, ids=lambda value: value if isinstance(value, str) else ""
)
def test_values_that_contradict_each_other_are_refused_by_name(field: str, values: Values) -> None:
    with pytest.raises(HelmError) as refusal:
        render(values)
    assert field in str(refusal.value)


def test_every_wrong_value_is_told_at_once() -> None:
    with pytest.raises(HelmError) as refusal:
        render(
            {"common": {"replicas": 0, "settings": {"log_level": "loud"}}, "migration": {"backoffLimit": -1}}
        )
    for field in ("/common/replicas", "/common/settings/log_level", "/migration/backoffLimit"):
        assert field in str(refusal.value)


OPEN = frozenset({"/properties/global", "/$defs/section"})
"""What a parent chart hands down is its own; a section is closed where it is used."""


def open_objects(schema: Any, at: str = "") -> list[str]:
    if isinstance(schema, list):
        return [each for index, item in enumerate(schema) for each in open_objects(item, f"{at}/{index}")]
    if not isinstance(schema, dict):
        return []
    found = [] if schema.get("type") != "object" or "additionalProperties" in schema else [at]
    return found + [each for key, value in schema.items() for each in open_objects(value, f"{at}/{key}")]


def test_no_object_of_the_schema_takes_what_it_does_not_know() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())
    assert set(open_objects(schema)) == OPEN


def test_large_and_small_numbers_are_written_as_settings_read_them() -> None:
    """Helm holds every number as a float: 86400000 must not become 8.64e+07."""
    settings = {"equity_age_max_ms": 86_400_000, "trace_sample_ratio": 0.00001, "drain_s": 600}
    seen = render({"services": {"replicator": {"settings": settings}}}).environment("replicator", {})
    assert seen["PACELINE_EQUITY_AGE_MAX_MS"] == "86400000"
    assert float(seen["PACELINE_TRACE_SAMPLE_RATIO"]) == settings["trace_sample_ratio"]
    assert seen["PACELINE_DRAIN_S"] == "600"


def test_a_service_wins_over_common_even_with_nothing() -> None:
    common = {"settings": {"tls_required": True}, "tls": {"existingSecret": "mesh"}, "preStopSleepSeconds": 9}
    plain = {"settings": {"tls_required": False}, "tls": {"existingSecret": ""}, "preStopSleepSeconds": 0}
    rendered = render({"common": common, "services": {"feed": plain}})
    assert rendered.environment("feed", {})["PACELINE_TLS_REQUIRED"] == "false"
    assert "PACELINE_TLS_KEY_FILE" not in rendered.environment("feed", {})
    assert "lifecycle" not in rendered.container("feed")
    assert rendered.environment("risk", {})["PACELINE_TLS_REQUIRED"] == "true"


def test_text_that_yaml_would_take_for_something_else_stays_text() -> None:
    awkward = "yes: {{ no }} # \"quoted\" '1e3' \\ $(POD_IP)"
    seen = render({"common": {"settings": {"environment": awkward}}}).environment("feed", {})
    assert seen["PACELINE_ENVIRONMENT"] == awkward


def test_an_unset_default_leaves_the_default_of_the_code() -> None:
    seen = render({"common": {"settings": {"environment": None}}}).environment("feed", {})
    assert "PACELINE_ENVIRONMENT" not in seen
