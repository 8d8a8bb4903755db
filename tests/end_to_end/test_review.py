"""The reviewer's page: verdicts, what cannot be read, whether the report is stale, and the whole of it on a change."""

import hashlib
import json
import re
import subprocess
from itertools import islice, permutations
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import yaml
from dvc.repo import Repo

from pipeline.evaluation.comparison import compare
from pipeline.evaluation.statistics import Statistic
from pipeline.files.errors import UserError
from pipeline.reporting import plots
from pipeline.reporting.drawing import save
from pipeline.runtime import fingerprints
from tests.conftest import Project
from tools import changes, review, revisions, staleness, tidy
from tools.changes import Change

NAN = float("nan")
IDENTITY = ["-c", "user.name=test", "-c", "user.email=test@localhost", "-c", "commit.gpgsign=false"]
COMMIT = ["git", *IDENTITY, "commit", "--quiet"]


def change(name: str, before: Statistic | None, after: Statistic | None) -> Change:
    return Change("metrics/regularise.json", name, before, after)


@pytest.mark.parametrize(
    ("name", "before", "after", "verdict"),
    [
        ("val.accuracy", Statistic(0.50, 3, 0.001), Statistic(0.52, 3, 0.001), "better"),
        ("val.accuracy", Statistic(0.52, 3, 0.001), Statistic(0.50, 3, 0.001), "worse"),
        ("val.loss", Statistic(1.40, 3, 0.001), Statistic(1.50, 3, 0.001), "worse"),
        ("val.loss", Statistic(1.50, 3, 0.001), Statistic(1.40, 3, 0.001), "better"),
        ("val.accuracy", Statistic(0.50, 3, 0.02), Statistic(0.51, 3, 0.02), "not told apart"),
        ("val.accuracy", Statistic(0.50, 1, None), Statistic(0.60, 1, None), "unknown: one seed"),
        ("val.accuracy", Statistic(0.50, 3, 0.01), Statistic(0.60, 3, None), "unknown: no spread given"),
        ("val.accuracy", Statistic(0.50, 3, 0.0), Statistic(0.51, 3, 0.0), "unknown: no spread in either run"),
        ("val.accuracy", Statistic(0.50, 3, 0.0), Statistic(0.52, 3, 0.001), "better"),
        ("selected.val_accuracy", Statistic(0.50, 3, 0.001), Statistic(0.52, 3, 0.001), "better"),
        ("epochs", Statistic(50, 3, 0.0), Statistic(40, 3, 0.0), "changed"),
        # The training images of folds overlap, so that no test of independent values fits.
        ("deep.folds.accuracy", Statistic(0.50, 5, 0.001), Statistic(0.52, 5, 0.001), "changed"),
        ("deep.ensemble.test.accuracy", Statistic(0.50, 1), Statistic(0.52, 1), "changed"),
        ("val.accuracy", None, Statistic(0.50, 3, 0.02), "new"),
        ("val.accuracy", Statistic(0.50, 3, 0.02), None, "removed"),
        ("val.accuracy", Statistic(0.50, 3, 0.02), Statistic(NAN, 3, 0.02), "not a number"),
        ("val.accuracy", Statistic(NAN, 3, 0.02), Statistic(0.50, 3, 0.02), "not a number"),
        ("val.accuracy", Statistic(0.50, 3, 0.02), Statistic(0.50, 3, NAN), "not a number"),
        ("val.accuracy", None, Statistic(NAN, 3, 0.02), "not a number"),
        ("epochs", Statistic(50, 3, 0.0), Statistic(float("inf"), 3, 0.0), "not a number"),
    ],
)
def test_verdicts(name: str, before: Statistic | None, after: Statistic | None, verdict: str) -> None:
    assert change(name, before, after).verdict == verdict


def test_a_change_has_the_interval_and_p_of_the_reports_comparisons() -> None:
    before, after = Statistic(0.50, 3, 0.01), Statistic(0.51, 3, 0.02)
    assert change("val.accuracy", before, after).comparison == compare(after, before)
    assert change("epochs", before, after).comparison is None


