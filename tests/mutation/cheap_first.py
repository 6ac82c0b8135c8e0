"""A plugin for the mutation run: whole histories are tried last, since most mutants fall to a case before."""

import pytest

DEAR = ("test_laws", "test_preview")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: any(name in item.nodeid for name in DEAR))
