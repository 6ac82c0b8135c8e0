"""Whatever is asked, there is an answer, or a refusal that names field and rule: never a fault of ours."""

from dataclasses import dataclass
from types import ModuleType
from typing import Any

import grpc
import grpc.aio
import pytest
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from paceline.api.v1 import (
    account_pb2,
    auth_pb2,
    common_pb2,
    operations_pb2,
    query_pb2,
    session_pb2,
    signal_pb2,
    subscription_pb2,
)
from paceline.runtime.grpc_status import status_of
from tests.integration.gateway.generated import SECRET, messages, mutations
from tests.integration.gateway.house import House, account, refusal_of, subscription

FAULTS = {grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN, grpc.StatusCode.DEADLINE_EXCEEDED}
EXAMPLES = 12


def methods_of(file: ModuleType) -> list[MethodDescriptor]:
    (service,) = file.DESCRIPTOR.services_by_name.values()
    return [method for method in service.methods if not method.server_streaming]


async def ask(house: House, method: MethodDescriptor, request: Message) -> None:
    path = f"/{method.containing_service.full_name}/{method.name}"
    kind: Any = GetMessageClass(method.output_type)
    call: Any = house.channel.unary_unary(
        path, request_serializer=lambda wire: wire.SerializeToString(), response_deserializer=kind.FromString
    )
    try:
        answer = await call(request, timeout=30)
    except grpc.aio.AioRpcError as error:
        status = status_of(error)
        told = f"{status} {error.details()}"
        assert status.code not in FAULTS, f"{path}: {told}"
        assert status.reason, f"{path}: {told}"
        if status.code is grpc.StatusCode.INVALID_ARGUMENT:
            assert status.violations, f"{path}: {told}"
            assert all(each.field and each.rule for each in status.violations), f"{path}: {told}"
        assert SECRET not in told
    else:
        assert SECRET not in str(answer)


@dataclass(frozen=True)
class There:
    """What exists, for requests to hit."""

    leader: str
    follower: str
    app: str
    subscription: str

    @property
    def names(self) -> tuple[str, ...]:
        return (self.leader, self.follower, self.app, self.subscription, "XNEW", "r1")

    def right(self, name: str) -> Message | None:
        """A request of this method that is right, where one needs more than a name."""
        credentials = account_pb2.Credentials(access_token=SECRET, pin=SECRET)
        app = account_pb2.BrokerApp(broker=common_pb2.BROKER_FYERS, app_id="XNEW", app_secret=SECRET)
        bounds = account_pb2.AccountGroup(account_group_id="family", min_lots=common_pb2.Decimal(value="1"))
        changed = account("XL", account_id=self.leader)
        patch = subscription("", "", subscription_id=self.subscription)
        requests: dict[str, Message] = {
            "CreateAccount": account_pb2.CreateAccountRequest(
                account=account("XNEW"), credentials=credentials
            ),
            "UpdateAccount": account_pb2.UpdateAccountRequest(
                account=changed, update_mask=FieldMask(paths=["segments", "egress"])
            ),
            "SetCredentials": account_pb2.SetCredentialsRequest(
                account_id=self.leader, credentials=credentials
            ),
            "CreateBrokerApp": account_pb2.CreateBrokerAppRequest(broker_app=app),
            "CreateAccountGroup": account_pb2.CreateAccountGroupRequest(account_group=bounds),
            "SetAccountGroupMembers": account_pb2.SetAccountGroupMembersRequest(
                account_group_id="family", account_ids=[self.leader]
            ),
            "CreateSubscription": subscription_pb2.CreateSubscriptionRequest(
                subscription=subscription(self.follower, self.leader)
            ),
            "UpdateSubscription": subscription_pb2.UpdateSubscriptionRequest(
                subscription=patch, update_mask=FieldMask(paths=["sizing", "filters", "caps", "mode"])
            ),
            "CompleteLogin": session_pb2.CompleteLoginRequest(
                account_id=self.leader, credential=session_pb2.LoginCredential(auth_code=SECRET)
            ),
            "ListEvents": query_pb2.ListEventsRequest(filter=query_pb2.EventFilter(account_id=self.leader)),
        }
        return requests.get(name)


@pytest.fixture
async def there(house: House) -> There:
    leader, follower = await house.an_account("XL"), await house.an_account("XF")
    await house.owned_by(house.feed_address, leader, follower)
    return There(leader, follower, await house.an_app(), await house.a_subscription(leader, follower))


@pytest.mark.parametrize("file", [account_pb2, subscription_pb2, session_pb2, query_pb2, operations_pb2])
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
async def test_no_request_is_a_fault_of_ours(
    house: House, there: There, file: ModuleType, data: st.DataObject
) -> None:
    for method in methods_of(file):
        kind: Any = GetMessageClass(method.input_type)
        odd = messages(kind, there.names)
        right = there.right(method.name)
        requests = odd if right is None else st.one_of(odd, mutations(right, there.names))
        await ask(house, method, data.draw(requests, label=method.name))


@pytest.mark.parametrize("file", [signal_pb2, auth_pb2])
async def test_what_has_its_turn_later_says_so(house: House, file: ModuleType) -> None:
    for method in methods_of(file):
        path = f"/{method.containing_service.full_name}/{method.name}"
        call: Any = house.channel.unary_unary(path)
        assert (await refusal_of(call(b""))).code is grpc.StatusCode.UNIMPLEMENTED