def test_large_numbers_are_shown_by_their_magnitude() -> None:
    large = change("multiply_adds", Statistic(3.35e12, 3, 3.92e10), Statistic(3.39e12, 3, 0.0))
    small = change("epochs", Statistic(49, 3, 1.0), Statistic(50, 3, 0.0))
    page = review.metric_table([large, small])
    assert re.search(r"3\.35e\+12 ± 3\.92e\+10 +\| +3\.39e\+12 ± 0\.0000 +\| +\+4\.00e\+10 ", page)
    assert re.search(r"49\.0000 ± 1\.0000 +\| +50\.0000 ± 0\.0000 +\| +\+1\.0000 ", page)


def test_the_page_says_how_many_marks_chance_alone_would_make() -> None:
    tested = [change("val.accuracy", Statistic(0.50, 3, 0.02), Statistic(0.51, 3, 0.02))] * 30
    others = [
        change("epochs", Statistic(50, 3, 0.0), Statistic(40, 3, 0.0)),
        change("val.accuracy", Statistic(0.50, 1), Statistic(0.60, 1)),
        change("val.accuracy", None, Statistic(0.60, 3, 0.02)),
    ]
    assert "Of the 30 scores that were tested, chance alone would mark about 1.5" in review.chance(tested + others)
    assert "chance alone" not in review.chance(others)


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A git repository with a run's metrics, two runs' metrics and parameters, all committed."""
    monkeypatch.chdir(tmp_path)
    write("metrics/regularise.json", of_run())
    write("metrics/scale.json", {"deep": of_run(), "shallow": of_run()})
    # Neither is a score: what is nothing here, and three means, of colours.
    write("metrics/split.json", {"lossless": None, "channels": {"mean": [0.1, 0.2, 0.3], "std": [0.1, 0.1, 0.1]}})
    Path("params.yaml").write_text("reg:\n  l2: 1e-05\n")
    for words in (["git", "init", "--quiet"], ["git", "add", "--all"], [*COMMIT, "--message", "before"]):
        subprocess.run(words, check=True)
    return tmp_path


def write(path: str, content: object) -> None:
    Path(path).parent.mkdir(exist_ok=True)
    Path(path).write_text(json.dumps(content, indent=2))


def of_run(**scores: object) -> dict[str, Any]:
    """What a metrics file says of a run, with some of its validation scores changed."""
    val = {"accuracy": {"mean": 0.5, "std": 0.01}, "loss": {"mean": 1.5, "std": 0.01}}
    return {"n": 3, "val": val | scores, "parameters": 30}


def found() -> dict[str, str]:
    """The verdict of each change by file and name."""
    return {f"{c.path.removeprefix('metrics/')}: {c.name}": c.verdict for c in changes.metrics("HEAD")}


def test_only_what_changed_is_listed(repository: Path) -> None:
    assert found() == {}
    write("metrics/regularise.json", of_run(accuracy={"mean": 0.6, "std": 0.01}))
    assert found() == {"regularise.json: val.accuracy": "better"}
    (accuracy,) = changes.metrics("HEAD")
    assert (accuracy.before, accuracy.after) == (Statistic(0.5, 3, 0.01), Statistic(0.6, 3, 0.01))


def test_other_images_selected_runs_and_members_are_named(repository: Path) -> None:
    assert changes.texts("HEAD") == []
    write("metrics/dataset.json", {"dataset": "digits", "channels": {"mean": [0.1, 0.2, 0.3]}})
    write("metrics/scale.json", {"deep": of_run(), "ensemble": {"members": ["deep"], "test": {"accuracy": 0.5}}})
    assert changes.texts("HEAD") == [("dataset: dataset", None, "digits"), ("scale: ensemble.members", None, ["deep"])]
    subprocess.run(["git", "add", "--all"], check=True)
    subprocess.run([*COMMIT, "--message", "chosen"], check=True)
    write(
        "metrics/scale.json", {"deep": of_run(), "ensemble": {"members": ["deep", "wide"], "test": {"accuracy": 0.5}}}
    )
    changed = changes.texts("HEAD")
    assert changed == [("scale: ensemble.members", ["deep"], ["deep", "wide"])]
    assert "| `scale: ensemble.members` | `['deep']` | `['deep', 'wide']` |" in review.text_table(changed)


@pytest.mark.parametrize(
    ("score", "verdict"),
    [
        ({"mean": NAN, "std": 0.01}, "not a number"),
        ({"mean": 0.5, "std": NAN}, "not a number"),
        ({"mean": float("inf"), "std": 0.01}, "not a number"),
        ({"mean": "0.5", "std": 0.01}, "not a number"),
        (NAN, "not a number"),
        ({"mean": None, "std": 0.01}, "missing"),
        ({"std": 0.01}, "missing"),
        (None, "missing"),
    ],
)
def test_what_is_no_number_is_named_on_either_side(score: object, verdict: str, repository: Path) -> None:
    write("metrics/regularise.json", of_run(accuracy=score))
    write("metrics/scale.json", {"deep": of_run(accuracy=score), "shallow": of_run()})
    names = ["regularise.json: val.accuracy", "scale.json: deep.val.accuracy"]
    assert found() == dict.fromkeys(names, verdict)
    subprocess.run(["git", "-c", "user.name=t", "-c", "user.email=t@l", "commit", "-qam", "bad"], check=True)
    # Unchanged, it is named all the same; and where it stands before.
    assert found() == dict.fromkeys(names, verdict)
    write("metrics/regularise.json", of_run())
    assert found() == dict.fromkeys(names, verdict)
    page = review.metric_table(changes.metrics("HEAD"))
    assert "nan" not in page.lower()
    assert page.count(verdict) >= len(names)


def test_scores_whose_number_of_seeds_is_lost_are_named(repository: Path) -> None:
    lost = of_run()
    del lost["n"]
    write("metrics/regularise.json", lost)
    assert found() == {"regularise.json: val.accuracy": "missing", "regularise.json: val.loss": "missing"}
    write("metrics/regularise.json", lost | {"n": "3"})
    assert set(found().values()) == {"not a number"}


def test_a_score_that_its_run_has_lost_is_missing_and_a_run_that_is_gone_removed(repository: Path) -> None:
    lost = of_run()
    del lost["val"]["loss"]
    write("metrics/scale.json", {"deep": lost, "wide": of_run()})
    verdicts = found()
    assert verdicts["scale.json: deep.val.loss"] == "missing"
    assert verdicts["scale.json: shallow.val.loss"] == "removed"
    assert verdicts["scale.json: wide.val.loss"] == "new"
    Path("metrics/regularise.json").unlink()
    assert found()["regularise.json: val.loss"] == "removed"


@pytest.mark.parametrize(
    ("content", "line", "reason"),
    [
        (b'{\n  "n": 3,\n  "val": {\n', 4, "Expecting property name"),
        (b"", 1, "Expecting value"),
        (b'{\n<<<<<<< HEAD\n  "n": 3\n', 2, "Expecting property name"),
        (b'{\n\n  "n": "\xff"\n}', 3, "not UTF-8"),
        (b"[1, 2]", 1, "no mapping"),
        (b"null", 1, "no mapping"),
    ],
)
def test_a_file_that_cannot_be_read_is_named_with_its_line_and_not_called_removed(
    content: bytes, line: int, reason: str, repository: Path
) -> None:
    Path("metrics/regularise.json").write_bytes(content)
    (after,) = changes.unreadable("HEAD")
    assert after.startswith(f"cannot be read: metrics/regularise.json (after), line {line}: {reason}")
    assert found() == {}
    subprocess.run(["git", "-c", "user.name=t", "-c", "user.email=t@l", "commit", "-qam", "bad"], check=True)
    write("metrics/regularise.json", of_run())
    (before,) = changes.unreadable("HEAD")
    assert before.startswith(f"cannot be read: metrics/regularise.json (before), line {line}: {reason}")
    assert found() == {}


def test_parameters_that_cannot_be_read_are_named_and_not_called_removed(repository: Path) -> None:
    Path("params.yaml").write_text("reg:\n  l2: [1e-05\n")
    (line,) = changes.unreadable("HEAD")
    assert line.startswith("cannot be read: params.yaml (after), line 3: ")
    assert changes.parameters("HEAD") is None
    assert review.parameter_table(None) == "Not compared: params.yaml cannot be read."


def test_declared_comparisons_are_listed_where_their_verdict_changed(repository: Path) -> None:
    write("metrics/comparisons.json", {"same?": {"verdict": "holds"}, "changes?": {"verdict": "holds", "holm_p": 0.02}})
    subprocess.run(["git", "add", "--all"], check=True)
    subprocess.run(["git", "-c", "user.name=t", "-c", "user.email=t@l", "commit", "-qm", "more"], check=True)
    after = {"verdict": "not told apart", "holm_p": 1.0}
    write("metrics/comparisons.json", {"same?": {"verdict": "holds"}, "changes?": after})
    (row,) = review.answer_table(changes.answers("HEAD")).splitlines()[2:]
    assert [cell.strip() for cell in row.split("|")[1:-1]] == [
        "changes?",
        "0.0200",
        "holds",
        "1.0000",
        "not told apart",
    ]
    assert found() == {}


def test_numbers_too_large_for_any_score_are_named(repository: Path) -> None:
    for path, wrong in (
        ("metrics/a.json", of_run(accuracy={"mean": 10**400, "std": 0.01})),
        ("metrics/b.json", of_run(accuracy={"mean": 0.5, "std": 10**400})),
        ("metrics/c.json", of_run() | {"n": 10**400}),
        ("metrics/d.json", of_run() | {"n": True}),
        ("metrics/e.json", of_run() | {"n": 0}),
        ("metrics/f.json", of_run(accuracy={"mean": 0.5, "std": -0.01})),
        ("metrics/g.json", of_run(accuracy={"mean": True, "std": 0.01})),
        ("metrics/h.json", of_run(accuracy={"mean": 0.5, "std": ""})),
    ):
        write(path, wrong)
        assert found()[f"{path.removeprefix('metrics/')}: val.accuracy"] == "not a number"
        assert review.metric_table(changes.metrics("HEAD"))
        Path(path).unlink()
    # The images' own, which is true or false.
    write("metrics/split.json", {"lossless": True})
    assert found()["split.json: lossless"] == "new"


@pytest.mark.parametrize(
    "content", ['{"n": ' + "9" * 5000 + "}", '{"n":' * 5000 + "1" + "}" * 5000, '{"n":' + "[" * 300 + "]" * 300 + "}"]
)
def test_what_python_does_not_read_is_named(content: str, repository: Path) -> None:
    Path("metrics/regularise.json").write_text(content)
    (line,) = changes.unreadable("HEAD")
    assert line.startswith("cannot be read: metrics/regularise.json (after): ")
    assert found() == {}


@pytest.mark.parametrize("content", ["a: " + "9" * 5000, "a: " + "[" * 5000 + "]" * 5000, "a: 2020-99-99"])
def test_parameters_that_python_does_not_read_are_named(content: str, reported: dict[str, Any]) -> None:
    Path("params.yaml").write_text(content)
    (line,) = changes.unreadable("HEAD")
    assert line.startswith("cannot be read: params.yaml (after): ")
    assert changes.parameters("HEAD") is None
    assert staleness.of_report()


@pytest.mark.parametrize("content", [None, [], "gone", {}])
def test_a_run_that_is_named_and_holds_nothing_is_missing(content: object, repository: Path) -> None:
    write("metrics/scale.json", {"deep": of_run(), "shallow": content})
    assert set(found().values()) == {"missing"}
    assert "scale.json: shallow.val.loss" in found()


def test_what_names_no_commit_is_no_revision(repository: Path) -> None:
    for revision in ("^HEAD", "nowhere", "", "--all", "HEAD..HEAD"):
        with pytest.raises(UserError, match=f"^REV is {re.escape(revision)}, which git does not know here"):
            changes.commit(revision)
    assert re.fullmatch("[0-9a-f]{40}", changes.commit("HEAD"))


@pytest.mark.parametrize("lock", [b"stages:\n", b"\xff\xfe\x00", b"stages: [", b"[]", b"5", b"stages: {report: 5}"])
def test_a_damaged_lock_is_named_on_the_page_and_parameters_are_compared(
    lock: bytes, repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("dvc.lock").write_bytes(lock)
    Path("params.yaml").write_text("reg:\n  l2: 1e-04\n")
    review.main("HEAD")
    page = capsys.readouterr().out
    assert "**The report is stale**: dvc.lock " in page
    assert "`reg.l2`" in page
    Path("params.yaml").unlink()
    review.main("HEAD")
    assert "Not compared: params.yaml is missing." in capsys.readouterr().out


@pytest.mark.parametrize("lock", [b"stages:\n", b"\xff\xfe\x00", b"stages: [", b"[1]", b"5", b"a: " + b"[" * 3000])
def test_tidy_names_a_lock_that_is_damaged(lock: bytes, repository: Path) -> None:
    Path("dvc.lock").write_bytes(lock)
    with pytest.raises(
        UserError, match=r"^dvc\.lock is damaged \(.*; 'git checkout dvc\.lock' brings it back$"
    ) as caught:
        tidy.forget(cast("Repo", None))
    assert "\n" not in str(caught.value)
    assert Path("dvc.lock").read_bytes() == lock


@pytest.mark.parametrize("entry", [{"deps": 5}, {"params": {"params.yaml": []}}, {"outs": [{"path": "a", "md5": 1}]}])
def test_a_lock_whose_report_has_another_form_says_so(entry: dict[str, Any], reported: dict[str, Any]) -> None:
    lock(reported | entry)
    assert staleness.of_report() == ["dvc.lock has no report of this graph"]


@pytest.fixture
def reported(repository: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """dvc.lock's entry of a report that belongs to the files beside it."""
    monkeypatch.setattr(fingerprints, "check", lambda stage: None)
    write("metrics/report.md", "page")

    def entry(path: str) -> dict[str, str]:
        return {"path": path, "hash": "md5", "md5": hashlib.md5(Path(path).read_bytes()).hexdigest()}

    stage = {
        "deps": [entry("metrics/regularise.json"), {"path": "models/scale", "md5": "0.dir"}],
        "params": {"params.yaml": {"reg": {"l2": 1e-05}, "reg.l2": 1e-05}},
        "outs": [entry("metrics/report.md"), {"path": "models/selected.keras", "md5": "0"}],
    }
    lock(stage)
    return stage


