"""Section 8 of the study: a larger network without regularisation or early stopping, one run per architecture."""

from pipeline.console import command
from pipeline.console.progress import TrainingProgress
from pipeline.params import reading, runs
from pipeline.training.run import train_run


def main(name: str) -> None:
    """Train the architecture ``name`` of ``scale.architectures``."""
    params = reading.load("scale", "train")
    run = runs.find(params, "scale", name)
    train_run(run, *runs.trained(params, run), params.train, TrainingProgress)


if __name__ == "__main__":
    command.run(main)
