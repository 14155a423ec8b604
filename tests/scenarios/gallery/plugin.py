"""Runs the scenarios on defective firmware, as a pytest plugin: a scenario passes by noticing the defect.

    pytest scenarios -p tests.scenarios.gallery.plugin --board virtual-esp32 --board virtual-esp32c3 --patience 4

Every scenario is run on the exhibits that it guards, instead of on sound firmware; the others are left out. It is
caught where the scenario fails as firmware fails (an assertion, no error of the bench and no skip) and its message says
what the exhibit wants it to say.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from pathlib import Path

import pytest

from bench.builds import VirtualBuild
from tests.scenarios.gallery import EXHIBITS
from tests.scenarios.gallery.exhibit import Exhibit

WANTED = pytest.StashKey[str]()
"""What the failure of an item must say."""


@pytest.fixture
def exhibit(request: pytest.FixtureRequest) -> Exhibit:
    """The exhibit on show."""
    assert isinstance(request.param, Exhibit)
    return request.param


class Show:
    """The exhibits in the place of the builds; registered after the bench's own fixtures, so that `shelf` hides theirs.

    Args:
        exhibits: what is on show
    """

    def __init__(self, exhibits: Sequence[Exhibit]) -> None:
        self._exhibits = exhibits

    @pytest.fixture
    def shelf(self, exhibit: Exhibit, tmp_path: Path) -> Callable[[VirtualBuild], Path]:
        """Writes the exhibit where the sound build would be written."""

        def take(sound: VirtualBuild) -> Path:
            root = tmp_path / f"build-{len(list(tmp_path.iterdir()))}"
            for name, data in exhibit.files(sound).items():
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                (root / name).write_bytes(data)
            return root

        return take

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Every scenario once for each exhibit that it guards against."""
        if "exhibit" in metafunc.fixturenames:
            name = _name(metafunc)
            shown = [one for one in self._exhibits if any(_function(guard) == name for guard in one.guards)]
            metafunc.parametrize("exhibit", shown, indirect=True, ids=[one.name for one in shown])

    @pytest.hookimpl(tryfirst=True)  # before -k leaves anything out
    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        """Leave out what guards nothing. `pytest.UsageError` for a guard whose case or board is not there."""
        self._check_boards(items)
        kept: list[pytest.Item] = []
        for guard, group in self._by_guard(items).items():
            case = guard[1].partition("[")[2].removesuffix("]")
            found = next((item for item in group if f"{_case(item)}-".startswith(f"{case}-" if case else "")), None)
            if found is None:
                raise pytest.UsageError(f"{guard[0]!r} names {guard[1]}, and there is no such case")
            if found in kept:
                raise pytest.UsageError(f"{guard[0]!r} names {guard[1]} twice")
            shown = _shown(found)
            assert shown is not None
            found.stash[WANTED] = shown.guards[guard[1]]
            kept.append(found)
        config.hook.pytest_deselected(items=[item for item in items if item not in kept])
        items[:] = kept

    def _check_boards(self, items: list[pytest.Item]) -> None:
        """Every exhibit of the scenarios that were collected can be shown on its board."""
        shown = [(one, item) for item in items if isinstance(item, pytest.Function) and (one := _shown(item))]
        there = {one.name for one, item in shown if _is_on(item, one.board)}
        for one, _ in shown:
            if one.name not in there:
                raise pytest.UsageError(f"{one.name!r} is shown on {one.board}: add --board {one.board}")

    def _by_guard(self, items: list[pytest.Item]) -> dict[tuple[str, str], list[pytest.Function]]:
        """The items of each guard's function and exhibit, on the exhibit's board."""
        groups: dict[tuple[str, str], list[pytest.Function]] = {}
        for item in items:
            shown = _shown(item)
            if not isinstance(item, pytest.Function) or shown is None or not _is_on(item, shown.board):
                continue
            for guard in shown.guards:
                if _function(guard) == _name(item):
                    groups.setdefault((shown.name, guard), []).append(item)
        return groups

    @pytest.hookimpl(trylast=True)
    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Say what the numbers mean: the bench's own summary, above, counts what the scenarios said."""
        noticed = len(terminalreporter.stats.get("passed", []))
        missed = len(terminalreporter.stats.get("failed", [])) + len(terminalreporter.stats.get("error", []))
        terminalreporter.section("gallery of defective firmware", sep="-")
        terminalreporter.write_line(
            f"{noticed} of {noticed + missed} times a defect was noticed; that a scenario fails is wanted here"
        )

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Turn the verdict round: a defect that was noticed, in the right words, is a pass."""
        report = yield
        shown = _shown(item)
        if shown is None or (report.when != "call" and not report.skipped):
            return report
        wanted = item.stash[WANTED]
        if report.passed:
            problem = f"not caught: {shown.wrong}, and the scenario passed. The promise: {shown.promise}"
        elif report.skipped or call.excinfo is None or not call.excinfo.errisinstance(AssertionError):
            problem = f"not judged: {report.longreprtext}"
        elif wanted not in (said := str(call.excinfo.value)):
            problem = f"caught, but what was said does not name {wanted!r}:\n{said}"
        else:
            report.outcome, report.longrepr = "passed", None
            return report
        report.outcome, report.longrepr = "failed", problem
        return report


def pytest_configure(config: pytest.Config) -> None:
    """Open the gallery."""
    config.pluginmanager.register(Show(EXHIBITS), "gallery-show")


def _function(guard: str) -> str:
    return guard.partition("[")[0]


def _name(test: pytest.Metafunc | pytest.Function) -> str:
    return f"{test.module.__name__.rpartition('.')[2]}::{test.function.__name__}"


def _shown(item: pytest.Item) -> Exhibit | None:
    found = item.callspec.params.get("exhibit") if isinstance(item, pytest.Function) and _is_case(item) else None
    return found if isinstance(found, Exhibit) else None


def _is_case(item: pytest.Function) -> bool:
    return hasattr(item, "callspec")


def _is_on(item: pytest.Function, board: str) -> bool:
    return f"-{board}-" in f"-{item.callspec.id}-"


def _case(item: pytest.Function) -> str:
    """The id of the case without those of board and exhibit: ``404`` of ``virtual-esp32c3-any status-404``."""
    shown = _shown(item)
    assert shown is not None
    parts = f"-{item.callspec.id}-".replace(f"-{shown.board}-", "-", 1).replace(f"-{shown.name}-", "-", 1)
    return parts.removeprefix("-").removesuffix("-")
