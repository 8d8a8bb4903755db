"""What DVC's cache can bring back, asked of a real one."""

import hashlib
from pathlib import Path

import pytest
from dvc.repo import Repo

from pipeline.files.cache import is_cached


def test_only_files_of_known_content_come_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Repo.init(no_scm=True)
    md5 = hashlib.md5(b"known").hexdigest()
    kept = Path(".dvc/cache/files/md5", md5[:2], md5[2:])
    kept.parent.mkdir(parents=True)
    kept.write_bytes(b"known")
    for name, content in (("run/a", b"known"), ("run/deep/b", b"known"), ("other/a", b"known"), ("other/b", b"new")):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_bytes(content)
    assert is_cached(Path("run"))
    assert not is_cached(Path("other"))
    Path("empty").mkdir()
    assert not is_cached(Path("empty"))
    for target in ("nowhere", "run/a", "run"):
        Path("links").mkdir(exist_ok=True)
        Path("links/link").symlink_to(tmp_path / target)
        assert not is_cached(Path("links"))
        Path("links/link").unlink()
