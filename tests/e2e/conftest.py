"""One stack for the tests that only look; those that end or kill one start their own."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from paceline.cli.demo.judge import Verdict
from paceline.cli.demo.run import DemoOptions
from paceline.cli.stack import Stack, StackOptions
from tests.e2e.otlp import Receiver, receiving
from tests.e2e.stage import trade_a_day

FOLLOWERS = 8
FILLS = 5


@dataclass(frozen=True, slots=True)
class Traded:
    """A day that was traded on a whole stack, and everything that saw it."""

    stack: Stack
    receiver: Receiver
    verdict: Verdict
    logs: Path


@pytest.fixture(scope="module")
def traded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Traded]:
    logs = tmp_path_factory.mktemp("logs")
    with receiving() as receiver:
        options = StackOptions(logs=logs, environment={"PACELINE_OTLP_ENDPOINT": receiver.endpoint})
        with Stack(options, lambda _words: None) as stack:
            day = DemoOptions(followers=FOLLOWERS, events=FILLS, seed=3)
            yield Traded(stack, receiver, trade_a_day(stack, day), logs)
