"""Scores the saved models of one group on the test images, which no other stage does; minutes.

Gives metrics/<group>.json (statistics over seeds) and, beside it, a row per seed, per epoch and per class.
"""

from pathlib import Path

from pipeline.console import command, committed
from pipeline.evaluation import group as scored
from pipeline.evaluation.classification import scores_of_most_frequent
from pipeline.evaluation.inference import predicted
from pipeline.evaluation.mistakes import confident_mistakes
from pipeline.files import dataset
from pipeline.files.artefacts import read_json, sha256, write_array, write_csv, write_json
from pipeline.files.cache import remove_leftovers
from pipeline.files.errors import UserError
from pipeline.files.runs import GROUPS_OF_ONE, Run, group_file, leftovers
from pipeline.networks import looks, saving
from pipeline.params import reading, runs
from pipeline.params.beyond import ENSEMBLE
from pipeline.runtime import fingerprints
from pipeline.training import devices

# As many as the report shows.
MISTAKES = 15


def joining(params: reading.Params, group: str, trained: list[Run]) -> list[Run]:
    """The runs of ``trained`` that may join the ensemble: of beyond those that are candidates, of other groups none."""
    return [run for run in trained if run not in runs.compared(params)] if group == "beyond" else []


def main(group: str) -> None:
    """Score the models of ``group`` on the test images."""
    fingerprints.check("evaluate")
    folded: list[reading.SectionName] = ["folds"] if group in runs.FOLDED else []
    params = reading.load("train", runs.section_of(group), *folded)
    declared, folds, seeds = runs.runs_of(params, group), runs.folds_of(params, group), params.train.seeds
    trained, validated, absent = scored.split_by_training(declared, folds, seeds)
    if not trained:
        stage = "winner" if group == "tune" else group
        raise UserError(f"no run of {group} is trained with all its seeds; 'dvc repro {stage}' trains them")
    if absent:
        print(f"evaluate: left out of {group}, because not trained: {', '.join(absent)}")
    joined = joining(params, group, trained)
    devices.prepare(params.train.device, params.train.threads)
    for path, why in remove_leftovers(leftovers(group, [*declared, *folds], seeds)).items():
        print(f"evaluate: removed {path}, {why}")
    test, names = dataset.load("test"), dataset.class_names()
    val = dataset.load("val") if joined else None
    rows, summary, said = [], {}, {}
    for run in trained:
        models = (saving.load(run.model(seed)) for seed in seeds)
        seen = test, val if run in joined else None
        said[run] = [predicted(model, looks.with_one_look(model), *seen) for model in models]
        of_run = [
            scored.score_seed(run, seed, test.labels, own["test"], names, own.get("one-look"))
            for seed, own in zip(seeds, said[run], strict=True)
        ]
        summary[run.name] = scored.summarise(of_run, test.labels)
        if own_folds := [fold for fold in validated if fold.name == run.name]:
            summary[run.name]["folds"] = scored.summarise_folds(own_folds, seeds[0])
        if group == "tune":
            summary[run.name]["search"] = read_json(run.winner) | {"trials_sha256": sha256(run.trials)}
        rows += of_run
    if group == "baseline":
        summary[group]["naive"] = {"test": scores_of_most_frequent(dataset.load("train").labels, test.labels)}
    if val is not None:
        summary[ENSEMBLE] = scored.summarise_together({run.name: said[run] for run in joined}, val.labels, test.labels)
    tables = scored.tables(rows)
    fingerprints.check("evaluate")
    for run in trained:
        for seed, own in zip(seeds, said[run], strict=True):
            for of, probabilities in own.items():
                write_array(run.predictions(seed, of), probabilities)
            write_array(run.mistakes(seed), test.images[confident_mistakes(test.labels, own["test"], MISTAKES)])
    write_array(Path("data/predictions", group, "labels.npy"), test.labels)
    write_json(group_file(group), summary[group] if group in GROUPS_OF_ONE else summary)
    for kind, table in tables.items():
        write_csv(group_file(group, kind), table)
    for run, before in committed.changed(trained).items():
        print(f"{run.title}: test accuracy {summary[run.name]['test']['accuracy']}, in the last commit {before}")


if __name__ == "__main__":
    command.run(main)
