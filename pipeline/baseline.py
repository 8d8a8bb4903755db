"""Section 7 of the study: one dense softmax layer, 30,730 parameters on CIFAR-10, no early stopping."""

from pipeline.console import command
from pipeline.console.progress import TrainingProgress
from pipeline.params import reading, runs
from pipeline.training.run import train_run


def main() -> None:
    """Train the baseline."""
    params = reading.load("baseline", "train")
    run = runs.find(params, "baseline", "baseline")
    train_run(run, *runs.trained(params, run), params.train, TrainingProgress)


if __name__ == "__main__":
    command.run(main)
