"""What `common.proto` promises of the whole package, checked over all of it."""

import re
from collections.abc import Iterator
from importlib import import_module
from keyword import iskeyword
from pathlib import Path

import pytest
from google.protobuf.descriptor import (
    Descriptor,
    FieldDescriptor,
    FileDescriptor,
    MethodDescriptor,
    ServiceDescriptor,
)

from paceline.api.v1 import errors_pb2
from tests.contract.protos.conftest import ROOT

PACKAGE = "paceline.api.v1"
READS = re.compile(r"^(Get|List|Watch|Stream|Preview)[A-Z]")
OTHERWISE_IDEMPOTENT = {
    "Execute": "batch_id",
    "Liquidate": "liquidation_id",
    "BeginLiquidations": "liquidations",  # each has its own
    "Login": "email",  # a second login gives a second pair of tokens and harms nobody
}
WRITTEN_ONLY = {
    "BrokerApp.app_secret",
    "NotificationTarget.url",
    "Session.sealed_state",  # between services, under the platform's own key
    "SealedBlob.sealed",
}
SERVICES = {
    "AccountService",
    "AuthService",
    "ExecutorService",
    "FeedService",
    "OperationsService",
    "QueryService",
    "ReplicatorService",
    "RiskService",
    "SessionService",
    "SignalService",
    "SubscriptionService",
}


def files() -> Iterator[FileDescriptor]:
    for path in sorted((ROOT / "protos").glob("paceline/api/v1/*.proto")):
        yield import_module(f"{PACKAGE}.{path.stem}_pb2").DESCRIPTOR


def services() -> dict[str, ServiceDescriptor]:
    return {service.name: service for file in files() for service in file.services_by_name.values()}


def methods() -> list[MethodDescriptor]:
    return [method for service in services().values() for method in service.methods]


def messages() -> Iterator[Descriptor]:
    for file in files():
        yield from file.message_types_by_name.values()


def names(message: Descriptor) -> set[str]:
    return {field.name for field in message.fields}


def test_all_services_are_defined() -> None:
    assert set(services()) == SERVICES


def test_path_package_and_python_path_are_one_name() -> None:
    assert {(file.package, str(Path(file.name).parent)) for file in files()} == {(PACKAGE, "paceline/api/v1")}


@pytest.mark.parametrize("method", methods(), ids=lambda method: method.full_name)
def test_whatever_changes_state_is_idempotent_by_a_name(method: MethodDescriptor) -> None:
    if READS.match(method.name):
        assert "request_id" not in names(method.input_type)
    else:
        assert OTHERWISE_IDEMPOTENT.get(method.name, "request_id") in names(method.input_type)


@pytest.mark.parametrize(
    "method",
    [method for method in methods() if method.name.startswith("List")],
    ids=lambda method: method.full_name,
)
def test_lists_are_paged(method: MethodDescriptor) -> None:
    assert {"page_size", "page_token"} <= names(method.input_type)
    assert "next_page_token" in names(method.output_type)
    listed = [field for field in method.output_type.fields if field.is_repeated]
    assert len(listed) == 1


@pytest.mark.parametrize(
    "method",
    [method for method in methods() if method.name.startswith("Update")],
    ids=lambda method: method.full_name,
)
def test_updates_carry_a_mask_and_a_version(method: MethodDescriptor) -> None:
    fields = {field.name: field for field in method.input_type.fields}
    (resource,) = set(fields) - {"request_id", "update_mask"}
    mask, updated = fields["update_mask"].message_type, fields[resource].message_type
    assert mask is not None
    assert updated is not None
    assert mask.full_name == "google.protobuf.FieldMask"
    assert "version" in names(updated)


@pytest.mark.parametrize(
    "method",
    [method for method in methods() if method.name.startswith("Watch")],
    ids=lambda method: method.full_name,
)
def test_watching_goes_on_where_it_was(method: MethodDescriptor) -> None:
    assert method.server_streaming
    assert "resume_token" in names(method.input_type)
    assert {"resume_token", "caught_up"} <= names(method.output_type)


def test_no_number_is_a_binary_float() -> None:
    floats = {FieldDescriptor.TYPE_FLOAT, FieldDescriptor.TYPE_DOUBLE}
    assert [
        field.full_name for message in messages() for field in message.fields if field.type in floats
    ] == []


def test_times_are_named_by_their_unit() -> None:
    """`…_time` is a Timestamp, `…_ns` and `…_ms` are whole numbers, and there is no third way."""
    odd = [
        field.full_name
        for message in messages()
        for field in message.fields
        if (field.name.endswith("_time") != _is_timestamp(field))
        or (field.name.endswith(("_ns", "_ms")) and field.message_type is not None)
    ]
    assert odd == []


def _is_timestamp(field: FieldDescriptor) -> bool:
    return field.message_type is not None and field.message_type.full_name == "google.protobuf.Timestamp"


def test_secrets_go_in_and_never_come_out() -> None:
    """What resources must not tell is written only; a token made anew is said to be shown once."""
    secret = re.compile(r"password|^pin$|secret|passphrase|api_key|_token$|^url$|sealed")
    told = {
        f"{message.name}.{field.name}"
        for method in methods()
        for message in reachable(method.output_type)
        for field in message.fields
        if secret.search(field.name) and not field.name.endswith(("page_token", "resume_token", "api_token"))
    }
    assert told == WRITTEN_ONLY | {"TokenPair.access_token", "TokenPair.refresh_token"}


def reachable(message: Descriptor) -> set[Descriptor]:
    found, waiting = {message}, [message]
    while waiting:
        for field in waiting.pop().fields:
            if field.message_type is not None and field.message_type not in found:
                found.add(field.message_type)
                waiting.append(field.message_type)
    return found


def test_no_field_is_a_word_of_python() -> None:
    words = [field.full_name for message in messages() for field in message.fields if iskeyword(field.name)]
    assert words == []


def test_reasons_of_errors_are_documented_with_their_status() -> None:
    text = (ROOT / "protos/paceline/api/v1/errors.proto").read_text()
    codes = re.findall(r"\(([A-Z_]+)\)[^\n]*(?:\n\s*//[^\n]*)?\n\s*ERROR_REASON_", text)
    assert len(codes) == len(errors_pb2.ErrorReason.values()) - 1
