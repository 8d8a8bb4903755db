"""Section 9.2 of the study: the winner of one search, trained afresh.

One seed is one model: half a minute to ten minutes on two cores.
"""

from pipeline.console import command
from pipeline.console.progress import TrainingProgress
from pipeline.files import dataset
from pipeline.files.artefacts import AGAIN, read_json
from pipeline.files.errors import UserError
from pipeline.files.runs import Run
from pipeline.params import reading, runs
from pipeline.runtime import fingerprints
from pipeline.training.run import train_model


def main(name: str, seed: str) -> None:
    """Train one ``seed`` of the winner of the search ``name``, which is what its winner.json says."""
    fingerprints.check("winner")
    params = reading.load("train")
    run = Run("tune", name)
    number, winner = runs.seed_of(params.train, seed), read_json(run.winner)
    try:
        network, recipe = runs.trained(params, run, winner)
    except (KeyError, ValueError, TypeError) as error:
        raise UserError(f"{run.winner} is damaged ({error!r}); {AGAIN}") from None
    train_model(
        run,
        number,
        network,
        recipe,
        *dataset.train_and_val(),
        params.train,
        TrainingProgress,
        before_writing=lambda: fingerprints.check("winner"),
    )


if __name__ == "__main__":
    command.run(main)
