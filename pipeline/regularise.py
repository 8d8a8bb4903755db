"""The model that reg.* describes: what ``dvc exp run -S reg.l2=1e-4`` trains, and nothing else."""

from pipeline.console import command
from pipeline.console.progress import TrainingProgress
from pipeline.params import reading, runs
from pipeline.training.run import train_run


def main() -> None:
    """Train the regularised model."""
    params = reading.load("reg", "train")
    run = runs.find(params, "regularise", "regularise")
    train_run(run, *runs.trained(params, run), params.train, TrainingProgress)


if __name__ == "__main__":
    command.run(main)
