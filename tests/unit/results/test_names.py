"""Names of runs, also of methods whose name has a hyphen."""

from __future__ import annotations

import pytest

from sa2vp.methods import METHODS
from sa2vp.results.names import make_run_id, search_name, task_of, trial_number


@pytest.mark.parametrize("method", METHODS)
def test_a_task_is_read_from_the_name_of_a_run_of_any_method(method: str) -> None:
    for suite, task in (("demo", "digits"), ("vtab-1k", "oxford_flowers102")):
        search = make_run_id(suite, task, "search", 7, 0, method=method)
        confirm = make_run_id(suite, task, "confirm", 7, 3, method=method)
        final = make_run_id(suite, task, "final", 0, 2, method=method)
        assert {task_of(name, suite, method) for name in (search, confirm, final)} == {task}
        assert trial_number(search) == trial_number(confirm) == 7
        others = {task_of(final, suite, other) for other in METHODS if other != method} - {None}
        assert not others & {"digits", "oxford_flowers102"}


def test_searches_of_a_suite_have_names_of_their_own() -> None:
    names = {search_name(suite, method) for suite in ("demo", "vtab-1k") for method in METHODS}
    assert len(names) == 2 * len(METHODS)
