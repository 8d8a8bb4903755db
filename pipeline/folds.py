"""Cross-validation: one fold of one run, trained on the training images but for that fold, on which it is validated.

The training images are those of train and val together. One fold is one model, by the first of train.seeds; one of five
costs what one seed of its run costs.
"""

import numpy as np

from pipeline.console import command
from pipeline.console.progress import TrainingProgress
from pipeline.files import dataset
from pipeline.files.dataset import Split
from pipeline.images import splitting
from pipeline.params import reading, runs
from pipeline.runtime import fingerprints
from pipeline.training.run import train_model


def main(name: str, number: str) -> None:
    """Train the fold ``number`` of the run ``name``, which an entry of ``folds`` declares."""
    fingerprints.check("folds")
    params = reading.load("ablation", "beyond", "folds", "split", "train")
    fold = runs.find_fold(params, name, number)
    train, val = dataset.train_and_val()
    images = Split(np.concatenate([train.images, val.images]), np.concatenate([train.labels, val.labels]))
    splitting.check("training and validation", images, dataset.class_names(), least=fold.of)
    train_model(
        fold,
        params.train.seeds[0],
        *runs.trained(params, fold),
        *splitting.fold(images, fold.number, fold.of, params.split.seed),
        params.train,
        TrainingProgress,
        before_writing=lambda: fingerprints.check("folds"),
    )


if __name__ == "__main__":
    command.run(main)
