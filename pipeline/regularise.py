"""The model that reg.* describes: what ``dvc exp run -S reg.l2=1e-4`` trains, and nothing else.

One seed is one model: 50 seconds on two cores.
"""

from pipeline.console import command
from pipeline.console.progress import TrainingProgress
from pipeline.files import dataset
from pipeline.params import reading, runs
from pipeline.runtime import fingerprints
from pipeline.training.run import train_model


def main(seed: str) -> None:
    """Train one ``seed`` of the regularised model."""
    fingerprints.check("regularise")
    params = reading.load("reg", "train")
    run = runs.find(params, "regularise", "regularise")
    train_model(
        run,
        runs.seed_of(params.train, seed),
        *runs.trained(params, run),
        *dataset.train_and_val(),
        params.train,
        TrainingProgress,
        before_writing=lambda: fingerprints.check("regularise"),
    )


if __name__ == "__main__":
    command.run(main)
