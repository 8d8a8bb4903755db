"""What the study got wrong, each point with what was measured here."""

from pipeline.files.runs import Run
from pipeline.reporting.published import STUDY_GROUPS
from pipeline.reporting.results import Results

BASELINE = Run("baseline", "baseline")
DEEP = Run("scale", "deep")
HEADLINE = Run("ablation", "headline")
CHOICE = Run("ablation", "joint-l2-1e-4-dropout10-rate-1e-4")
SECOND = Run("ablation", "joint-l2-1e-5-dropout10-rate-1e-4")
L2_RUNS = [Run("ablation", f"l2-1e-{exponent}") for exponent in (6, 5, 4)]


def errata(results: Results) -> list[tuple[str, str]]:
    """Pairs of what the study did, and the measured evidence."""

    def test(run: Run, score: str = "accuracy") -> str:
        return str(results.runs[run].test[score]) if run in results.runs else "(not run)"

    def val(run: Run) -> str:
        return str(results.runs[run].val["accuracy"]) if run in results.runs else "(not run)"

    study = [run for run in results.candidates if run.group in STUDY_GROUPS]
    by_test = max(study, key=lambda run: results.runs[run].test["accuracy"].mean, default=None)
    selected = results.select(STUDY_GROUPS)
    counts = results.split["counts"]["val"].values()
    least, most = f"{min(counts):,}", f"{max(counts):,}"
    l2 = ", ".join(f"{run.name} {test(run)}" for run in L2_RUNS)
    return [
        (
            "The baseline's F1 of 0.0472 was measured on an untrained model.",
            f"The trained baseline has a test F1 of {test(BASELINE, 'f1')}; naming one class always gives "
            + (f"{results.naive['f1']:.4f}." if results.naive is not None else "(not run)."),
        ),
        (
            'The baseline\'s "validation" was the test set.',
            f"Measured apart: validation {val(BASELINE)}, test {test(BASELINE)}.",
        ),
        (
            "The split was called balanced but was not stratified.",
            f"Here every class has {least if least == most else f'{least} to {most}'} validation images.",
        ),
        (
            "Models were compared and chosen by test accuracy.",
            "(not run)"
            if selected is None or by_test is None
            else f"Of the same runs {selected.title} is the best by validation (test {test(selected)}), and "
            + ("by test too." if by_test == selected else f"{by_test.title} by test (test {test(by_test)})."),
        ),
        (
            "Studies A and B train the same three L2 configurations and rank them differently.",
            f"Measured, one configuration a row and seeds for repeats: {l2}. See the comparisons above.",
        ),
        (
            "The comparison table gives Study A's runs a rate of 1e-4; they ran at 1e-3. The text names 0.5324 the "
            "best accuracy; its own table has 0.5346.",
            f"Measured, L2 1e-5 at 1e-3: {test(L2_RUNS[1])}; with dropout 0.1 at 1e-4: {test(SECOND)}; the row of "
            f"0.5346: {test(CHOICE)}.",
        ),
        (
            "Experiment 3's text and code describe different searches; its printed best trial came from a "
            "2-epoch rung.",
            f"Its headline model, fully trained: {test(HEADLINE)} (reported 0.5517).",
        ),
        (
            "The summary gives 38.60 as the baseline's test accuracy after calling it validation, and 52.58 (a test "
            "figure) as validation accuracy; Study C stored no histories, yet curves are drawn for it.",
            f"The deep network: validation {val(DEEP)}, test {test(DEEP)}. Study C's curves are drawn from its logs.",
        ),
        (
            "Results lived in pickles: loading one hides that nothing was trained.",
            "Every figure here is of a model read back from its file by the stage that DVC found stale.",
        ),
    ]