def lock(stage: dict[str, Any]) -> None:
    Path("dvc.lock").write_text(yaml.safe_dump({"schema": "2.0", "stages": {"report": stage}}))


def test_a_report_that_belongs_to_its_metrics_is_not_stale(reported: dict[str, Any]) -> None:
    assert staleness.of_report() == []
    # The same numbers, written as people do.
    Path("params.yaml").write_text("reg: {l2: 1e-5}\n")
    assert staleness.of_report() == []


def test_the_report_is_stale_after_each_of_what_it_depends_on(
    reported: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    write("metrics/regularise.json", of_run(accuracy={"mean": 0.6, "std": 0.01}))
    assert staleness.of_report() == ["metrics/regularise.json changed"]
    Path("metrics/regularise.json").unlink()
    assert staleness.of_report() == ["metrics/regularise.json is missing"]
    write("metrics/regularise.json", of_run())
    write("metrics/report.md", "another page")
    Path("params.yaml").write_text("reg: {l2: 1e-4}\n")
    assert staleness.of_report() == [
        *("params.yaml: reg changed", "params.yaml: reg.l2 changed", "metrics/report.md changed")
    ]
    assert review.warnings("HEAD") == [
        "**The report is stale**: params.yaml: reg changed; params.yaml: reg.l2 changed; metrics/report.md changed. "
        "`dvc repro report` makes it anew."
    ]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("schema: '2.0'\nstages: {}\n", "dvc.lock has no report of this graph"),
        ("", "dvc.lock has no report of this graph"),
        ("stages:\n<<<<<<< HEAD\n", "dvc.lock or params.yaml cannot be read: .* line 3"),
    ],
)
def test_a_lock_without_a_report_says_so(content: str, reason: str, reported: dict[str, Any]) -> None:
    Path("dvc.lock").write_text(content)
    (said,) = staleness.of_report()
    assert re.match(reason, said), said
    Path("dvc.lock").unlink()
    assert staleness.of_report() == ["dvc.lock is missing"]


