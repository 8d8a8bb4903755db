"""How long stages will take, and how long all that is left, a number of them beside each other."""

import heapq
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from tools.times import Time

# Seconds: to start Python, DVC and TensorFlow; of an untimed stage that trains nothing; of one from the run cache.
START_SECONDS = 8.0
OTHER_SECONDS = 20.0
CACHED_SECONDS = 3.0
# Multiply-adds per second and thread (an Intel Xeon core), weighted as if measured for ASSUMED_SECONDS.
ASSUMED_SPEED = 40e9
ASSUMED_SECONDS = 60.0


@dataclass
class Estimate:
    """The seconds of each stage.

    ``multiply_adds`` and ``threads`` are what the stages have now, ``before`` what they took before; those of
    ``cached`` come from the run cache. What has been measured since is told by :meth:`measured`.
    """

    multiply_adds: Mapping[str, int | None]
    threads: int
    before: dict[str, Time] = field(default_factory=dict)
    cached: set[str] = field(default_factory=set)

    def measured(self, name: str, time: Time) -> None:
        """Take note that a stage has ended."""
        self.before[name] = time

    @property
    def speed(self) -> float:
        """Multiplications a second of all timed training stages with as many threads, and of the assumption."""
        timed = [time for time in self.before.values() if time.threads == self.threads and self._tells(time)]
        products = ASSUMED_SECONDS * self._assumed + sum(time.multiply_adds or 0 for time in timed)
        return products / (ASSUMED_SECONDS + sum(max(0.0, time.seconds - START_SECONDS) for time in timed))

    @property
    def _assumed(self) -> float:
        return ASSUMED_SPEED * max(1, self.threads)

    def _tells(self, time: Time) -> bool:
        """Whether a stage did more than start, as small images do: only then its time says something of others."""
        return (time.multiply_adds or 0) >= START_SECONDS * self._assumed

    def seconds(self, name: str) -> float:
        """What the stage will take: as before, in proportion to its multiplications, or by these and the speed."""
        if name in self.cached:
            return CACHED_SECONDS
        products, before = self.multiply_adds.get(name), self.before.get(name)
        if before and before.threads == self.threads:
            if products == before.multiply_adds:
                return before.seconds
            if products and before.multiply_adds and self._tells(before):
                return START_SECONDS + max(0.0, before.seconds - START_SECONDS) * products / before.multiply_adds
        if not products:
            return OTHER_SECONDS
        return START_SECONDS + products / self.speed


def longest_paths(needs: Mapping[str, Collection[str]], seconds: Mapping[str, float]) -> dict[str, float]:
    """Of each stage of ``seconds``: its own and those of the longest chain of stages that follow it."""
    followers: dict[str, list[str]] = {name: [] for name in seconds}
    for name in seconds:
        for needed in needs[name]:
            if needed in followers:
                followers[needed].append(name)
    found: dict[str, float] = {}

    def path(name: str) -> float:
        if name not in found:
            found[name] = seconds[name] + max((path(follower) for follower in followers[name]), default=0.0)
        return found[name]

    return {name: path(name) for name in seconds}


def duration(
    needs: Mapping[str, Collection[str]],
    seconds: Mapping[str, float],
    jobs: int,
    running: Mapping[str, float] | None = None,
) -> float:
    """Seconds until all stages of ``seconds`` have ended, ``jobs`` at a time, the longest chain first.

    ``running`` has the seconds that those which run already still take; others of ``needs`` have ended. Where ``jobs``
    is 0, because no worker is there, it is what one would take.
    """
    jobs, paths = max(1, jobs), longest_paths(needs, seconds)
    active = [(left, name) for name, left in (running or {}).items()]
    heapq.heapify(active)
    unfinished = set(seconds) | set(running or {})
    waiting = set(seconds) - set(running or {})
    now = 0.0
    while waiting or active:
        ready = sorted((name for name in waiting if not unfinished & set(needs[name])), key=lambda name: -paths[name])
        for name in ready[: max(0, jobs - len(active))]:
            waiting.remove(name)
            heapq.heappush(active, (now + seconds[name], name))
        now, ended = heapq.heappop(active)
        unfinished.remove(ended)
    return now


_FEW_SECONDS = 90.0
_MANY_MINUTES = 100


def spoken(seconds: float) -> str:
    """A duration for people: "40 s", "12 min", "3 h 5 min"."""
    if seconds < _FEW_SECONDS:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < _MANY_MINUTES else f"{minutes // 60} h {minutes % 60} min"
