"""metrics/summary.json and the models that it selects: of each run the seed with the best validation accuracy."""

import shutil
from pathlib import Path

from pipeline.files.artefacts import atomic_write, write_json
from pipeline.reporting import published
from pipeline.reporting.results import Results


def write(measured: Results) -> None:
    """Write the summary, and copy the models beside those of the groups."""
    summary = {}
    for name, run in (("selected", measured.selected), ("selected_study", measured.select(published.STUDY_GROUPS))):
        if run is None:
            continue
        val, test = measured.runs[run].val, measured.runs[run].test
        summary[name] = {"run": str(run), "n": val["accuracy"].n, "val_accuracy": val["accuracy"]}
        summary[name] |= {f"test_{score}": test[score] for score in ("accuracy", "f1")}
        with atomic_write(Path("models", f"{name.replace('_', '-')}.keras")) as temporary:
            shutil.copyfile(run.model(measured.runs[run].best_seed), temporary)
    write_json(Path("metrics/summary.json"), summary)
