"""Section 7 of the study: one dense softmax layer, 30,730 parameters on CIFAR-10, no early stopping.

One seed is one model: 15 seconds on two cores.
"""

from pipeline.console import command
from pipeline.console.progress import TrainingProgress
from pipeline.files import dataset
from pipeline.params import reading, runs
from pipeline.runtime import fingerprints
from pipeline.training.run import train_model


def main(seed: str) -> None:
    """Train one ``seed`` of the baseline."""
    fingerprints.check("baseline")
    params = reading.load("baseline", "train")
    run = runs.find(params, "baseline", "baseline")
    train_model(
        run,
        runs.seed_of(params.train, seed),
        *runs.trained(params, run),
        *dataset.train_and_val(),
        params.train,
        TrainingProgress,
        before_writing=lambda: fingerprints.check("baseline"),
    )


if __name__ == "__main__":
    command.run(main)
