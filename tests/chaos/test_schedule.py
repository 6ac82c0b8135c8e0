"""The same seed does the same; lanes keep their distance; long runs hit often enough to count."""

import math
from itertools import pairwise

import pytest

from chaos.faults.fault import CERTAIN
from chaos.faults.processes import APART_S
from chaos.schedule import Blow, schedule
from chaos.scope import HITS_IN_TEN_MINUTES, Scope
from chaos.scopes import SCOPES

each_scope = pytest.mark.parametrize("scope", SCOPES.values(), ids=SCOPES.keys())


def blows(scope: Scope, seed: int = 1, minutes: float = 10) -> list[Blow]:
    return schedule(seed, minutes * 60, scope.faults, APART_S)


@each_scope
def test_a_seed_draws_the_same_and_another_draws_otherwise(scope: Scope) -> None:
    assert blows(scope) == blows(scope)
    assert blows(scope) != blows(scope, seed=2)


@each_scope
@pytest.mark.parametrize("minutes", [0.5, 3, 10])
def test_faults_of_one_lane_keep_their_distance(scope: Scope, minutes: float) -> None:
    lane_of = {fault.kind: fault.lane for fault in scope.faults}
    lanes: dict[str, list[float]] = {}
    for blow in blows(scope, minutes=minutes):
        lanes.setdefault(lane_of[blow.kind], []).append(blow.at_s)
    for times in lanes.values():
        assert all(later - earlier >= APART_S - 0.02 for earlier, later in pairwise(times))
        assert times[-1] <= minutes * 60


@each_scope
@pytest.mark.parametrize("minutes", [3, 10])
def test_every_kind_strikes_often_enough_to_count(scope: Scope, minutes: float) -> None:
    assert CERTAIN >= HITS_IN_TEN_MINUTES
    struck = [blow.kind for blow in blows(scope, minutes=minutes)]
    for fault in scope.faults:
        assert struck.count(fault.kind) >= math.ceil(HITS_IN_TEN_MINUTES * minutes / 10), fault.kind
