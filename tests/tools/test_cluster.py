import pytest

from tools.cluster import difference

MINE = {"folder": "a:/study", "Python": "3.11", "commit": "1", "pipeline/run.py": "2", "numpy": "2.4", "cache": "token"}


@pytest.mark.parametrize(
    ("theirs", "refusal"),
    [
        (MINE | {"folder": "b:/study"}, None),
        (MINE, "that is the caller's own folder; allowed: a clone of its own"),
        # All that is known of a worker that could not read the question.
        ({"folder": "tcp://b:1", "Python": "3.12"}, "its Python is 3.12, and the caller's 3.11"),
        (MINE | {"folder": "b:/study", "pipeline/run.py": "3"}, "its pipeline/run.py is 3, and the caller's 2"),
        (MINE | {"folder": "b:/study", "pipeline/more.py": "3"}, "its pipeline/more.py is 3, and the caller's none"),
        (MINE | {"folder": "b:/study", "cache": "/c"}, "its cache /c is another than the caller's"),
    ],
)
def test_a_worker_is_refused_for_the_first_thing_in_which_it_differs(
    theirs: dict[str, str], refusal: str | None
) -> None:
    line = f"the worker in {theirs['folder']} is refused: {refusal}" if refusal else None
    assert difference(MINE, theirs) == line
