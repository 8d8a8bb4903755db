import pytest

from pipeline.files.errors import UserError
from tools import estimate, jobs
from tools.estimate import START_SECONDS, Estimate
from tools.screen import latest, progress
from tools.times import Time

# a -> b -> d, a -> c -> d, and e by itself
NEEDS = {"a": set(), "b": {"a"}, "c": {"a"}, "d": {"b", "c"}, "e": set()}
SECONDS = {"a": 1.0, "b": 5.0, "c": 2.0, "d": 1.0, "e": 4.0}


@pytest.mark.parametrize(("count", "expected"), [(0, 13.0), (1, 13.0), (2, 7.0), (3, 7.0)])
def test_what_is_left_is_that_of_so_many_jobs_and_never_less_than_the_longest_chain(
    count: int, expected: float
) -> None:
    # Two jobs: a and e begin; b follows a, c follows e at 4, d begins at 6.
    assert estimate.duration(NEEDS, SECONDS, count) == expected
    assert max(estimate.longest_paths(NEEDS, SECONDS).values()) == 7.0


def test_what_runs_already_counts_with_what_it_still_takes() -> None:
    left = {name: SECONDS[name] for name in ("c", "d")}
    assert estimate.duration(NEEDS, left, 2, {"b": 0.5}) == 3.0
    assert estimate.duration(NEEDS, left, 1, {"b": 0.5}) == 3.5


def test_a_stage_takes_what_it_took_before_in_proportion_to_what_it_multiplies() -> None:
    before = {"x": Time(START_SECONDS + 100, 10**12, 2), "report": Time(5.0, None, 2)}
    outlook = Estimate({"x": 2 * 10**12, "y": 10**12, "report": None}, 2, before)
    assert outlook.seconds("x") == START_SECONDS + 200
    assert outlook.seconds("report") == 5.0
    outlook.measured("y", Time(START_SECONDS + 300, 10**12, 2))
    assert outlook.seconds("y") == START_SECONDS + 300


def test_a_stage_that_never_ran_takes_its_multiplications_at_the_speed_of_all_others() -> None:
    hours = {"x": Time(36_000.0, 36_000 * 10**11, 2)}
    assert Estimate({"y": 10**13}, 2, hours).seconds("y") == pytest.approx(START_SECONDS + 100, rel=0.01)
    # Times with other threads, and stages that did little but start, say little.
    assumed = Estimate({"y": 10**13}, 2).seconds("y")
    assert Estimate({"y": 10**13}, 2, {"x": Time(36_000.0, 10**10, 1)}).seconds("y") == assumed
    assert Estimate({"y": 10**13}, 2, {"x": Time(0.0, 10**8, 2)}).seconds("y") == pytest.approx(assumed, rel=0.001)
    assert Estimate({"y": 10**13}, 2, {"x": Time(45.0, 10**8, 2)}).seconds("y") == assumed


def test_times_on_small_images_say_nothing_of_large_ones() -> None:
    products = {f"digits-{number}": 7 * 10**8 for number in range(18)}
    before = {name: Time(37.5, number, 2) for name, number in products.items()}
    assert Estimate(products, 2, before).seconds("digits-0") == 37.5
    large = dict.fromkeys(products, 10**13)
    assert Estimate(large, 2, before).seconds("digits-0") == Estimate(large, 2).seconds("digits-0")


def test_jobs_are_cores_divided_by_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "cores", lambda: 8)
    assert [jobs.count("auto", threads) for threads in (1, 2, 3, 16, 0)] == [8, 4, 2, 1, 1]
    assert jobs.count("5", 4) == 5
    assert jobs.crowd(4, 2) is None
    assert (
        jobs.crowd(5, 2)
        == "warning: 5 jobs with train.threads 2 want 10 cores, and 8 are here: they slow each other down"
    )
    for word in ("0", "-1", "two", "1.5", ""):
        with pytest.raises(UserError, match=r"JOBS is .*; allowed: auto, or a number from 1 on"):
            jobs.count(word, 1)


@pytest.mark.parametrize(
    ("line", "fraction", "short"),
    [
        ("scale/deep, seed 1  epoch 12/50  loss 1.3", 0.24, "epoch 12/50  loss 1.3"),
        ("tune/final: trial 2 of 8, rung 1 (50 epochs): x", 0.25, "trial 2 of 8, rung 1 (50 epochs): x"),
        ("> python -m pipeline.fetch", None, "starts"),
    ],
)
def test_how_far_a_stage_is_stands_in_its_line(line: str, fraction: float | None, short: str) -> None:
    assert progress(line) == fraction
    assert latest(line) == short
