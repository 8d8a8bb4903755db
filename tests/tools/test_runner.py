"""In what order stages run, on a graph and in a place that only remember."""

import io
import signal
from collections.abc import Set as AbstractSet
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

import pytest
from rich.console import Console

from pipeline.runtime.signals import StopRequest
from tools import runner
from tools.estimate import Estimate
from tools.runner import Result, Runner
from tools.screen import Screen, State

DIAMOND = {"a": set(), "b": {"a"}, "c": {"a"}, "d": {"a"}, "e": {"b", "c", "d"}, "f": set()}


class Graph:
    """A graph of which all is stale but what has run and what ``unchanged`` names."""

    def __init__(self, needs: dict[str, set[str]], stale: set[str], unchanged: AbstractSet[str]) -> None:
        self.needs = {name: frozenset(needed) for name, needed in needs.items()}
        self._stale, self._unchanged, self.asked = set(stale), unchanged, 0
        self.locked = nullcontext

    def changed(self, name: str) -> bool:
        self.asked += 1
        return name in self._stale and not (name in self._unchanged and self.asked > len(self.needs))

    def after(self, names: set[str]) -> set[str]:
        following = {name for name, needed in self.needs.items() if needed & names}
        return names if following <= names else self.after(names | following)

    def cached(self, name: str) -> bool:
        return False


@dataclass
class Place:
    """Where each stage takes two looks; it fails if ``failing`` names it."""

    jobs: int
    failing: set[str] = field(default_factory=set)
    events: list[str] = field(default_factory=list)
    most: int = 0
    here: bool = False

    def start(self, stage: str) -> Any:
        self.events.append(f"+{stage}")
        begun, ended = ([event for event in self.events if event[0] == sign] for sign in "+-")
        self.most = max(self.most, len(begun) - len(ended))
        return Running(stage, self)


class Running:
    def __init__(self, stage: str, place: Place) -> None:
        self._stage, self._place, self._looks, self._code = stage, place, 0, int(stage in place.failing)

    def poll(self) -> int | None:
        self._looks += 1
        if self._looks < 3:
            return None
        self._place.events.append(f"-{self._stage}")
        return self._code

    def stop(self, number: int) -> None:
        self._place.events.append(f"stop {self._stage}")
        self._code, self._looks = 128 + number, 3

    def line(self) -> str:
        return "epoch 1/2"

    def failure(self) -> str:
        return f"{self._stage}: it cannot\nbe done"

    def ran(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "_POLL_SECONDS", 0)


def run(place: Place, stale: set[str], unchanged: AbstractSet[str] = frozenset(), stop: int | None = None) -> Result:
    graph: Any = Graph(DIAMOND, stale, unchanged)
    outlook = Estimate(dict.fromkeys(DIAMOND, 10**12), 1)
    request = StopRequest()
    request.number = stop
    return Runner(graph, Screen(Console(file=io.StringIO()))).run(place, outlook, request)


def test_stages_run_beside_each_other_after_what_they_need_the_longest_way_first() -> None:
    place = Place(2)
    assert sorted(run(place, set(DIAMOND)).ran) == sorted(DIAMOND)
    assert place.most == 2
    assert place.events[:2] == ["+a", "+f"]
    for name, needs in DIAMOND.items():
        assert all(place.events.index(f"-{needed}") < place.events.index(f"+{name}") for needed in needs)


def test_what_is_not_stale_is_left_alone_and_what_comes_out_as_it_was_runs_nothing() -> None:
    place = Place(3)
    assert run(place, set()) == Result()
    result = run(place, {"a", "b", "c", "d", "e"}, unchanged={"b", "c", "d", "e"})
    assert (result.ran, sorted(result.unchanged)) == (["a"], ["b", "c", "d", "e"])
    assert place.events == ["+a", "-a"]


def test_what_needs_a_stage_that_failed_is_left_out_and_all_else_goes_on() -> None:
    result = run(Place(1, failing={"b"}), set(DIAMOND))
    assert result.failed == {"b": "b: it cannot be done"}
    assert result.left_out == {"e": "b"}
    assert sorted(result.ran) == ["a", "c", "d", "f"]


def test_a_signal_stops_what_runs_and_starts_nothing() -> None:
    place = Place(1)
    result = run(place, set(DIAMOND), stop=signal.SIGINT)
    assert result == Result(stopped=signal.SIGINT)
    assert place.events == []


def test_names_and_times_stay_whole_in_80_columns() -> None:
    name = "ablation@joint-l2-1e-5-dropout10-rate-5e-4-100"
    output = io.StringIO()
    screen = Screen(Console(file=output, force_terminal=True, width=80, soft_wrap=True))
    with screen:
        screen.show(State(2, running={name: (f"x  epoch 3/50  {'loss ' * 20}", 0.0), "fetch": ("> python", 0.0)}))
    first, second = output.getvalue().splitlines()[1:3]
    assert "ablation@joint-l2-1e…0-rate-5e-4-100" in first
    assert " min  epoch 3/50" in first
    assert len(first) <= 80
    assert "starts" in second


@dataclass
class Deserted(Place):
    """A place whose only worker has died; another comes after some looks."""

    looks: int = 0

    def __getattribute__(self, name: str) -> Any:
        if name != "jobs":
            return super().__getattribute__(name)
        self.looks += 1
        return int(self.looks > 5)


def test_where_no_worker_is_left_the_stages_wait_for_one() -> None:
    place = Deserted(1)
    assert sorted(run(place, set(DIAMOND)).ran) == sorted(DIAMOND)
    assert place.looks > 5
