"""The test set, which no other stage sees: every declared model of one group, read back from its file."""

from pathlib import Path

from pipeline.console import command
from pipeline.evaluation.classification import scores, scores_by_class, scores_of_most_frequent
from pipeline.evaluation.inference import outputs
from pipeline.evaluation.mistakes import confident_mistakes
from pipeline.evaluation.statistics import over_seeds
from pipeline.files import dataset
from pipeline.files.artefacts import write_array, write_json
from pipeline.files.runs import leftovers
from pipeline.networks import saving
from pipeline.params import reading, runs

# As many as the report shows.
MISTAKES = 15


def main(group: str) -> None:
    """Score the models of ``group`` on the test images."""
    params = reading.load("train", runs.section_of(group))
    declared, seeds = runs.runs_of(params, group), params.train.seeds
    for path in leftovers(group, declared):
        print(f"evaluate: {path} belongs to no run of params.yaml and is ignored; 'make tidy' removes it")
    test, names = dataset.load("test"), dataset.class_names()
    by_run, by_class = {}, {}
    for run in declared:
        if not all(run.model(seed).exists() for seed in seeds):
            print(f"evaluate: {run.title} has not been trained and is left out")
            continue
        predicted = []
        for seed in seeds:
            probabilities = outputs(saving.load(run.model(seed)), test.images)
            write_array(run.predictions(seed), probabilities)
            write_array(run.mistakes(seed), test.images[confident_mistakes(test.labels, probabilities, MISTAKES)])
            predicted.append(probabilities.argmax(axis=1))
        by_run[run.name] = over_seeds([scores(test.labels, labels) for labels in predicted])
        classes = [scores_by_class(test.labels, labels, names) for labels in predicted]
        by_class[run.name] = {name: over_seeds([seed[name] for seed in classes]) for name in names}
    if group == "baseline":
        by_run["naive"] = over_seeds([scores_of_most_frequent(dataset.load("train").labels, test.labels)])
    write_array(Path("data/predictions", group, "labels.npy"), test.labels)
    write_json(Path(f"metrics/evaluate/{group}.json"), by_run)
    write_json(Path(f"metrics/evaluate/{group}/per_class.json"), by_class)


if __name__ == "__main__":
    command.run(main)
