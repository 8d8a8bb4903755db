"""Section 7 of the study: one dense softmax layer, 30,730 parameters on CIFAR-10, no early stopping."""

from pipeline.common import command, params
from pipeline.common.experiment import Configuration, train_run
from pipeline.common.network import Architecture
from pipeline.common.runs import find


def main() -> None:
    """Train the baseline."""
    settings = params.load()
    run = find(settings, "baseline", "baseline")
    train_run(run, Configuration(Architecture(), settings.baseline.learning_rate), settings.train)


if __name__ == "__main__":
    command.run(main)
