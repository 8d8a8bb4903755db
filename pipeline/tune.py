"""Section 9.2 of the study: one search for hyperparameters, which names a winner; its trials leave no model.

Minutes to two hours on two cores; a search that was killed goes on where it was.
"""

from pipeline.console import command
from pipeline.console.search_progress import SearchProgress
from pipeline.files.artefacts import write_json
from pipeline.files.runs import trials_in_git
from pipeline.params import reading, runs
from pipeline.runtime import fingerprints
from pipeline.search import distributed, trials
from pipeline.search.run import open_search, run_search


def main(name: str) -> None:
    """Run the search ``name`` of ``tune.searches``; as a worker of a chief, only train the trials that it chooses."""
    fingerprints.check("tune")
    params = reading.load("train", "tune")
    run, search = runs.find(params, "tune", name), params.tune.searches[name]
    with open_search(search, params.train, run.trials) as saved:
        done = run_search(run.title, search, params.train, saved, SearchProgress)
        if distributed.is_worker():
            return
        fingerprints.check("tune")
        winner_trains = search.model_dump(include={"dropout_after", "max_epochs", "patience"})
        summary = trials.summary(done) | winner_trains
        for table in (run.trials, trials_in_git(name)):
            trials.write_table(table, done)
        write_json(run.winner, summary)
        saved.remove()


if __name__ == "__main__":
    command.run(main)
