"""Small real things to test on: archives in the official layouts, a git and DVC repository in a temporary folder."""

import contextlib
import functools
import hashlib
import importlib
import io
import os
import resource
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
import yaml
from dvc.repo import Repo
from filelock import FileLock
from PIL import Image
from platformdirs import user_cache_path

from pipeline.console import command
from tests import preloaded

ROOT = Path(__file__).parent.parent
CLASSES = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
PER_CLASS = {"train": 10, "test": 2}


# A process takes one file after another. These take minutes; the first makes what most others wait for, the second not.
LONGEST = (
    *("test_graph", "test_search", "test_workflows", "test_run_cache", "test_experiments", "test_cluster"),
    *("test_parallel", "test_real_images", "test_quick", "test_resume", "test_own_images", "test_fingerprint"),
    *("test_resume_convolutional", "test_tidy", "test_review"),
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files first, so that all processes end at about the same time."""
    order = {ROOT / "tests" / "end_to_end" / f"{name}.py": place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: order.get(item.path, len(order)))


@functools.cache
def environment() -> dict[str, str]:
    """The variables of all projects."""
    # Git tells its hooks by variables which repository they serve: here it is this one.
    variables = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    # Without compiled modules, every stage would compile its own anew.
    variables.pop("PYTHONDONTWRITEBYTECODE", None)
    # Without one that is shared, every new project would have Matplotlib look for fonts first.
    variables["MPLCONFIGDIR"] = str(user_cache_path("matplotlib"))
    programs = [preloaded.start(variables), str(Path(sys.executable).parent), os.environ["PATH"]]
    return variables | {"PATH": os.pathsep.join(programs)}


class Project:
    """A copy of the project in a folder of its own, and the shell in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = environment() | {"XDG_CACHE_HOME": str(folder / ".git" / "user-cache")}

    def run(self, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Call a program here; the exit code is the caller's to check."""
        return subprocess.run(
            words, cwd=self.folder, env=self.environment | environment, text=True, capture_output=True, check=False
        )

    def succeed(self, *words: str, **environment: str) -> str:
        """Call a program that must end well, and return what it printed."""
        ended = self.run(*words, **environment)
        assert ended.returncode == 0, ended.stdout + ended.stderr
        return ended.stdout + ended.stderr

    def call(self, stage: str, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Call a stage as the shell does, but in this process, which has TensorFlow already; it must end by itself.

        The code is that of the work tree: where a test changes the project's own, only :meth:`run` executes it.
        """
        module = importlib.import_module(f"pipeline.{stage}")
        if "keras" in sys.modules:
            # Keras numbers the operations of a process that have no name, and a saved model holds these names.
            sys.modules["keras"].utils.clear_session(free_memory=False)
        output, errors = io.StringIO(), io.StringIO()
        with (
            contextlib.chdir(self.folder),
            patch.dict(os.environ, self.environment | environment, clear=True),
            patch.object(sys, "argv", [f"{stage}.py", *words]),
            contextlib.redirect_stdout(output),
            contextlib.redirect_stderr(errors),
            pytest.raises(SystemExit) as ended,
        ):
            command.run(module.main)
        return subprocess.CompletedProcess(
            [stage, *words], int(ended.value.code or 0), output.getvalue(), errors.getvalue()
        )

    def stage(self, stage: str, *words: str, **environment: str) -> str:
        """Call a stage in this process, which must end well, and return what it printed."""
        ended = self.call(stage, *words, **environment)
        assert ended.returncode == 0, ended.stdout + ended.stderr
        return ended.stdout + ended.stderr

    def stale(self) -> dict[str, set[str]]:
        """The stages of which DVC finds dependencies changed, and the paths of these."""
        with contextlib.chdir(self.folder), Repo(str(self.folder)) as repo:
            found = repo.status()
        changed = {
            stage: {path for entry in entries if isinstance(entry, dict) for path in entry.get("changed deps", {})}
            for stage, entries in found.items()
        }
        return {stage: paths for stage, paths in changed.items() if paths}

    def params(self) -> dict[str, Any]:
        """What params.yaml holds."""
        return dict(yaml.safe_load((self.folder / "params.yaml").read_text()))

    def set_params(self, **values: object) -> None:
        """Change leaves of params.yaml: ``set_params(**{"train.epochs": 2})``."""
        params = self.params()
        for name, value in values.items():
            *sections, leaf = name.split(".")
            target = params
            for section in sections:
                target = target[section]
            target[leaf] = value
        (self.folder / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))

    def keep(self, name: str, *runs: str) -> None:
        """Declare only ``runs`` in the mapping ``name`` of params.yaml."""
        section, leaf = name.split(".")
        declared = self.params()[section][leaf]
        self.set_params(**{name: {run: declared[run] for run in runs}})

    def commit(self) -> None:
        """Commit all."""
        self.succeed("git", "add", "--all")
        self.succeed("git", "commit", "--quiet", "--message", "A state to compare with")


def copy_project(folder: Path) -> Project:
    """The project's files as they are in the work tree, in a repository of their own: digits, and fewer runs."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    for name in listed.stdout.decode().split("\0"):
        if name and not name.startswith("metrics/") and name != "dvc.lock" and (ROOT / name).exists():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    project = Project(folder)
    project.set_params(**{"fetch.dataset": "digits", "train.seeds": [100], "train.epochs": 3})
    # Several processes of tests share two cores.
    project.set_params(**{"train.threads": 1})
    project.keep("scale.architectures", "shallow", "medium")
    project.keep("ablation.runs", "dropout30", "l2-1e-5")
    project.keep("tune.searches", "broad", "final")
    project.set_params(**{"tune.max_epochs": 3})
    # As the demo has it.
    small = {"epochs": 5, "batch_size": 50, "precision": "float32", "looks": "mirrored"}
    small |= {"units": [256, 256], "widths": [8, 16]}
    convolutional = project.params()["beyond"]["runs"]["conv-5min"]
    convolutional = {name: value for name, value in convolutional.items() if name not in small}
    runs = {"conv-5min": convolutional | {"learning_rate": 0.1}}
    project.set_params(**{f"beyond.{name}": value for name, value in small.items()}, **{"beyond.runs": runs})
    folds = {
        f"{run}-{fold}": {"group": group, "run": run, "fold": fold, "of": 2}
        for group, run in (("ablation", "l2-1e-5"), ("beyond", "conv-5min"))
        for fold in (1, 2)
    }
    project.set_params(folds=folds)
    project.succeed("git", "init", "--quiet", "--initial-branch", "main")
    project.succeed("git", "config", "user.name", "test")
    project.succeed("git", "config", "user.email", "test@localhost")
    project.succeed("git", "config", "commit.gpgsign", "false")
    project.commit()
    return project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    folder = tmp_path / "project"
    folder.mkdir()
    return copy_project(folder)


@pytest.fixture(scope="session")
def original(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """A project in which every stage has run, and all is committed: made once for all processes of tests."""
    folder = tmp_path_factory.getbasetemp()
    shared = folder if worker_id == "master" else folder.parent
    with FileLock(shared / "original.lock"):
        if not (shared / "original").exists():
            (shared / "making").mkdir()
            project = copy_project(shared / "making")
            project.keep("ablation.runs", "l2-1e-5")
            project.keep("tune.searches", "final")
            small: dict[str, object] = {f"tune.searches.final.space.units_{layer}": [64] for layer in (1, 2, 3)}
            # As long as the demo's, so that the two can be compared.
            small |= {"tune.searches.final.space.dropout": [0.15], "tune.searches.final.space.l2": [4e-5]}
            project.set_params(**{"train.epochs": 10}, **small)
            project.succeed("dvc", "repro")
            project.commit()
            (shared / "making").rename(shared / "original")
    return shared / "original"


@pytest.fixture(scope="module")
def reproduced(original: Path, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A copy of the project in which every stage has run, for tests that only read."""
    return Project(shutil.copytree(original, tmp_path_factory.mktemp("copy") / "reproduced", symlinks=True))


@pytest.fixture
def clean(original: Path, tmp_path: Path) -> Project:
    """A copy, with its cache, of the project in which every stage has run, for the test alone."""
    return Project(shutil.copytree(original, tmp_path / "reproduced", symlinks=True))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A folder that takes half a megabyte, and the system's reason where more is written.

    A file system of its own where one may be mounted; else no file of this process may be larger.
    """
    folder = tmp_path / "small-disk"
    folder.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", str(folder)]
    if shutil.which("mount") and subprocess.run(words, capture_output=True, check=False).returncode == 0:
        yield folder, "No space left on device"
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
        return
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2**19, before[1]))
    yield folder, "File too large"
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def tar(path: Path, members: Mapping[str, bytes]) -> Path:
    """Write a tar archive, compressed as its name says."""
    with tarfile.open(path, "w:gz") if path.suffix == ".gz" else tarfile.open(path, "w:xz") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def binary_members() -> dict[str, bytes]:
    """The files of the official layout: 10 training and 2 test images of each class, the classes mixed."""
    random = np.random.default_rng(0)

    def batch(per_class: int) -> bytes:
        labels = random.permutation(np.repeat(np.arange(10, dtype=np.uint8), per_class))
        return np.hstack([labels[:, None], random.integers(0, 256, (len(labels), 3072), np.uint8)]).tobytes()

    members = {f"data_batch_{number}.bin": batch(2) for number in range(1, 6)}
    return members | {"test_batch.bin": batch(2)}


def folder_members() -> dict[str, bytes]:
    """Class folders of JPEG files with 10 training and 2 test images of each class."""
    random = np.random.default_rng(0)
    members = {}
    for part, count in PER_CLASS.items():
        for name in CLASSES:
            for number in range(count):
                content = io.BytesIO()
                Image.fromarray(random.integers(0, 256, (32, 32, 3), np.uint8)).save(content, "JPEG")
                members[f"{part}/{name}/{number:04d}.jpg"] = content.getvalue()
    return members


def zipped(path: Path, members: Mapping[str, bytes]) -> Path:
    """Write a zip archive."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def laid_out(folder: Path, members: Mapping[str, bytes]) -> Path:
    """Write ``members`` as files of ``folder``."""
    for name, content in members.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def content_digest(members: Mapping[str, bytes]) -> str:
    """What ``sha256sum`` prints of the files, hashed again."""
    lines = [f"{hashlib.sha256(members[name]).hexdigest()}  {name}\n" for name in sorted(members)]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def catalogue_entry(members: Mapping[str, bytes], layout: str, **others: object) -> dict[str, object]:
    """What the catalogue would say of a data set of the files ``members``."""
    return {
        "layout": layout,
        "origin": "a test",
        "address": "http://127.0.0.1:9/archive.tar.gz",
        "largest": 10_000_000,
        "content": content_digest(members),
        "lossless": layout == "binary",
        "images_per_class": PER_CLASS,
        "class_names": CLASSES,
    } | others
