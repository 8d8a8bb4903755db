"""dvc.yaml against what the code really does."""

import re
import subprocess
import sys
from typing import Any

import pytest
import yaml

from pipeline.common import params
from tests.conftest import ROOT

STAGES: dict[str, Any] = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
TEST_SET = re.compile(r"data/prepared/test\b|data/prepared$|data$")


def definition(stage: str) -> dict[str, Any]:
    defined: dict[str, Any] = STAGES[stage].get("do", STAGES[stage])
    return defined


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_depends_on_exactly_the_modules_that_it_executes(stage: str) -> None:
    program = (
        f"import pipeline.{stage}, sys\n"
        "for name, module in sys.modules.items():\n"
        "    if name.split('.')[0] == 'pipeline': print(module.__file__)"
    )
    printed = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    executed = {path.removeprefix(f"{ROOT}/") for path in printed.stdout.split()}
    # It holds nothing but a docstring.
    executed.discard("pipeline/common/__init__.py")
    assert {path for path in definition(stage)["deps"] if path.endswith(".py")} == executed


@pytest.mark.parametrize("stage", STAGES)
def test_only_evaluate_sees_the_test_set(stage: str) -> None:
    sees = any(TEST_SET.match(dependency) for dependency in definition(stage)["deps"])
    assert sees == (stage == "evaluate")


def test_parameters_are_named_at_the_leaf_and_exist() -> None:
    declared = params.load(ROOT / "params.yaml").model_dump()
    used = {name for stage in STAGES for name in definition(stage)["params"]}
    for name in used:
        value: Any = declared
        for part in name.split("."):
            value = value[part]
        assert not isinstance(value, dict), name
    leaves = {f"{section}.{leaf}" for section, values in declared.items() for leaf in values}
    assert used == leaves


def test_metrics_are_kept_in_git() -> None:
    for stage in STAGES:
        for kind in ("metrics", "plots"):
            for output in definition(stage).get(kind, []):
                ((path, options),) = output.items()
                assert path.startswith("metrics/")
                assert options["cache"] is False
