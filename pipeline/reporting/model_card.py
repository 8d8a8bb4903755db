"""metrics/model_card.md: what the selected model is, how it was made, how good it is, and what it is not for.

The sections are those of Mitchell et al. (2019), "Model Cards for Model Reporting".
"""

from collections.abc import Sequence
from typing import Any

from pipeline.evaluation.calibration import Bin, expected_calibration_error
from pipeline.files.errors import UserError
from pipeline.files.names import counted
from pipeline.files.runs import group_file
from pipeline.params.reading import Params
from pipeline.params.recipe import Recipe
from pipeline.params.runs import ConvolutionalNetwork, Network, trained
from pipeline.reporting.class_labels import in_tables
from pipeline.reporting.contents import evaluated_again
from pipeline.reporting.document import provenance
from pipeline.reporting.markdown import magnitude, table
from pipeline.reporting.results import Results

MODEL = "models/selected.keras"

# What a saved model averages, by the name of its looks.
_LOOKS = {
    "mirrored": "the image and its mirror image",
    "mirrored-shifted": "the image and its mirror image, weight 1/2, and two copies shifted by a pixel, mirrored too",
}
_MOVED = "It was trained without shifts: an object moved by a few pixels may be named differently."
_LIMITS = (
    "It always names one of its classes, whatever the image shows.",
    "Test scores hold for images of the same source; how it does on others was not measured.",
)

_LOADING = f"""```python
import keras

model = keras.models.load_model("{MODEL}")
probabilities = model.predict(images)  # images: uint8 (n, 32, 32, 3), red, green, blue from 0 to 255
```"""


def limits(network: Network, recipe: Recipe) -> list[str]:
    """Sentences on what a model of this kind cannot do."""
    return [*([] if isinstance(network, ConvolutionalNetwork) or recipe.shift else [_MOVED]), *_LIMITS]


def training(network: Network, recipe: Recipe) -> list[list[str]]:
    """Rows of a name and a value for all that makes up a run."""
    patience = "no early stopping" if recipe.patience is None else _without_a_lower_loss(recipe.patience)
    return [
        *_network(network),
        *([["averaged for an answer", _LOOKS[network.looks]]] if network.looks != "one" else []),
        ["optimiser", _optimiser(recipe)],
        ["learning rate", _learning_rate(recipe)],
        *([["augmentation", _augmentation(recipe)]] if _augmentation(recipe) else []),
        *([["label smoothing", f"{recipe.label_smoothing:g}"]] if recipe.label_smoothing else []),
        *([["averaged weights", _averaged_weights(recipe)]] if recipe.average_every else []),
        ["epochs", str(recipe.epochs) if recipe.patience is None else f"at most {recipe.epochs}"],
        ["patience", patience],
        ["batch size", str(recipe.batch_size)],
        ["precision", recipe.precision],
    ]


def _network(network: Network) -> list[list[str]]:
    if isinstance(network, ConvolutionalNetwork):
        kernel = "fixed: it whitens those of the training images" if network.whitening else "trained"
        return [
            ["first layer", f"convolution of small patches, {kernel}"],
            ["widths of the blocks", _by_layer(network.widths)],
            [
                "each block",
                "two convolutions of 3 by 3, each with batch normalisation and ReLU; after the first, max pooling",
            ],
            ["dropout", f"{network.dropout:g}"],
        ]
    rows = [
        ["hidden units", _by_layer(network.units)],
        ["L2", _by_layer(network.l2)],
        ["dropout", _by_layer(network.dropout)],
    ]
    if network.normalisation:
        rows.append(["batch normalisation", "after each hidden layer"])
    if network.frequencies:
        rows.append(["input", f"the lowest {network.frequencies} spatial frequencies each way, by colour"])
    if network.residual:
        rows.append(["residual", "each hidden layer as wide as the one before it"])
    return rows


def _averaged_weights(recipe: Recipe) -> str:
    every = "step" if recipe.average_every == 1 else f"{recipe.average_every} steps"
    return f"moved every {every}, decay {recipe.average_decay:g}"


def _optimiser(recipe: Recipe) -> str:
    name = "Adam" if recipe.optimiser == "adam" else f"SGD, Nesterov momentum {recipe.momentum:g}"
    decay = f", weight decay {recipe.weight_decay:g} (decoupled)" if recipe.weight_decay else ""
    factor = f", rate of biases and offsets times {recipe.bias_rate_factor:g}" if recipe.bias_rate_factor != 1 else ""
    return name + decay + factor


