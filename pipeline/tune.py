"""Section 9.2 of the study: one search for hyperparameters, and its winner trained afresh."""

from pathlib import Path

from pipeline.common import cluster, command, params, search, search_figures, trials
from pipeline.common.experiment import train_run
from pipeline.common.runs import find


def main(name: str) -> None:
    """Run the search ``name`` of ``tune.searches``; as a worker of a chief, only train the trials that it chooses."""
    settings = params.load()
    run, definition = find(settings, "tune", name), settings.tune.searches[name]
    with search.opened(definition, settings.train, Path("metrics", run.title, "trials.csv")) as store:
        done = search.run(run.title, definition, settings.train, store)
        if cluster.is_worker():
            return
        best = trials.winner(done)
        summary = {
            "trial": best.name,
            "val_accuracy": best.val_accuracy,
            "val_loss": best.val_loss,
            "epochs": best.epochs,
            # As text: rounded to six decimals most penalties would be 0.
            "hyperparameters": {axis: f"{value:.6g}" for axis, value in best.values.items()},
        }
        counts = {"trials": len(done), "epochs_spent": sum(trial.spent for trial in done)}
        table, figure = Path("metrics", run.title, "trials.csv"), Path("metrics", run.title, "search.png")
        # Before the winner is trained: when that has ended, so has the stage, and a kill can cost nothing in between.
        trials.write_csv(table, done)
        search_figures.write(figure, done, run.title)
        try:
            # The winner's figures come from models of its own, one for every seed; its trial's stand beside them.
            train_run(
                run,
                trials.configuration(definition, best.values),
                settings.train.model_copy(update={"epochs": definition.max_epochs}),
                {"search": counts | {"winner": summary}},
            )
        except BaseException:
            for path in (table, figure):
                path.unlink()
            raise
        store.remove()


if __name__ == "__main__":
    command.run(main)
