"""Section 9.1 of the study: one run of study A (techniques) or C (joint), or the model that it calls the best.

One seed of one run is one model: half a minute to five minutes (headline) on two cores.
"""

from pipeline.console import command
from pipeline.console.progress import TrainingProgress
from pipeline.files import dataset
from pipeline.params import reading, runs
from pipeline.runtime import fingerprints
from pipeline.training.run import train_model


def main(name: str, seed: str) -> None:
    """Train one ``seed`` of the run ``name`` of ``ablation.runs``."""
    fingerprints.check("ablation")
    params = reading.load("ablation", "train")
    run = runs.find(params, "ablation", name)
    train_model(
        run,
        runs.seed_of(params.train, seed),
        *runs.trained(params, run),
        *dataset.train_and_val(),
        params.train,
        TrainingProgress,
        before_writing=lambda: fingerprints.check("ablation"),
    )


if __name__ == "__main__":
    command.run(main)
