"""Which images the study is about, and how they are split."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from pipeline.params.kinds import Integer, Number, ParamSection


class FetchParams(ParamSection):
    """The data set. ``path`` is for the dataset "folder" alone."""

    dataset: Literal["cifar10", "cifar10-jpeg", "digits", "folder"]
    path: str

    @model_validator(mode="after")
    def _named(self) -> "FetchParams":
        if self.dataset == "folder" and not self.path:
            raise ValueError("path is empty; allowed where fetch.dataset is folder: a directory, tar or zip archive")
        if self.dataset != "folder" and self.path:
            raise ValueError(f"path is {self.path}; allowed where fetch.dataset is {self.dataset}: empty")
        return self


class SplitParams(ParamSection):
    """How the training images are divided into train and val."""

    seed: Annotated[Integer, Field(ge=0, lt=2**32)]
    validation_fraction: Annotated[Number, Field(gt=0, lt=1)]
