"""The steps of .github/workflows as they stand there, run by the shell that GitHub runs them by."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conftest import ROOT, Project


def job(workflow: str, name: str) -> dict[str, Any]:
    """One job of a workflow."""
    jobs = yaml.safe_load((ROOT / ".github/workflows" / f"{workflow}.yml").read_text())["jobs"]
    return dict(jobs[name])


def steps(of_job: Mapping[str, Any], values: Mapping[str, str]) -> Iterator[tuple[str, dict[str, str]]]:
    """Script and environment of each step that runs one; ``values`` are those of the expressions ``${{ }}``."""

    def filled(text: str) -> str:
        return re.sub(r"\$\{\{ *(.*?) *\}\}", lambda found: values[found[1]], text)

    for step in of_job["steps"]:
        if "run" in step:
            environment = of_job.get("env", {}) | step.get("env", {})
            yield filled(step["run"]), {name: filled(value) for name, value in environment.items()}


def run(project: Project, of_job: Mapping[str, Any], values: Mapping[str, str], **environment: str) -> list[str]:
    """Run all steps of a job, which must end well; return what each printed."""
    return [project.succeed("bash", "-e", "-c", script, **own, **environment) for script, own in steps(of_job, values)]


def make_environment(project: Project, *programs: str) -> None:
    """What `make .venv` leaves, of ``programs`` alone: an environment is not the subject here."""
    (project.folder / ".venv/bin").mkdir(parents=True)
    for program in programs:
        found = project.succeed("sh", "-c", f"command -v {program}").strip()
        (project.folder / ".venv/bin" / program).symlink_to(found)
    (project.folder / ".venv/installed").touch()


def files(project: Project) -> dict[str, bytes]:
    """The content of all files in git."""
    names = project.succeed("git", "ls-files", "-z").split("\0")
    return {name: (project.folder / name).read_bytes() for name in names if name}


def test_a_pull_request_is_reviewed_also_in_a_clone_with_other_line_ends_and_a_name_that_is_not_ascii(
    clean: Project, tmp_path: Path
) -> None:
    """The demo runs every stage with an empty cache, and then what the request changes, which changes figures too."""
    base = clean.succeed("git", "rev-parse", "HEAD").strip()
    clean.set_params(**{"reg.learning_rate": 1e-3})
    for name in ("dvc.lock", "metrics/regularise.json"):
        (clean.folder / name).write_text((clean.folder / name).read_text().replace("1", "2"))
    clean.commit()
    there, temporary = tmp_path / "Prüfung 1", tmp_path / "läuft"
    clean.succeed("git", "-c", "core.autocrlf=true", "clone", "--quiet", str(clean.folder), str(there))
    temporary.mkdir()
    clone = Project(there)
    clone.succeed("git", "config", "core.autocrlf", "true")
    assert files(clone) == files(clean)
    make_environment(clone)
    (clone.folder / "uncommitted.txt").write_bytes(b"mine\r\n")
    # Staged, and then written again.
    (clone.folder / "metrics/split.json").write_text("{}")
    clone.succeed("git", "add", "metrics/split.json")
    (clone.folder / "metrics/split.json").write_text("[]")
    state = clone.succeed("git", "status", "--porcelain")

    summary = temporary / "summary.md"
    values = {"github.event.pull_request.base.sha": base}
    places = {"RUNNER_TEMP": str(temporary), "GITHUB_STEP_SUMMARY": str(summary), "TMPDIR": str(temporary)}
    output, _ = run(clone, job("review", "demo"), values, **places)
    assert clone.succeed("git", "status", "--porcelain") == state
    # The index and the files that the demo was made from are gone.
    # TensorFlow's generated modules alone may lie there.
    assert {path.name for path in temporary.iterdir()} - {"__pycache__"} == {"demo", "summary.md"}
    demo = Project(temporary / "demo")
    assert (demo.folder / "uncommitted.txt").read_bytes() == b"mine\r\n"
    assert "| ablation/l2-1e-5 |" in output
    # The hash of every output is in it.
    assert demo.succeed("git", "show", "main~1:dvc.lock") == clean.succeed("git", "show", f"{base}:dvc.lock")

    page = summary.read_text()
    assert page == (demo.folder / "review/review.md").read_text()
    assert page.startswith(f"# The work tree against {base} ({base[:10]})\n\n1 parameter, ")
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in page.splitlines() if line.startswith("| ")]
    assert ["`reg.learning_rate`", "`0.0001`", "`0.001`"] in rows
    assert {row[0] for row in rows if len(row) == 8 and row[1].startswith("val.")} == {"regularise"}
    (path,) = re.findall(r"^review: (.*) has this page with its plots$", output, re.MULTILINE)
    assert Path(path).read_text() == page
    # Whoever looks at the demo compares with its branch main; other processes, other orders of what DVC finds.
    again = demo.succeed("python", "-m", "tools.review", "main", PYTHONHASHSEED="1")
    assert again.startswith("# The work tree against main (")
    assert page.partition("## Metrics")[2] in again
    check_comment(clone, tmp_path, page)


GH = """#!/bin/sh
# In the place of GitHub's program: answers which comments are known, and keeps what it is told.
[ "$2" != --paginate ] || exec cat "$KNOWN"
printf '%s\\n' "$*" >> "$KNOWN.calls"
cp "$(printf '%s\\n' "$@" | sed -n 's/^body=@//p')" "$KNOWN.body"
"""


def check_comment(clone: Project, folder: Path, page: str) -> None:
    """The second job writes one comment, and then that one anew."""
    gh, known, there = folder / "bin/gh", folder / "known", folder / "job"
    (there / "review").mkdir(parents=True)
    (there / "review/review.md").write_text(page)
    gh.parent.mkdir()
    gh.write_text(GH)
    gh.chmod(0o755)
    runner = Project(there)
    path = f"{gh.parent}:{clone.environment['PATH']}"
    values = {
        "github.token": "secret",
        "github.repository": "owner/name",
        "github.event.pull_request.number": "5",
        "github.server_url": "https://server",
        "github.run_id": "7",
    }
    for answer in ("", "41\n"):
        known.write_text(answer)
        run(runner, job("review", "comment"), values, PATH=path, KNOWN=str(known))
    calls = (folder / "known.calls").read_text().splitlines()
    assert [call.split(" --field")[0] for call in calls] == [
        "api --method POST repos/owner/name/issues/5/comments",
        "api --method PATCH repos/owner/name/issues/comments/41",
    ]
    body = (folder / "known.body").read_text()
    assert body.startswith("<!-- demo review -->\n# The work tree against ")
    assert "![before]" not in body
    assert body.endswith(
        '[This run](https://server/owner/name/actions/runs/7) keeps the figures as its artifact "review".\n'
    )


def test_the_study_runs_what_its_remote_has_not_and_is_reviewed(clean: Project, tmp_path: Path) -> None:
    """All of the study is in the remote, so that nothing trains."""
    remote = tmp_path / "remote"
    clean.succeed("dvc", "remote", "add", "--local", "--default", "study", str(remote))
    clean.succeed("dvc", "push", "--quiet", "--run-cache")
    clean.succeed("git", "clone", "--quiet", str(clean.folder), str(tmp_path / "clone"))
    clone = Project(tmp_path / "clone")
    make_environment(clone, "dvc")
    values = {"vars.CIFAR10_ARCHIVE": "", "vars.CIFAR10_STATE": str(tmp_path / "state"), "vars.DVC_REMOTE": str(remote)}
    study = job("study", "repro")
    outputs = run(clone, study, values)
    assert "Running stage" not in "".join(outputs)
    assert "# The work tree against origin/main (" in outputs[-1]
    kept = study["steps"][-1]["with"]["path"].split()
    assert all((clone.folder / path).exists() for path in kept)
    assert clone.succeed("git", "status", "--porcelain") == ""


def test_what_lints_and_tests_is_there_to_be_called(project: Project) -> None:
    """Only asked for, because these tests are part of it."""
    make_environment(project)
    scripts = [script for script, _ in steps(job("test", "test"), {})]
    assert scripts == ["make lint", "make test"]
    assert "pytest" in "".join(project.succeed(*script.split(), "--dry-run") for script in scripts)


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"REV": "nowhere"}, "demo: REV is nowhere, which git does not know here; allowed: a branch, tag or commit\n"),
        ({"FOLDER": "pipeline"}, "demo: FOLDER is pipeline; allowed: a folder that can be made and is not there yet\n"),
        ({"FOLDER": "a\udcff"}, "demo: 'a\\udcff': DVC cannot work in a folder of such a name; allowed: UTF-8 "),
        ({}, "fetch: params.yaml: unknown parameter fetch.datasets; allowed here: dataset, path\n"),
    ],
)
def test_a_demo_that_fails_says_why_and_leaves_no_folder(
    project: Project, tmp_path: Path, environment: dict[str, str], message: str
) -> None:
    if not environment:
        project.set_params(**{"fetch.datasets": "digits"})
    (tmp_path / "tmp").mkdir()
    before = {path.name for path in project.folder.iterdir()}
    ended = project.run("tools/demo", **{"TMPDIR": str(tmp_path / "tmp")} | environment)
    assert ended.returncode != 0
    assert message in ended.stderr
    assert list((tmp_path / "tmp").iterdir()) == []
    assert {path.name for path in project.folder.iterdir()} == before
    if environment:
        assert ended.stderr.count("\n") == 1