def _learning_rate(recipe: Recipe) -> str:
    if recipe.schedule == "constant":
        halved = f", halved after {_without_a_lower_loss(recipe.reduce_lr_patience)}"
        return f"{recipe.learning_rate:g}" + (halved if recipe.reduce_lr_patience else "")
    falls = "falls linearly" if recipe.schedule == "linear" else "falls by cosine"
    rises = f"rises to {recipe.learning_rate:g} over {recipe.warm_up:.0%} of the steps" if recipe.warm_up else ""
    begins = rises or f"begins at {recipe.learning_rate:g}"
    return f"{begins}, {falls} to {recipe.final_rate * recipe.learning_rate:g}"


def _without_a_lower_loss(epochs: int) -> str:
    return f"{counted(epochs, 'epoch')} without a lower val_loss"


def _augmentation(recipe: Recipe) -> str:
    parts = {
        f"{recipe.flip} flips": recipe.flip != "none",
        f"shifts of {counted(recipe.shift, 'pixel')}": recipe.shift,
        f"cutout of {counted(recipe.cutout, 'pixel')}": recipe.cutout,
        f"mixup {recipe.mixup:g}": recipe.mixup,
    }
    return ", ".join(part for part, used in parts.items() if used)


def _by_layer(values: Sequence[Any]) -> str:
    return ", ".join(f"{value:g}" for value in values) or "none"


def card(params: Params, results: Results, reliability: list[Bin]) -> str:
    """The whole card.

    ``reliability`` is of the selected model, that is of the seed with the best validation accuracy, on the test images.
    """
    run = results.selected
    result = results.runs[run]
    found = None if result.search is None else result.search.winner
    scores = [
        ["F1" if name == "f1" else name, str(result.val[name]), str(result.test[name])]
        for name in ("accuracy", "precision", "f1")
    ]
    names = dict(zip(result.classes, in_tables(list(result.classes)), strict=True))
    classes = [
        [names[name], *(str(scores[key]) for key in ("precision", "recall", "f1"))]
        for name, scores in result.classes.items()
    ]
    worst = names[min(result.classes, key=lambda name: result.classes[name]["f1"].mean)]
    n = result.epochs.n
    try:
        network, recipe = trained(params, run, found)
    except (KeyError, ValueError, TypeError) as error:
        # Params are checked: what a search says of its winner is not.
        again = evaluated_again(run.group)
        raise UserError(f"{group_file(run.group)}: the search {run.name} is damaged ({error!r}); {again}") from None
    kind = "convolutional" if isinstance(network, ConvolutionalNetwork) else "fully connected"
    texts = [
        f"# Model card: {run.title}",
        f"A {kind} network with {result.parameters:,} parameters "
        f"that names which of {len(classes)} classes a 32x32 colour image shows. Selected among "
        f"{counted(len(results.candidates), 'run')} by validation accuracy; the file is "
        + (f"the seed whose own is the best, {result.best_seed}" if n > 1 else f"that of seed {result.best_seed}")
        + ". Written by the report stage.",
        "## Use",
        f"`dvc repro` makes `{MODEL}`, and where a DVC remote has it `dvc pull {MODEL}` fetches it. Then:",
        _LOADING,
        "Classes, in the order of the output: " + ", ".join(names.values()) + ". For image files of any size: "
        "`python -m pipeline.predict IMAGE...`.",
        "## Data",
        provenance(results.dataset, results.split),
        "## Training",
        table(["parameter", "value"], training(network, recipe)),
        f"Cross-entropy; {'seeds' if n > 1 else 'seed'} {', '.join(map(str, results.seeds))}"
        f"{', a model each' if n > 1 else ''}. Training one costs "
        f"{magnitude(result.multiply_adds.mean)} multiply-adds, forward and backward.",
        "## Scores",
        (f"Mean over {n} seeds, with the standard deviation (ddof 1)" if n > 1 else "Of one seed")
        + "; precision and F1 are weighted by class size, as is recall, which then equals accuracy.",
        table(["score", "validation", "test"], scores),
        "On the test images, by class:",
        table(["class", "precision", "recall", "F1"], classes),
        "## Calibration",
        f"Expected calibration error {expected_calibration_error(reliability):.4f} on the test images (Guo et "
        "al., 2017; 15 bins of equal width; this very model).",
        "![Accuracy by confidence, and how many images have it](figures/reliability.png)",
        "## Limits",
        f"- It errs on about {1 - result.test['accuracy'].mean:.0%} of the test images; its F1 is lowest for {worst}.\n"
        + "\n".join(f"- {limit}" for limit in limits(network, recipe)),
    ]
    return "\n\n".join(texts) + "\n"
