"""dvc.yaml against what the code really does."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from dvc.repo import Repo

from pipeline.runtime import fingerprints, sources
from tests.conftest import ROOT

STAGES: dict[str, Any] = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
TEST_SET = re.compile(r"data/prepared/test\b|data/prepared$|data$")


def definition(stage: str) -> dict[str, Any]:
    defined: dict[str, Any] = STAGES[stage].get("do", STAGES[stage])
    return defined


@pytest.mark.parametrize("stage", sorted(set(STAGES) - {"fingerprint"}))
def test_a_stage_depends_on_its_fingerprint_and_on_the_data_files_that_it_reads(stage: str) -> None:
    dependencies = definition(stage)["deps"]
    assert [path for path in dependencies if path.startswith("fingerprints/")] == [f"fingerprints/{stage}.json"]
    named = {path for path in dependencies if path.startswith("pipeline/")}
    texts = [sources.path_of(module).read_text() for module in sources.decisive(f"pipeline.{stage}")]
    assert named == {path for text in texts for path in re.findall(r"pipeline/[\w/]+\.yaml", text)}


def test_every_stage_has_a_description_and_a_fingerprint() -> None:
    assert all(definition(stage)["desc"] for stage in STAGES)
    written = [next(iter(out)) for out in definition("fingerprint")["outs"]]
    assert sorted(written) == sorted(f"fingerprints/{stage}.json" for stage in fingerprints.STAGES)
    assert set(fingerprints.STAGES) == set(STAGES) - {"fingerprint"}


def test_only_outs_whose_stages_need_no_run_cache_are_kept_out_of_it() -> None:
    """A plain output with cache: false switches DVC's run cache off for its stage."""
    for stage in set(STAGES) - {"fingerprint", "report"}:
        assert all(isinstance(out, str) for out in definition(stage)["outs"]), stage


@pytest.mark.parametrize("stage", STAGES)
def test_only_evaluate_sees_the_test_set(stage: str) -> None:
    sees = any(TEST_SET.match(dependency) for dependency in definition(stage)["deps"])
    assert sees == (stage == "evaluate")


def parameters(stage: Any) -> set[str]:
    return {name for dependency in stage.params for name in dependency.params}


def leaves(section: dict[str, Any], prefix: str = "") -> Iterator[str]:
    for name, value in section.items():
        if isinstance(value, dict) and value:
            yield from leaves(value, f"{prefix}{name}.")
        else:
            yield prefix + name


def test_every_parameter_is_a_dependency_of_some_stage_and_none_is_made_up() -> None:
    declared = list(leaves(yaml.safe_load((ROOT / "params.yaml").read_text())))
    # train.seeds.0 is the first of a list.
    stages = Repo(str(ROOT)).index.stages
    names = {re.sub(r"\.\d+$", "", name) for stage in stages for name in parameters(stage)}
    for name in names:
        assert any(leaf == name or leaf.startswith(f"{name}.") for leaf in declared), name
    for leaf in declared:
        assert any(leaf == name or leaf.startswith(f"{name}.") for name in names), leaf


def test_training_depends_on_its_own_parameters_at_the_leaf() -> None:
    declared = set(leaves(yaml.safe_load((ROOT / "params.yaml").read_text())))
    for stage in Repo(str(ROOT)).index.stages:
        group, _, name = stage.addressing.partition("@")
        run = name if group == "tune" else name.rpartition("-")[0]
        if group not in ("evaluate", "report"):
            mappings = {f"{mapping}.{run}" for mapping in ("ablation.runs", "beyond.runs", "tune.searches")}
            first = {f"folds.{name}", "train.seeds.0"} if group == "folds" else set()
            assert parameters(stage) - declared <= mappings | first
            assert "train.seeds" not in parameters(stage)


def test_metrics_are_kept_in_git() -> None:
    for stage in STAGES:
        for kind in ("metrics", "plots"):
            for output in definition(stage).get(kind, []):
                ((path, options),) = output.items()
                assert path.startswith("metrics/")
                assert options["cache"] is False
