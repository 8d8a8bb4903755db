"""The container in which editors open the project."""

import json
import re

from tests.conftest import ROOT

FOLDER = ROOT / ".devcontainer"


def test_the_container_is_built_from_the_lock_and_has_the_extension_of_dvc() -> None:
    described = json.loads((FOLDER / "devcontainer.json").read_text())
    assert described["postCreateCommand"].endswith("; make .venv")
    assert "iterative.dvc" in described["customizations"]["vscode"]["extensions"]
    file = (FOLDER / described["build"]["dockerfile"]).read_text()
    assert f"useradd --create-home --shell /bin/bash {described['remoteUser']}\n" in file
    # What the recipes call before there is an environment.
    packages = set(re.sub(r"\\\n", " ", file).partition("--no-install-recommends")[2].partition("&&")[0].split())
    assert {"ca-certificates", "git", "make", "python3", "python3-venv"} <= packages
    # No package comes from elsewhere.
    assert "pip" not in file
    assert "--require-hashes -r requirements.lock" in (ROOT / "Makefile").read_text()
