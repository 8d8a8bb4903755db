"""What the files that the report reads must hold, so that it is written whole or not at all."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
from pydantic import AfterValidator, ConfigDict, Field, TypeAdapter, ValidationError, with_config
from typing_extensions import TypedDict

from pipeline.evaluation.mistakes import confident_mistakes
from pipeline.files import dataset
from pipeline.files.artefacts import read_array, read_json
from pipeline.files.errors import UserError
from pipeline.files.runs import Predicted, Run

_STRICT = ConfigDict(strict=True)

Finite = Annotated[float, Field(allow_inf_nan=False)]
Counted = Annotated[int, Field(ge=0)]


def _number(text: str | float) -> str | float:
    if not np.isfinite(float(text)):
        raise ValueError("it is no finite number")
    return text


def _some(counts: dict[str, int]) -> dict[str, int]:
    if not any(counts.values()):
        raise ValueError("it counts no image")
    return counts


# Keys may be missing: files.artefacts.Entry names file and key when one is read.
@with_config(_STRICT)
class Dataset(TypedDict, total=False):
    """metrics/dataset.json."""

    dataset: str
    content_sha256: str
    lossless: bool | None


@with_config(_STRICT)
class Split(TypedDict, total=False):
    """metrics/split.json."""

    counts: dict[str, Annotated[dict[str, Counted], AfterValidator(_some)]]
    duplicates: dict[str, Counted]


@with_config(_STRICT)
class Search(TypedDict, total=False):
    """What an entry says of the search that found the run."""

    trials: Annotated[int, Field(gt=0)]
    epochs: Counted
    val_accuracy: Finite
    hyperparameters: dict[str, Annotated[str | float, AfterValidator(_number)]]
    patience: int | None
    max_epochs: Annotated[int, Field(gt=0)]


@with_config(_STRICT)
class Tested(TypedDict, total=False):
    """An entry with test scores that are no statistics: of the naive classifier, or of all seeds together."""

    test: dict[str, Finite]


@with_config(_STRICT)
class Entry(TypedDict, total=False):
    """What an entry of metrics/<group>.json says of a run, but for its statistics."""

    n: Annotated[int, Field(gt=0)]
    parameters: Counted
    ensemble: Tested
    search: Search


@with_config(_STRICT)
class Together(TypedDict):
    """The entry of the ensemble over runs."""

    members: Annotated[list[str], Field(min_length=1)]
    val: dict[str, Finite]
    test: dict[str, Finite]


def check(kind: Any, content: Any) -> None:
    """Raise ValueError, with the place, unless ``content`` has the form of ``kind``, one of the classes above."""
    try:
        TypeAdapter(kind).validate_python(content)
    except ValidationError as error:
        found = error.errors()[0]
        place = ".".join(map(str, found["loc"])) or "the content"
        raise ValueError(f"{place}: {found['msg']}") from None


def described(name: str, kind: Any, again: str) -> Mapping[str, Any]:
    """metrics/``name``.json, of the form of ``kind``. Raises :class:`UserError` where it is damaged."""
    path = Path(f"metrics/{name}.json")
    try:
        content: Mapping[str, Any] = read_json(path)
        check(kind, content)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} is damaged ({error}); {again}") from None
    return content


def samples(classes: int, count: int) -> dataset.Split:
    """At most ``count`` training images with their labels. Raises :class:`UserError` where they have another form."""
    train = dataset.load("train")
    whole = train.images.dtype == np.uint8 and train.images.ndim == 4 and train.images.shape[1:] == (32, 32, 3)
    whole = whole and train.labels.dtype == np.uint8 and train.labels.shape == train.images.shape[:1]
    if not whole or train.labels[:count].max(initial=0) >= classes:
        again = "'dvc repro -f -s preprocess' makes them anew"
        wanted = f"images, uint8 (n, 32, 32, 3), and labels, uint8 (n,), from 0 to {classes - 1}"
        found = f"{train.images.dtype} {train.images.shape} and {train.labels.dtype} {train.labels.shape}"
        raise UserError(f"{dataset.PREPARED / 'train'} holds {found}, or a label too large; allowed: {wanted}; {again}")
    return dataset.Split(train.images[:count], train.labels[:count])


def class_probabilities(
    run: Run, seed: int, classes: int | None = None, of: Predicted = "test"
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float32]]:
    """Labels (n,) of the test images, and the class probabilities (n, classes) from the model of ``seed``.

    Raises :class:`UserError` where a file is damaged, or holds something else; ``classes`` None is any number.
    """
    of_labels, of_seed = Path(f"data/predictions/{run.group}/labels.npy"), run.predictions(seed, of)
    labels, found = read_array(of_labels), read_array(of_seed)
    _hold(of_labels, run, labels, labels.dtype.kind in "ui" and labels.ndim == 1 and len(labels) > 0, "labels (n,)")
    what = f"finite float probabilities ({len(labels)}, {classes or 'classes'})"
    whole = found.dtype.kind == "f" and found.ndim == 2 and len(found) == len(labels) and found.shape[1] > 0
    whole = whole and classes in (None, found.shape[1]) and bool(np.isfinite(found).all())
    _hold(of_seed, run, found, whole, what)
    known = int(labels.min()) >= 0 and int(labels.max()) < found.shape[1]
    _hold(of_labels, run, labels, known, f"labels from 0 to {found.shape[1] - 1}")
    return labels, found


def mistakes(run: Run, seed: int, count: int) -> npt.NDArray[np.uint8]:
    """The images, uint8 (m, 32, 32, 3), of the at most ``count`` most confident mistakes of ``seed``.

    Raises :class:`UserError` where the file is damaged, or does not fit the predictions.
    """
    path, images = run.mistakes(seed), read_array(run.mistakes(seed))
    shape = len(confident_mistakes(*class_probabilities(run, seed), count)), 32, 32, 3
    _hold(path, run, images, images.dtype == np.uint8 and images.shape == shape, f"uint8 {shape}")
    return images


def _hold(path: Path, run: Run, array: npt.NDArray[Any], right: bool, what: str) -> None:
    if not right:
        said = f"{path} holds {array.dtype} {array.shape}, not {what}"
        raise UserError(f"{said}; {evaluated_again(run.group)}")


def evaluated_again(group: str) -> str:
    """How the files of ``group`` come back."""
    return f"'dvc repro -f -s evaluate@{group}' makes them anew"
