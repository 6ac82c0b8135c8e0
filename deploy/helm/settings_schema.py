"""What the chart's values may say about settings, derived from the settings classes themselves."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from types import UnionType
from typing import Any, Union, get_args, get_origin

from paceline.runtime.setting import PREFIX, Setting, declared

Schema = dict[str, Any]

OWNED: Mapping[str, str] = {
    "PACELINE_ADVERTISE_ADDRESS": "the chart: the pod's address and `grpc_port`",
    "PACELINE_PINNED_ACCOUNTS": "the chart: `pinned.feeds`",
    "PACELINE_REPLICA_ID": "the process: two pods must never share one",
    "PACELINE_TLS_CERTIFICATE_FILE": "the chart: `tls.existingSecret`",
    "PACELINE_TLS_KEY_FILE": "the chart: `tls.existingSecret`",
    "PACELINE_TLS_AUTHORITY_FILE": "the chart: `tls.existingSecret`",
}
"""Settings that values cannot say, and who fills them from what."""

NARROWED: Mapping[str, Schema] = {
    "PACELINE_GRPC_HOST": {"enum": ["0.0.0.0", "[::]"]},  # noqa: S104 - a pod is reached from outside
    "PACELINE_METRICS_HOST": {"enum": ["0.0.0.0", "::"]},  # noqa: S104 - a pod is scraped from outside
    "PACELINE_GRPC_PORT": {"minimum": 1024},
    "PACELINE_METRICS_PORT": {"minimum": 1024},
}
"""Where a pod allows less than a process: it must be reachable, and holds no privilege for low ports."""

TOLD_TO_KUBERNETES = ("drain_s", "grpc_host", "grpc_port", "metrics_host", "metrics_port")
"""Settings that Kubernetes must know too, so the values name them whatever the code's default is."""

COMMON_MUST_HAVE = (
    "autoscaling",
    "image",
    "podDisruptionBudget",
    "probes",
    "replicas",
    "resources",
    "secrets",
    "settings",
    "tls",
    "topologySpread",
)
"""What the templates read without asking whether it is there."""

_DECIMAL = r"^-?[0-9]+(\.[0-9]+)?$"


@dataclass(frozen=True, slots=True)
class ServiceSettings:
    """The parts of a schema that one service's settings lead to."""

    settings: Mapping[str, Schema]
    secrets: frozenset[str]
    required_settings: tuple[str, ...] = ()
    required_secrets: tuple[str, ...] = ()


def key_of(name: str) -> str:
    """The values key of a setting: its name without the prefix, in small letters."""
    key = name.removeprefix(PREFIX).lower()
    if PREFIX + key.upper() != name:
        raise ValueError(f"{name} cannot be written as a key of values: it needs the prefix {PREFIX}")
    return key


def of_service(settings_type: type[Any]) -> ServiceSettings:
    """What may be said about one service, by key."""
    reachable = [each for each in declared(settings_type) if each.name not in OWNED]
    plain = [each for each in reachable if not each.secret]
    secret = [each for each in reachable if each.secret]
    return ServiceSettings(
        settings={key_of(each.name): _schema_of(each) for each in plain},
        secrets=frozenset(key_of(each.name) for each in secret),
        required_settings=_required(plain),
        required_secrets=_required(secret),
    )


def definitions(common: type[Any], services: Mapping[str, type[Any]]) -> Schema:
    """The generated `$defs`: settings and secrets that all services share, and those of each service."""
    shared = of_service(common)
    told = sorted({*shared.required_settings, *TOLD_TO_KUBERNETES})
    found: Schema = {
        "commonSettings": _closed(dict(shared.settings), told),
        "commonSecrets": _closed(_references(shared.secrets), shared.required_secrets),
    }
    for service, settings_type in services.items():
        own = of_service(settings_type)
        found[f"{service}Settings"] = _closed(
            {key: _shared_or_own(key, each, shared) for key, each in own.settings.items()},
            [key for key in own.required_settings if key not in shared.settings],
        )
        found[f"{service}Secrets"] = _closed(
            _references(own.secrets), [key for key in own.required_secrets if key not in shared.secrets]
        )
    return found


def sections(keys: Iterable[str], services: Iterable[str]) -> Schema:
    """The generated `$defs` of what can be said of all services and of each, closed against anything else."""
    common = {**_section("common", keys), "required": sorted(COMMON_MUST_HAVE)}
    return {"commonSection": common, **{f"{each}Section": _section(each, keys) for each in services}}


def _section(name: str, keys: Iterable[str]) -> Schema:
    own = {"image": "commonImage" if name == "common" else "image"}
    own |= {"settings": f"{name}Settings", "secrets": f"{name}Secrets"}
    references = {key: {"$ref": f"#/$defs/section/properties/{key}"} for key in keys}
    return _closed(references | {key: {"$ref": f"#/$defs/{each}"} for key, each in own.items()}, ())


def _required(settings: Iterable[Setting]) -> tuple[str, ...]:
    return tuple(key_of(each.name) for each in settings if each.required)


def _closed(properties: Schema, required: Iterable[str]) -> Schema:
    names = sorted(required)
    closed: Schema = {"type": "object", "additionalProperties": False, "properties": properties}
    return {**closed, "required": names} if names else closed


def _references(secrets: Iterable[str]) -> Schema:
    return {key: {"$ref": "#/$defs/secretReference"} for key in sorted(secrets)}


def _shared_or_own(key: str, own: Schema, shared: ServiceSettings) -> Schema:
    """A service that gives a shared setting a default of its own keeps its own description of it."""
    return {"$ref": f"#/$defs/commonSettings/properties/{key}"} if shared.settings.get(key) == own else own


def _schema_of(each: Setting) -> Schema:
    kind = _without_none(each.kind)
    described: Schema = {"description": each.rules.about}
    if get_origin(kind) is tuple:
        item = _ruled(_value_schema(get_args(kind)[0]), each, get_args(kind)[0])
        described |= {"type": "array", "items": {"pattern": "^[^,]+$"} | item}
    else:
        described |= _ruled(_value_schema(kind), each, kind)
    default = _json_default(each)
    if default is not None:
        described["default"] = default
    return described | NARROWED.get(each.name, {})


def _without_none(kind: Any) -> Any:
    if get_origin(kind) in {Union, UnionType}:
        (kind,) = (each for each in get_args(kind) if each is not type(None))
    return kind


def _value_schema(kind: Any) -> Schema:
    if isinstance(kind, type) and issubclass(kind, Enum):
        return {"enum": [_plain(member) for member in kind]}
    if kind is Decimal:
        return {"type": ["number", "string"], "pattern": _DECIMAL}
    return {"type": {bool: "boolean", int: "integer", float: "number"}.get(kind, "string")}


def _ruled(schema: Schema, each: Setting, kind: Any) -> Schema:
    rules = each.rules
    if rules.minimum is not None:
        schema["minimum"] = rules.minimum
    if rules.maximum is not None:
        schema["maximum"] = rules.maximum
    if rules.choices:
        schema["enum"] = [_plain(choice) for choice in rules.choices]
    if rules.schemes and kind is not Decimal:
        schema["pattern"] = f"^({'|'.join(rules.schemes)})://.+"
    return schema


def _json_default(each: Setting) -> Any:
    if each.required or each.default is None or callable(each.default):
        return None
    if isinstance(each.default, tuple):
        return [_plain(item) for item in each.default]
    return _plain(each.default)


def _plain(value: Any) -> Any:
    if isinstance(value, Enum):
        return _plain(value.value)
    return value if isinstance(value, bool | int | float | str) else str(value)
