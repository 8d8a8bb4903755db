"""The runs that params.yaml declares, and what each of them trains."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, assert_never

from pipeline.files.errors import UserError
from pipeline.files.runs import Fold, Run
from pipeline.params.beyond import BeyondRunParams, Looks
from pipeline.params.kinds import Layers
from pipeline.params.reading import PARAMS, Params, SectionName
from pipeline.params.recipe import Recipe
from pipeline.params.training import TrainParams

# The section of params.yaml that declares each group's runs, in the order of the study.
SECTION_OF: Mapping[str, SectionName] = {
    "baseline": "baseline",
    "scale": "scale",
    "regularise": "reg",
    "ablation": "ablation",
    "tune": "tune",
    "beyond": "beyond",
}
# The groups whose runs may have folds.
FOLDED: tuple[SectionName, ...] = ("ablation", "beyond")


@dataclass(frozen=True)
class ConvolutionalNetwork:
    """A convolutional network, as :func:`pipeline.networks.convolutional.build` makes it.

    ``looks``: those that the saved model averages, as :func:`pipeline.networks.looks.averaged` says.
    """

    widths: tuple[int, ...]
    dropout: float = 0.0
    whitening: bool = True
    looks: Looks = "one"


@dataclass(frozen=True)
class DenseNetwork:
    """A fully connected network.

    ``units``, ``l2`` and ``dropout`` have an entry per hidden layer: its width, the factor of the penalty l2 * sum(w^2)
    on its kernel, and the fraction of its outputs that is dropped in training (0: no dropout layer). ``normalisation``:
    whether each is followed by batch normalisation, before its activation. ``residual``: whether each that is as wide
    as the one before it adds its output to that one's. ``frequencies``: how many of the lowest spatial frequencies of
    an image the first sees each way; 0: it sees the pixels. ``looks``: those that the saved model averages, as
    :func:`pipeline.networks.looks.averaged` says.
    """

    units: tuple[int, ...] = ()
    l2: tuple[float, ...] = ()
    dropout: tuple[float, ...] = ()
    normalisation: bool = False
    residual: bool = False
    frequencies: int = 0
    looks: Looks = "one"


Network = DenseNetwork | ConvolutionalNetwork


def section_of(group: str) -> SectionName:
    """The section of params.yaml that declares the runs of ``group``. Raises :class:`UserError` for another group."""
    if group not in SECTION_OF:
        raise UserError(f"no group {group!r}; allowed: {', '.join(SECTION_OF)}")
    return SECTION_OF[group]


def runs_of(params: Params, group: str) -> list[Run]:
    """The declared runs of one group, whose section ``params`` must hold."""
    match group:
        case "scale":
            names: Iterable[str] = params.scale.architectures
        case "ablation":
            names = params.ablation.runs
        case "tune":
            names = params.tune.searches
        case "beyond":
            names = params.beyond.runs
        case _:
            names = [group]
    return [Run(group, name) for name in names]


def declared(params: Params) -> dict[str, list[Run]]:
    """All runs of params.yaml by group, in the order of the study."""
    return {group: runs_of(params, group) for group in SECTION_OF}


def find(params: Params, group: str, name: str) -> Run:
    """One run. Raises :class:`UserError` when params.yaml does not declare it."""
    runs = runs_of(params, group)
    if Run(group, name) not in runs:
        raise UserError(f"no run {name!r}; allowed: {', '.join(run.name for run in runs)}")
    return Run(group, name)


def folds(params: Params) -> list[Fold]:
    """The declared folds of all groups, in order."""
    return [Fold(entry.group, entry.run, entry.fold, entry.of) for entry in params.folds.values()]


def folds_of(params: Params, group: str) -> list[Fold]:
    """The declared folds of the runs of ``group``. Raises :class:`UserError` where one is of no declared run."""
    if group not in FOLDED:
        return []
    found, declared = [fold for fold in folds(params) if fold.group == group], runs_of(params, group)
    for fold in found:
        if Run(group, fold.name) not in declared:
            names = ", ".join(run.name for run in declared)
            raise UserError(f"{PARAMS}: folds.{fold.name}-{fold.number}.run is {fold.name}; allowed: {names}")
    return found


def find_fold(params: Params, name: str, number: str) -> Fold:
    """One fold. Raises :class:`UserError` when params.yaml does not declare it or its run."""
    declared = {(fold.name, str(fold.number)): fold for group in FOLDED for fold in folds_of(params, group)}
    if (name, number) not in declared:
        known = ", ".join(" ".join(words) for words in declared) or "none"
        raise UserError(f"no fold {number!r} of a run {name!r}; allowed by folds: {known}")
    return declared[name, number]


def compared(params: Params) -> dict[Run, Run]:
    """Each run that shows what a part of another is worth, and that other one."""
    return {
        Run("beyond", name): Run("beyond", run.compared_with)
        for name, run in params.beyond.runs.items()
        if run.compared_with is not None
    }


def differences(params: Params, run: Run) -> dict[str, tuple[Any, Any]]:
    """Each parameter in which ``run`` is not as the run that it is compared with: its own value, and that one's."""
    own, base = (params.beyond.runs[name] for name in (run.name, compared(params)[run].name))
    values = {name: (getattr(own, name), getattr(base, name)) for name in type(own).model_fields}
    return {name: pair for name, pair in values.items() if name != "compared_with" and pair[0] != pair[1]}


