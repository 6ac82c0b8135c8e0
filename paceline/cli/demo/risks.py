"""What risk says: portfolios of the replicas that hold them, everything else through the gateway."""

from collections.abc import Sequence

import grpc

from paceline.api.v1 import executor_pb2, risk_pb2, risk_pb2_grpc

_PAGE = 1_000


class Risks:
    def __init__(self, gateway: grpc.aio.Channel, channels: Sequence[grpc.aio.Channel]) -> None:
        self._gateway = risk_pb2_grpc.RiskServiceStub(gateway)
        self._stubs = [risk_pb2_grpc.RiskServiceStub(each) for each in channels]

    async def portfolios(self) -> dict[str, risk_pb2.Portfolio]:
        """By account, with positions."""
        found: dict[str, risk_pb2.Portfolio] = {}
        for stub in self._stubs:
            token = ""
            while True:
                request = risk_pb2.ListPortfoliosRequest(
                    include_positions=True, page_size=_PAGE, page_token=token
                )
                page = await stub.ListPortfolios(request)
                found |= {each.account_id: each for each in page.portfolios}
                token = page.next_page_token
                if not token:
                    break
        return found

    async def liquidations(self) -> list[risk_pb2.Liquidation]:
        """The oldest first."""
        found: list[risk_pb2.Liquidation] = []
        token = ""
        while True:
            request = risk_pb2.ListLiquidationsRequest(page_size=_PAGE, page_token=token)
            page = await self._gateway.ListLiquidations(request)
            found.extend(page.liquidations)
            token = page.next_page_token
            if not token:
                return found[::-1]

    async def steps(self, liquidation_id: str) -> Sequence[executor_pb2.LiquidationStep]:
        """In their order; a liquidation of the demo has fewer than a page."""
        request = risk_pb2.ListLiquidationStepsRequest(liquidation_id=liquidation_id, page_size=_PAGE)
        steps: Sequence[executor_pb2.LiquidationStep] = (
            await self._gateway.ListLiquidationSteps(request)
        ).steps
        return steps
