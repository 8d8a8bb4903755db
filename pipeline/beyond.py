"""What the study left as future work: one run of ``beyond.runs``, a network and a recipe of its own.

One seed of one run is one model; how long it takes follows from its epochs and its network.
"""

from pipeline.console import command
from pipeline.console.progress import TrainingProgress
from pipeline.files import dataset
from pipeline.params import reading, runs
from pipeline.runtime import fingerprints
from pipeline.training.run import train_model


def main(name: str, seed: str) -> None:
    """Train one ``seed`` of the run ``name`` of ``beyond.runs``."""
    fingerprints.check("beyond")
    params = reading.load("beyond", "train")
    run = runs.find(params, "beyond", name)
    train_model(
        run,
        runs.seed_of(params.train, seed),
        *runs.trained(params, run),
        *dataset.train_and_val(),
        params.train,
        TrainingProgress,
        before_writing=lambda: fingerprints.check("beyond"),
    )


if __name__ == "__main__":
    command.run(main)
