"""The comparisons that comparisons.yaml declares: which runs are told apart, and what that makes of the study."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from pipeline.evaluation.comparison import POWER, SIGNIFICANCE, Comparison, compare, holm, smallest_difference
from pipeline.evaluation.intervals import Interval, image_interval
from pipeline.files.names import counted
from pipeline.files.runs import Run
from pipeline.reporting import published
from pipeline.reporting.markdown import interval, probability, table
from pipeline.reporting.published import StudySection
from pipeline.reporting.replication import DECIMALS, reported_differences
from pipeline.reporting.results import Results, correct

HOLDS, REVERSED, NOT_TOLD_APART, UNKNOWN = "holds", "other way round", "not told apart", "unknown"
# Where the study reports no difference, the question itself has the direction.
BETTER, WORSE = "better", "worse"

METHOD = """Difference in test accuracy, {order}. Over seeds: Welch's t-test, whose 95 % interval and
two-sided p say whether other seeds would agree; seeds are not paired. Holm's p corrects for {declared}: the chance that
one or more are told apart where no difference is real is then at most 5 %. Over images: a paired bootstrap, which says
only whether these very models differ."""

_DECLARED = "the {} declared in pipeline/reporting/comparisons.yaml"

_INSIDE = """"Inside" says whether the reported difference lies in the 95 % interval over seeds. It is that of single
runs, which scatter more than means do, so it may lie outside although nothing was done differently."""

_OF_THE_STUDY = f"""- {HOLDS}: told apart, in the direction that the study reports.
- {REVERSED}: told apart, in the opposite direction.
"""
_NO_DIRECTION = "- {better}, {worse}: told apart{where}.\n"
_VERDICTS = f"""- {NOT_TOLD_APART}: these seeds cannot tell, which does not say that the runs are equally good.
- {UNKNOWN}: neither interval nor p can be computed, for the reason named."""


@dataclass(frozen=True)
class Answer:
    """What was measured of one question, which asks whether a first run is better than a second.

    ``holm_p`` is p corrected for all declared comparisons; None where there is no p. ``reported`` is the difference in
    accuracy that the study reports; None where it reports none. ``over_images`` is the 95 % interval of the difference
    between these very models on images of this kind.
    """

    comparison: Comparison
    holm_p: float | None
    reported: float | None
    over_images: Interval

    def as_json(self) -> dict[str, Any]:
        """What metrics/comparisons.json holds."""
        known = {"holm_p": self.holm_p, "reported": self.reported, "over_images": self.over_images}
        return {**vars(self.comparison), **known, "verdict": self.verdict}

    @property
    def verdict(self) -> str:
        """Whether the two runs are told apart, by Holm's p, and in which direction."""
        if self.holm_p is None:
            return f"{UNKNOWN}: {self.comparison.problem}"
        if self.holm_p >= SIGNIFICANCE:
            return NOT_TOLD_APART
        if not self.reported:
            return BETTER if self.comparison.difference > 0 else WORSE
        return HOLDS if self.comparison.difference * self.reported > 0 else REVERSED

    @property
    def reported_inside(self) -> bool | None:
        """Whether the reported difference lies in the 95 % interval of the measured one; None without either."""
        if self.reported is None or self.comparison.over_seeds is None:
            return None
        low, high = (round(bound, DECIMALS) for bound in self.comparison.over_seeds)
        return low <= round(self.reported, DECIMALS) <= high


COLUMNS: Mapping[str, Callable[[Answer], str]] = {
    "difference": lambda answer: f"{answer.comparison.difference:+.4f}",
    "95 % over seeds": lambda answer: interval(answer.comparison.over_seeds),
    "p": lambda answer: probability(answer.comparison.p),
    "Holm's p": lambda answer: probability(answer.holm_p),
    "95 % over images": lambda answer: interval(answer.over_images),
    "reported": lambda answer: "" if answer.reported is None else f"{answer.reported:+.4f}",
    "inside?": lambda answer: {True: "yes", False: "no", None: ""}[answer.reported_inside],
    "verdict": lambda answer: answer.verdict,
}
# Without those of the study.
MEASURED = ("difference", "95 % over seeds", "p", "Holm's p", "95 % over images", "verdict")


def answers(results: Results, sections: Sequence[StudySection]) -> dict[str, Answer]:
    """The answers to the declared questions whose runs are both there, from their predictions on the test images."""
    questions = published.questions(results.runs)
    reported = reported_differences(sections, questions) if results.comparable else {}
    compared = {question: of_runs(results, *pair) for question, pair in questions.items()}
    return answered(compared, len(published.comparisons()), reported)


