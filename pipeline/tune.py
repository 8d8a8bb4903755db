"""Section 9.2 of the study: one search for hyperparameters, and its winner trained afresh."""

from pathlib import Path

from pipeline.console import command
from pipeline.console.progress import TrainingProgress
from pipeline.console.search_progress import SearchProgress
from pipeline.params import reading, runs
from pipeline.reporting import search_plot
from pipeline.search import distributed, trials
from pipeline.search.run import open_search, run_search
from pipeline.training.run import train_run


def main(name: str) -> None:
    """Run the search ``name`` of ``tune.searches``; as a worker of a chief, only train the trials that it chooses."""
    params = reading.load("train", "tune")
    run, search = runs.find(params, "tune", name), params.tune.searches[name]
    table, plot = Path("metrics", run.title, "trials.csv"), Path("metrics", run.title, "search.png")
    with open_search(search, params.train, table) as saved:
        done = run_search(run.title, search, params.train, saved, SearchProgress)
        if distributed.is_worker():
            return
        # Before the winner is trained: when that has ended, so has the stage, and a kill can cost nothing in between.
        trials.write_csv(table, done)
        search_plot.write(plot, search_plot.read(table), run.title)
        try:
            # The winner's metrics come from models of its own, one for every seed; its trial's stand beside them.
            trained = runs.trained(params, run, trials.winner(done).hyperparameters)
            train_run(run, *trained, params.train, TrainingProgress, {"search": trials.summary(done)})
        except BaseException:
            table.unlink()
            plot.unlink()
            raise
        saved.remove()


if __name__ == "__main__":
    command.run(main)
