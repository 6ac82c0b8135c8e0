"""The gRPC edge of broker apps."""

from collections.abc import Sequence
from typing import Any

from paceline.adapters.wire.accounts import broker_app_from_wire, broker_app_to_wire
from paceline.adapters.wire.enums import BROKER
from paceline.adapters.wire.fields import within
from paceline.adapters.wire.masks import masked
from paceline.api.v1 import account_pb2
from paceline.domain.errors import Invalid
from paceline.domain.ids import BrokerAppId
from paceline.domain.secret import Secret
from paceline.ports.accounts import BrokerApp
from paceline.ports.changes import Change
from paceline.ports.views import AppView, Views
from paceline.runtime.paging import paged
from paceline.runtime.sound import sound_name
from services.gateway.catalogue import Catalogue
from services.gateway.decode import new_app_from_wire
from services.gateway.encode import app_view_to_wire
from services.gateway.once import Deed, Done, Once, taken_as

_FIXED = frozenset({"broker_app_id", "broker", "app_id", "version", "create_time", "update_time"})


class AppMethods:
    """The part of AccountService that concerns broker apps."""

    def __init__(self, once: Once, views: Views, catalogue: Catalogue) -> None:
        self._app_once = once
        self._app_views = views
        self._apps = catalogue

    async def CreateBrokerApp(
        self, request: account_pb2.CreateBrokerAppRequest, context: Any
    ) -> account_pb2.CreateBrokerAppResponse:
        app, secret = within("broker_app", new_app_from_wire, request.broker_app)

        async def work(change: Change) -> Done[account_pb2.CreateBrokerAppResponse]:
            view = await self._apps.create_app(change, app, secret)
            answer = account_pb2.CreateBrokerAppResponse(broker_app=app_view_to_wire(view))
            return Done(answer, Deed("broker_app.create", "broker_app", app.app_id))

        with taken_as("broker app", app.app_id):
            return await self._app_once.change(request, context, account_pb2.CreateBrokerAppResponse, work)

    async def GetBrokerApp(
        self, request: account_pb2.GetBrokerAppRequest, context: Any
    ) -> account_pb2.GetBrokerAppResponse:
        app_id = BrokerAppId(sound_name(request.broker_app_id, "broker_app_id"))
        view = await self._app_views.app(app_id)
        return account_pb2.GetBrokerAppResponse(broker_app=app_view_to_wire(view))

    async def ListBrokerApps(
        self, request: account_pb2.ListBrokerAppsRequest, context: Any
    ) -> account_pb2.ListBrokerAppsResponse:
        broker = BROKER.read(request.broker, "broker") if request.broker else None

        async def fetch(after: str, limit: int) -> Sequence[AppView]:
            return await self._app_views.apps(broker, after, limit)

        views, token = await paged(request, fetch, lambda view: view.app.app_id)
        return account_pb2.ListBrokerAppsResponse(
            broker_apps=[app_view_to_wire(view) for view in views], next_page_token=token
        )

    async def UpdateBrokerApp(
        self, request: account_pb2.UpdateBrokerAppRequest, context: Any
    ) -> account_pb2.UpdateBrokerAppResponse:
        app_id = BrokerAppId(sound_name(request.broker_app.broker_app_id, "broker_app.broker_app_id"))
        paths = request.update_mask.paths
        if "app_secret" in paths and not request.broker_app.app_secret:
            raise Invalid("broker_app.app_secret", "must be set: an app keeps its secret")

        def edit(current: BrokerApp) -> tuple[BrokerApp, Secret | None]:
            wire = masked(broker_app_to_wire(current), request.broker_app, request.update_mask, fixed=_FIXED)
            return within("broker_app", broker_app_from_wire, wire), Secret(wire.app_secret) or None

        async def work(change: Change) -> Done[account_pb2.UpdateBrokerAppResponse]:
            view = await self._apps.update_app(change, app_id, request.broker_app.version, edit)
            answer = account_pb2.UpdateBrokerAppResponse(broker_app=app_view_to_wire(view))
            deed = Deed("broker_app.update", "broker_app", app_id, details={"fields": list(paths)})
            return Done(answer, deed)

        return await self._app_once.change(request, context, account_pb2.UpdateBrokerAppResponse, work)