def of_runs(results: Results, first: Run, second: Run) -> tuple[Comparison, Interval]:
    """How two runs differ over seeds, and the 95 % interval of their models' difference over images."""
    over_seeds = compare(*(results.runs[run].test["accuracy"] for run in (first, second)))
    shares = [correct(run, results.seeds).mean(axis=0) for run in (first, second)]
    return over_seeds, image_interval(shares[0] - shares[1])


def answered(
    compared: Mapping[str, tuple[Comparison, Interval]], declared: int, reported: Mapping[str, float]
) -> dict[str, Answer]:
    """The answers to the questions ``compared``, by Holm's correction for as many ``declared`` ones or more.

    ``reported`` has the difference that the study reports, where it reports one.
    """
    computed = {question: comparison.p for question, (comparison, _) in compared.items() if comparison.p is not None}
    corrected = holm(computed, declared)
    return {
        question: Answer(comparison, corrected.get(question), reported.get(question), over_images)
        for question, (comparison, over_images) in compared.items()
    }


def conclusions(found: Mapping[str, Answer]) -> str:
    """A Markdown list: the questions that were answered as the study did, the other way round, and not at all."""
    titles = {
        HOLDS: "Told apart, in the direction that the study reports",
        REVERSED: "Told apart, the other way round",
        NOT_TOLD_APART: "Not told apart",
        UNKNOWN: "Cannot be computed",
    }
    known = {question: answer for question, answer in found.items() if answer.reported}
    lines = []
    for kind, title in titles.items():
        named = [question for question, answer in known.items() if answer.verdict.startswith(kind)]
        if named or kind != UNKNOWN:
            lines.append(f"- {title} ({len(named)} of {len(known)}): {' '.join(named) or 'none.'}")
    return "\n".join(lines)


def what_seeds_can_tell(results: Results, declared: int) -> str:
    """How large a difference must be to be found by these seeds, at the median spread of all runs."""
    repeated = [run.test["accuracy"] for run in results.runs.values() if run.test["accuracy"].n > 1]
    spread = median([accuracy.std or 0 for accuracy in repeated]) if repeated else 0
    if spread == 0:
        reason = "in half of the runs or more they do not differ" if repeated else "one seed has no spread"
        return f"How large a difference these seeds can tell from chance cannot be computed: {reason}."
    n = min(accuracy.n for accuracy in repeated)
    alone, first = (smallest_difference(spread, n, SIGNIFICANCE / tests) for tests in (1, declared))
    return (
        f"What {n} seeds can tell: at the median spread of all runs ({spread:.4f}) a comparison by itself finds a "
        f"difference of {alone:.4f} with a chance of {100 * POWER:.0f} %, and by the first step of Holm's correction "
        f"({100 * SIGNIFICANCE:.0f} % / {declared}) one of {first:.4f}. Smaller ones are found less often."
    )


def comparison_table(found: Mapping[str, Answer], columns: Sequence[str], what: str = "question") -> str:
    """The questions with ``columns`` of :data:`COLUMNS`."""
    return table(
        [what, *columns], [[question, *(COLUMNS[c](answer) for c in columns)] for question, answer in found.items()]
    )


def texts(results: Results, found: Mapping[str, Answer]) -> list[str]:
    """The report's paragraphs on the declared comparisons."""
    declared = published.comparisons()
    constant = [
        f"{question} ({names[0]})"
        for question, pair in published.questions(results.runs).items()
        if len(names := [run.title for run in pair if results.runs[run].test["accuracy"].std == 0]) == 1
    ]
    left_out = [question for question in declared if question not in found]
    paragraphs = [
        METHOD.format(order="first less second", declared=_DECLARED.format(counted(len(declared), "comparison"))),
        *([_INSIDE] if results.comparable else []),
        f"Two runs are told apart where Holm's p is below {SIGNIFICANCE}. The verdicts:",
        (_OF_THE_STUDY if results.comparable else "")
        + _NO_DIRECTION.format(
            better=BETTER, worse=WORSE, where=", where the study reports no difference" if results.comparable else ""
        )
        + _VERDICTS,
        comparison_table(found, ["difference", *(["reported"] if results.comparable else []), "Holm's p", "verdict"]),
        "What the verdicts rest on:",
        comparison_table(
            found, ["95 % over seeds", *(["inside?"] if results.comparable else []), "p", "95 % over images"]
        ),
    ]
    if constant:
        paragraphs.append(
            f"Here one run has no spread over seeds, and that of the other alone counts: {' '.join(constant)}"
        )
    if left_out:
        count = f"{len(left_out)} of {len(declared)}"
        paragraphs.append(f"Not compared, because a run is not there ({count}):")
        paragraphs.append("\n".join(f"- {question}" for question in left_out))
    if results.comparable:
        paragraphs.append(conclusions(found))
    return [*paragraphs, what_seeds_can_tell(results, max(len(declared), 1))]
