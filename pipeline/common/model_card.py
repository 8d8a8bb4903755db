"""metrics/model_card.md: what the selected model is, how it was made, how good it is, and what it is not for.

The sections are those of Mitchell et al. (2019), "Model Cards for Model Reporting".
"""

from collections.abc import Mapping
from typing import Any

from pipeline.common.calibration import Bin, expected_calibration_error
from pipeline.common.document import provenance, table
from pipeline.common.params import Params
from pipeline.common.results import Results, figure, read_json
from pipeline.common.runs import Run

MODEL = "models/selected.keras"

_LOADING = f"""```python
import keras

model = keras.models.load_model("{MODEL}")
probabilities = model.predict(images)  # images: uint8 (n, 32, 32, 3), red, green, blue from 0 to 255
```"""


def configuration(params: Params, run: Run) -> dict[str, str]:
    """How ``run`` is built and trained, as params.yaml says or, for the winner of a search, as the search found."""
    sections: dict[str, Any] = {
        "baseline": lambda: params.baseline.model_dump(),
        "scale": lambda: {"units": params.scale.architectures[run.name], "learning_rate": params.scale.learning_rate},
        "regularise": lambda: params.reg.model_dump(),
        "ablation": lambda: (
            params.ablation.model_dump(include={"units", "patience"})
            | params.ablation.runs[run.name].model_dump(exclude_none=True)
        ),
        "tune": lambda: (
            read_json(run.metrics)["search"]["winner"]["hyperparameters"]
            | params.tune.searches[run.name].model_dump(include={"dropout_after", "patience"})
        ),
    }
    return {name: _written(value) for name, value in sections[run.group]().items()}


def _written(value: Any) -> str:
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def card(
    params: Params,
    results: Results,
    dataset: Mapping[str, Any],
    split: Mapping[str, Any],
    by_class: Mapping[str, Mapping[str, Mapping[str, float]]],
    reliability: list[Bin],
) -> str:
    """The whole card; the arguments are those of :func:`pipeline.common.document.report`.

    ``reliability`` is of the selected model, that is of the seed with the best validation accuracy, on the test images.
    """
    run = results.selected
    trained, tested = results.trained[run], results.tested[run]
    most_epochs = params.tune.searches[run.name].max_epochs if run.group == "tune" else params.train.epochs
    settings = configuration(params, run) | {
        "batch_size": str(params.train.batch_size),
        "precision": params.train.precision,
        "epochs": f"at most {most_epochs}",
    }
    figures = [
        [name, figure(trained["val"][name]), figure(tested[name])] for name in ("accuracy", "precision", "recall", "f1")
    ]
    classes = [
        [name, *(figure(entry[key]) for key in ("precision", "recall", "f1"))] for name, entry in by_class.items()
    ]
    worst = min(by_class, key=lambda name: by_class[name]["f1"]["mean"])
    n = trained["val"]["accuracy"]["n"]
    return (
        "\n\n".join(
            [
                f"# Model card: {run.title}",
                f"A fully connected network with {trained['parameters']:,} parameters "
                f"that names which of {len(by_class)} classes a 32x32 colour image shows. Selected among "
                f"{len(results.trained)} runs by validation accuracy; the file is the seed whose own is the best, "
                f"{results.best_seed(run)}. Written by the report stage.",
                "## Use",
                f"`dvc get` or `dvc pull {MODEL}`, then:",
                _LOADING,
                "Classes, in the order of the output: " + ", ".join(by_class) + ". For image files of any size: "
                "`python -m pipeline.predict IMAGE...`.",
                "## Data",
                provenance(dataset, split),
                "## Training",
                table(["parameter", "value"], [[name, value] for name, value in settings.items()]),
                f"Adam, cross-entropy; seeds {', '.join(map(str, results.seeds))}, a model each.",
                "## Figures",
                f"Mean over {n} {'seeds' if n > 1 else 'seed'}, with the standard deviation (ddof 1) where there are "
                "more than one; precision, recall and F1 weighted by class size.",
                table(["measure", "validation", "test"], figures),
                "On the test images, by class:",
                table(["class", "precision", "recall", "F1"], classes),
                "## Calibration",
                f"Expected calibration error {expected_calibration_error(reliability):.4f} on the test images (Guo et "
                "al., 2017; 15 bins of equal width; this very model).",
                "![Reliability](figures/reliability.png)",
                "## Limits",
                "\n".join(
                    [
                        f"- It errs on about {1 - tested['accuracy']['mean']:.0%} of the test images, most on {worst}. "
                        "Convolutional networks do far better on such images: this one is for the study of dense ones.",
                        "- It knows no pixel's neighbours: an object moved by a few pixels is another input.",
                        "- It always names one of its classes, whatever the image shows.",
                        "- Test figures hold for images of the same source; how it does on others was not measured.",
                    ]
                ),
            ]
        )
        + "\n"
    )
