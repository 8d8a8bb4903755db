"""Which runs may join the ensemble over runs."""

from pipeline import evaluate
from pipeline.files.runs import Run
from pipeline.params import reading
from tests.conftest import ROOT


def test_a_run_that_shows_the_worth_of_a_part_does_not_join_the_ensemble() -> None:
    params = reading.load(*reading.SECTIONS, path=ROOT / "params.yaml")
    whole, part = Run("beyond", "dense-augmented"), Run("beyond", "dense-pixels")
    assert params.beyond.runs[part.name].compared_with == whole.name
    assert evaluate.joining(params, "beyond", [part, whole]) == [whole]
    assert evaluate.joining(params, "ablation", [Run("ablation", "headline")]) == []