def test_rows_come_in_one_order_whatever_order_dvc_found_them_in(monkeypatch: pytest.MonkeyPatch) -> None:
    before, better, worse = Statistic(0.5, 3, 0.001), Statistic(0.6, 3, 0.001), Statistic(0.4, 3, 0.001)
    entries = [("test.f1", better), ("val.accuracy", worse), ("test.accuracy", better), ("val.f1", worse)]
    changed = [Change(path, name, before, after) for path in ("b.json", "a.json") for name, after in entries]
    # Each thousandth of all orders.
    (table,) = {review.metric_table(order) for order in islice(permutations(changed), 0, None, 1009)}
    rows = [tuple(cell.strip() for cell in line.split("|")[1:3]) for line in table.splitlines()[2:]]
    names = ("val.accuracy", "val.f1", "test.accuracy", "test.f1")
    assert rows == [(path, name) for two in (names[:2], names[2:]) for path in ("a", "b") for name in two]
    sides = {"main": {"reg": {"l2": 1, "dropout": 0.1}}, None: {"reg": {"dropout": 0.1, "l2": 2}, "baseline": {"r": 3}}}
    monkeypatch.setattr(revisions, "parsed", lambda revision, path: sides[revision])
    assert changes.parameters("main") == [("baseline.r", None, 3), ("reg.l2", 1, 2)]


