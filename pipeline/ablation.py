"""Section 9.1 of the study: one run of study A (techniques) or C (joint), or the model that it calls the best."""

from pipeline.console import command
from pipeline.console.progress import TrainingProgress
from pipeline.params import reading, runs
from pipeline.training.run import train_run


def main(name: str) -> None:
    """Train the run ``name`` of ``ablation.runs``."""
    params = reading.load("ablation", "train")
    run = runs.find(params, "ablation", name)
    train_run(run, *runs.trained(params, run), params.train, TrainingProgress)


if __name__ == "__main__":
    command.run(main)
