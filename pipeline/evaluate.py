"""The test set, which no other stage sees: every declared model of one group, read back from its file."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
from sklearn.dummy import DummyClassifier

from pipeline.common import command, data, models, params
from pipeline.common.artefacts import write_array, write_json
from pipeline.common.metrics import classification, over_seeds, per_class, probabilities
from pipeline.common.mistakes import confident_mistakes
from pipeline.common.runs import leftovers, of_group

# As many as the report shows.
MISTAKES = 15


def naive(train_labels: npt.NDArray[np.uint8], labels: npt.NDArray[np.uint8]) -> dict[str, float]:
    """Figures of the classifier that looks at no image and always names the most frequent class of training."""
    classifier = DummyClassifier(strategy="most_frequent").fit(np.zeros((len(train_labels), 1)), train_labels)
    return classification(labels, classifier.predict(np.zeros((len(labels), 1))))


def main(group: str) -> None:
    """Score the models of ``group`` on the test images."""
    settings = params.load()
    runs = []
    for run in of_group(settings, group):
        if all(run.model(seed).exists() for seed in settings.train.seeds):
            runs.append(run)
        else:
            print(f"evaluate: {run.title} has not been trained and is left out")
    for path in leftovers(settings):
        if path.parts[1] == group:
            print(f"evaluate: {path} belongs to no run of params.yaml and is ignored; 'make tidy' removes it")
    test, names = data.load("test"), data.class_names()
    figures, by_class = {}, {}
    for run in runs:
        per_seed = []
        for seed in settings.train.seeds:
            predicted = probabilities(models.load(run.model(seed)), test.images)
            write_array(run.predictions(seed), predicted)
            write_array(run.mistakes(seed), test.images[confident_mistakes(test.labels, predicted, MISTAKES)])
            per_seed.append(predicted.argmax(axis=1))
        figures[run.name] = over_seeds([classification(test.labels, labels) for labels in per_seed])
        classes = [per_class(test.labels, labels, names) for labels in per_seed]
        by_class[run.name] = {name: over_seeds([figures_of[name] for figures_of in classes]) for name in names}
    if group == "baseline":
        figures["naive"] = over_seeds([naive(data.load("train").labels, test.labels)])
    write_array(Path("data/predictions", group, "labels.npy"), test.labels)
    write_json(Path(f"metrics/evaluate/{group}.json"), figures)
    write_json(Path(f"metrics/evaluate/{group}/per_class.json"), by_class)


if __name__ == "__main__":
    command.run(main)
