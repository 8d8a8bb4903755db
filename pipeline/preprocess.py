"""data/raw checked and split: stratified train and validation images, and the test images as they are; seconds."""

from pathlib import Path

from pipeline.console import command
from pipeline.files.artefacts import all_or_none, read_array, write_json
from pipeline.files.dataset import CLASS_NAMES, PREPARED, RAW, Split, class_names
from pipeline.files.errors import UserError
from pipeline.images.splitting import check, stratified, summarise
from pipeline.params import reading
from pipeline.runtime import fingerprints


def main() -> None:
    """Check and split the images."""
    fingerprints.check("preprocess")
    params = reading.load("split").split
    names = class_names(RAW / "class_names.json")
    raw = {
        name: Split(*(read_array(RAW / f"{name}_{part}.npy") for part in ("images", "labels")))
        for name in ("train", "test")
    }
    # One to train on and one to validate on.
    check("train", raw["train"], names, least=2)
    check("test", raw["test"], names)
    try:
        train, val = stratified(raw["train"], params.validation_fraction, params.seed)
    except ValueError as error:
        fraction = f"split.validation_fraction is {params.validation_fraction}"
        raise UserError(f"{reading.PARAMS}: {fraction}: {error}") from None
    splits = {"train": train, "val": val, "test": raw["test"]}
    fingerprints.check("preprocess")
    with all_or_none(PREPARED):
        for name, split in splits.items():
            split.write(f"{PREPARED / name}/")
        write_json(CLASS_NAMES, names)
    write_json(Path("metrics/split.json"), summarise(splits, names))


if __name__ == "__main__":
    command.run(main)
