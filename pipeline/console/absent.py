"""What can be done where a model is not here: a fresh clone has none, and not every project has a remote."""

from pathlib import Path

# Where `make quick` works.
QUICK = Path("quick")


def how_to_get(model: Path) -> str:
    """One line on ``model``, which is missing: how it comes here, and what that takes."""
    if not model.absolute().is_relative_to(Path("models").absolute()):
        return f"{model} is missing; allowed: a .keras file of this project"
    # Here, because a command that finds its model need not wait for it.
    from dvc.repo import Repo

    quick, remote = QUICK / "models/selected.keras", Repo().config["core"].get("remote")
    ways = [f"'--model {quick}' takes the one that 'make quick' has trained"] if quick.exists() else []
    ways += [f"'dvc pull {model}' fetches it if it was pushed to the remote {remote}"] if remote else []
    ways += [] if quick.exists() else ["'make quick' trains two in some minutes"]
    ways += ["'make repro' trains all in hours ('make plan' says how many)"]
    without = "" if remote else ", and no DVC remote is set from which it could be pulled"
    return f"{model} is missing{without}; {', '.join(ways)}"
