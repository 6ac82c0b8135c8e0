"""A pinned session is one small Deployment beside the feeds that share the rest."""

from collections.abc import Mapping
from typing import Any

import pytest

from paceline.runtime.settings import load
from services.feed.settings import Settings
from tests.deploy.chart import RELEASES, Manifest, Rendered, component_of, render

PRODUCTION = RELEASES["production"]


def pinned(rendered: Rendered) -> dict[str, Manifest]:
    """Deployments by the names of their pins."""
    return {
        each["metadata"]["labels"]["paceline/pin"]: each
        for each in rendered.of_kind("Deployment")
        if component_of(each) == "feed-pin"
    }


def settings_of(rendered: Rendered, deployment: Manifest) -> dict[str, str]:
    name = deployment["metadata"]["name"]
    (found,) = (each["data"] for each in rendered.of_kind("ConfigMap") if each["metadata"]["name"] == name)
    return dict(found)


def selects(selector: Mapping[str, str], deployment: Manifest) -> bool:
    labels: dict[str, str] = deployment["spec"]["template"]["metadata"]["labels"]
    return selector.items() <= labels.items()


def test_nothing_is_pinned_unless_asked_for() -> None:
    assert not [each for each in RELEASES["default"].manifests if component_of(each) == "feed-pin"]


def test_each_is_one_replica_of_the_feed_with_its_accounts_and_room_of_its_own() -> None:
    found = pinned(PRODUCTION)
    assert found.keys() == {"nifty-leader", "family"}
    feed = PRODUCTION.one("Deployment", "feed")["spec"]["template"]["spec"]
    for deployment in found.values():
        spec = deployment["spec"]["template"]["spec"]
        (container,) = spec["containers"]
        assert deployment["spec"]["replicas"] == 1
        assert container["image"] == feed["containers"][0]["image"]
        assert spec["serviceAccountName"] == feed["serviceAccountName"]
        assert container["env"] == feed["containers"][0]["env"]
    assert settings_of(PRODUCTION, found["nifty-leader"])["PACELINE_PINNED_ACCOUNTS"] == "fyers:XV20986"
    assert (
        settings_of(PRODUCTION, found["family"])["PACELINE_PINNED_ACCOUNTS"] == "fyers:XA00001,fyers:XA00002"
    )
    limits = {
        pin: each["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"]
        for pin, each in found.items()
    }
    assert limits == {"nifty-leader": {"memory": "320Mi"}, "family": {"memory": "512Mi"}}


def test_sharing_feeds_are_pinned_to_nothing() -> None:
    feed = PRODUCTION.one("Deployment", "feed")
    assert "PACELINE_PINNED_ACCOUNTS" not in settings_of(PRODUCTION, feed)


def test_its_settings_are_read_by_the_service() -> None:
    environ = settings_of(PRODUCTION, pinned(PRODUCTION)["family"])
    secrets = {
        "PACELINE_POSTGRES_URL": "postgresql://db/p",
        "PACELINE_REDIS_URL": "redis://cache/0",
        "PACELINE_ENCRYPTION_KEY": "a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s=",
        "PACELINE_TLS_REQUIRED": "false",
    }
    read = load(Settings, environ | secrets)
    assert read.pinned_accounts == ("fyers:XA00001", "fyers:XA00002")
    assert read.postgres_pool_max == 3


def test_no_selector_takes_in_the_pods_of_another() -> None:
    deployments = PRODUCTION.of_kind("Deployment")
    for each in deployments:
        chosen = [
            other["metadata"]["name"]
            for other in deployments
            if selects(each["spec"]["selector"]["matchLabels"], other)
        ]
        assert chosen == [each["metadata"]["name"]]


def test_they_are_scraped_and_asked_by_the_gateway_alone() -> None:
    (service,) = (each for each in PRODUCTION.of_kind("Service") if component_of(each) == "feed-pin")
    (policy,) = (each for each in PRODUCTION.of_kind("NetworkPolicy") if component_of(each) == "feed-pin")
    for deployment in pinned(PRODUCTION).values():
        assert selects(service["spec"]["selector"], deployment)
        assert selects(policy["spec"]["podSelector"]["matchLabels"], deployment)
    (caller,) = policy["spec"]["ingress"][0]["from"]
    assert caller["podSelector"]["matchLabels"]["app.kubernetes.io/component"] == "gateway"


@pytest.mark.parametrize(
    ("feeds", "words"),
    [
        ({"a": {"accounts": ["fyers:X1"]}, "b": {"accounts": ["fyers:X1"]}}, "pinned by a already"),
        ({"a": {"accounts": []}}, "accounts"),
        ({"a": {"accounts": ["X1"]}}, "accounts"),
        ({"A b": {"accounts": ["fyers:X1"]}}, "A b"),
        ({"a": {"accounts": ["fyers:X1"], "replicas": 2}}, "replicas"),
    ],
)
def test_wrong_values_are_refused_by_name(feeds: dict[str, Any], words: str) -> None:
    with pytest.raises(Exception, match=words):
        render({"pinned": {"feeds": feeds}})