def seed_of(train: TrainParams, word: str) -> int:
    """The seed that a ``word`` of the command line names. Raises :class:`UserError` unless train.seeds has it."""
    if word not in map(str, train.seeds):
        raise UserError(f"no seed {word!r}; allowed by train.seeds: {', '.join(map(str, train.seeds))}")
    return int(word)


def trained(params: Params, run: Run, search: Mapping[str, Any] | None = None) -> tuple[Network, Recipe]:
    """What ``run`` trains; ``search`` is what winner.json says if it is a search.

    ``params`` must hold the sections of the run's group and train, for a search train alone. Raises ValueError for a
    search without ``search``.
    """
    train = params.train
    match run.group:
        case "baseline":
            return DenseNetwork(), _recipe(train, params.baseline.learning_rate)
        case "scale":
            return uniform(params.scale.architectures[run.name]), _recipe(train, params.scale.learning_rate)
        case "regularise" | "ablation":
            own = params.reg if run.group == "regularise" else params.ablation.runs[run.name]
            network = uniform(own.units, own.l2, own.dropout, own.dropout_after)
            return network, _recipe(train, own.learning_rate, own.patience, own.reduce_lr_patience)
        case "beyond":
            return _beyond(params.beyond.runs[run.name])
    if search is None:
        raise ValueError(f"{run} is a search: what its winner trains follows from winner.json")
    hyperparameters = {axis: float(value) for axis, value in search["hyperparameters"].items()}
    # As in the study, the rate is halved in a search's trials alone.
    recipe = _recipe(train, hyperparameters["learning_rate"], search["patience"], epochs=search["max_epochs"])
    return searched_network(hyperparameters, search["dropout_after"]), recipe


def _beyond(own: BeyondRunParams) -> tuple[Network, Recipe]:
    recipe = Recipe(**{field.name: getattr(own, field.name) for field in fields(Recipe)})
    match own.network:
        case "convolutional":
            return ConvolutionalNetwork(own.widths, own.dropout, own.whitening, own.looks), recipe
        case "dense":
            network = uniform(own.units, own.l2, own.dropout, own.dropout_after)
            parts = {name: getattr(own, name) for name in ("normalisation", "residual", "frequencies", "looks")}
            return replace(network, **parts), recipe
    assert_never(own.network)


def _recipe(
    train: TrainParams,
    learning_rate: float,
    patience: int | None = None,
    reduce_lr_patience: int = 0,
    epochs: int | None = None,
) -> Recipe:
    epochs = train.epochs if epochs is None else epochs
    return Recipe(epochs, train.batch_size, train.precision, learning_rate, patience, reduce_lr_patience)


def uniform(units: Sequence[int], l2: float = 0.0, dropout: float = 0.0, dropout_after: Layers = "all") -> DenseNetwork:
    """The same penalty on every hidden layer, and the same dropout after those that ``dropout_after`` counts from 1."""
    layers = range(1, len(units) + 1)
    dropped = layers if dropout_after == "all" else dropout_after
    return DenseNetwork(
        units=tuple(units),
        l2=tuple(l2 for _ in layers),
        dropout=tuple(dropout if layer in dropped else 0.0 for layer in layers),
    )


def searched_network(hyperparameters: Mapping[str, float], dropout_after: Layers) -> DenseNetwork:
    """The network of a trial with these ``hyperparameters``; ``dropout_after`` is that of its search."""
    layers = range(1, int(hyperparameters["layers"]) + 1)

    def of(layer: int, name: str) -> float:
        return float(hyperparameters[name] if name in hyperparameters else hyperparameters[f"{name}_{layer}"])

    dropped = layers if dropout_after == "all" else dropout_after
    return DenseNetwork(
        units=tuple(int(hyperparameters[f"units_{layer}"]) for layer in layers),
        l2=tuple(of(layer, "l2") for layer in layers),
        dropout=tuple(of(layer, "dropout") if layer in dropped else 0.0 for layer in layers),
    )
