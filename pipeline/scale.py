"""Section 8 of the study: one larger network without regularisation or early stopping.

One seed of one architecture is one model: half a minute (shallow) to two minutes (deep) on two cores.
"""

from pipeline.console import command
from pipeline.console.progress import TrainingProgress
from pipeline.files import dataset
from pipeline.params import reading, runs
from pipeline.runtime import fingerprints
from pipeline.training.run import train_model


def main(name: str, seed: str) -> None:
    """Train one ``seed`` of the architecture ``name`` of ``scale.architectures``."""
    fingerprints.check("scale")
    params = reading.load("scale", "train")
    run = runs.find(params, "scale", name)
    train_model(
        run,
        runs.seed_of(params.train, seed),
        *runs.trained(params, run),
        *dataset.train_and_val(),
        params.train,
        TrainingProgress,
        before_writing=lambda: fingerprints.check("scale"),
    )


if __name__ == "__main__":
    command.run(main)
