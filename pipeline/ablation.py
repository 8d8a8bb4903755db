"""Section 9.1 of the study: one run of study A (techniques) or C (joint), or the model that it calls the best."""

from pipeline.common import command, params
from pipeline.common.experiment import Configuration, train_run
from pipeline.common.network import uniform
from pipeline.common.runs import find


def main(name: str) -> None:
    """Train the run ``name`` of ``ablation.runs``."""
    settings = params.load()
    run, shared = find(settings, "ablation", name), settings.ablation
    reg = shared.runs[name]
    architecture = uniform(reg.units or shared.units, reg.l2, reg.dropout, reg.dropout_after)
    patience = reg.patience or shared.patience
    configuration = Configuration(architecture, reg.learning_rate, patience, reg.reduce_lr_patience)
    train_run(run, configuration, settings.train)


if __name__ == "__main__":
    command.run(main)
