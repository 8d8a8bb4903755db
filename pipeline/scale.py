"""Section 8 of the study: a larger network without regularisation or early stopping, one run per architecture."""

from pipeline.common import command, params
from pipeline.common.experiment import Configuration, train_run
from pipeline.common.network import uniform
from pipeline.common.runs import find


def main(name: str) -> None:
    """Train the architecture ``name`` of ``scale.architectures``."""
    settings = params.load()
    run = find(settings, "scale", name)
    architecture = uniform(settings.scale.architectures[name])
    train_run(run, Configuration(architecture, settings.scale.learning_rate), settings.train)


if __name__ == "__main__":
    command.run(main)
