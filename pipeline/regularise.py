"""The model that reg.* describes: what ``dvc exp run -S reg.l2=1e-4`` trains, and nothing else."""

from pipeline.common import command, params
from pipeline.common.experiment import Configuration, train_run
from pipeline.common.network import uniform
from pipeline.common.runs import find


def main() -> None:
    """Train the regularised model."""
    settings = params.load()
    run, reg = find(settings, "regularise", "regularise"), settings.reg
    architecture = uniform(reg.units, reg.l2, reg.dropout, reg.dropout_after)
    configuration = Configuration(architecture, reg.learning_rate, reg.patience, reg.reduce_lr_patience)
    train_run(run, configuration, settings.train)


if __name__ == "__main__":
    command.run(main)
