"""Which district of the code may import which, read from the text of the modules."""

from pathlib import Path

from pipeline.runtime import sources
from tests.conftest import ROOT

# Besides itself. A stage may import any district, a tool anything but stages.
MAY_IMPORT = {
    "files": set(),
    "networks": {"files"},
    "images": {"files"},
    "params": {"files"},
    "runtime": {"files"},
    "evaluation": {"files"},
    "training": {"networks", "evaluation", "params", "runtime", "files"},
    "search": {"training", "networks", "evaluation", "params", "runtime", "files"},
    "reporting": {"evaluation", "params", "files"},
    "console": {"search", "training", "networks", "evaluation", "params", "runtime", "files"},
}
STAGES = {
    *("fingerprint", "fetch", "preprocess", "baseline", "scale", "regularise", "ablation", "beyond"),
    *("folds", "tune", "winner", "evaluate", "report", "predict"),
}
DISTRICTS = set(MAY_IMPORT)
ALLOWED = MAY_IMPORT | dict.fromkeys(STAGES, DISTRICTS) | {"tools": DISTRICTS}


def modules() -> list[str]:
    paths = [path.relative_to(ROOT) for package in sources.PACKAGES for path in (ROOT / package).rglob("*.py")]
    return [".".join((path.parent if path.stem == "__init__" else path.with_suffix("")).parts) for path in paths]


def part(module: str) -> str:
    """The district or stage of a module; "tools", or "pipeline" for the package itself."""
    names = module.split(".")
    return names[1] if names[0] == "pipeline" and len(names) > 1 else names[0]


def entries(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if path.name != "__pycache__"}


def test_every_module_imports_only_what_its_place_allows() -> None:
    found = {(module, imported) for module in modules() for imported in sources.imports(module)}
    wrong = [
        f"{module} imports {imported}"
        for module, imported in sorted(found)
        if part(imported) not in {"pipeline", part(module), *ALLOWED.get(part(module), set())}
    ]
    assert wrong == []


def test_reporting_never_reaches_tensorflow() -> None:
    reporting = [module for module in modules() if part(module) == "reporting"]
    assert len(reporting) > 1
    assert [module for module in reporting if "pipeline.networks.backend" in sources.executed(module)] == []


def test_the_top_of_the_package_holds_the_stages_and_the_districts_alone() -> None:
    files = {f"{name}.py" for name in (*STAGES, "__init__")}
    assert entries(ROOT / "pipeline") == files | DISTRICTS