TRAINED = (["regularise", "100"], ["regularise", "101"], ["evaluate", "regularise"])


def test_a_review_shows_parameters_metrics_and_figures(project: Project) -> None:
    project.set_params(**{"train.seeds": [100, 101], "train.epochs": 4})
    for words in (["fetch"], ["preprocess"], *TRAINED):
        project.stage(*words)
    samples = project.folder / "metrics/figures/samples.png"
    save(plots.image_grid(np.zeros((1, 32, 32, 3), np.uint8), ["black"], 1, 1, "Training images"), samples)
    project.commit()
    project.set_params(**{"reg.learning_rate": 1e-9})
    for words in TRAINED:
        project.stage(*words)
    save(plots.image_grid(np.ones((1, 32, 32, 3), np.uint8), ["nearly black"], 1, 1, "Training images"), samples)
    page = project.succeed("python", "-m", "tools.review", "main")
    assert (project.folder / "review/review.md").read_text() in page
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in page.splitlines() if line.startswith("|")]
    assert ["`reg.learning_rate`", "`0.0001`", "`1e-09`"] in cells
    (accuracy,) = (row for row in cells if row[:2] == ["regularise", "val.accuracy"])
    assert accuracy[2].count("±") == accuracy[3].count("±") == 1
    assert float(accuracy[4]) < 0
    assert re.fullmatch(r"-0\.\d{4} to -0\.\d{4}", accuracy[5])
    assert 0 <= float(accuracy[6].removeprefix("< ")) < 0.05
    assert accuracy[7] == "worse"
    assert "**The report is stale**: dvc.lock " in page
    assert [
        "figures/samples.png",
        "![before](before/metrics-figures-samples.png)",
        "![after](after/metrics-figures-samples.png)",
    ] in cells
    for side in ("before", "after"):
        assert (project.folder / f"review/{side}/metrics-figures-samples.png").read_bytes().startswith(b"\x89PNG")
    assert project.succeed("git", "status", "--porcelain", "review") == ""


def test_an_unknown_revision_is_a_clear_error(project: Project) -> None:
    ended = project.run("python", "-m", "tools.review", "nowhere")
    assert (ended.returncode, ended.stderr) == (
        1,
        "review: REV is nowhere, which git does not know here; allowed: a branch, tag or commit\n",
    )
