"""What a record must have, and how its parts must agree."""


from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


_Measured = dict[str, dict[str, dict[str, float]]]
"""Values by split, metric and label."""


class Record(BaseModel):
    """What every record has, see `mtl2r_bench.training.summary`."""

    model_config = ConfigDict(strict=True)

    labels: Annotated[list[str], Field(min_length=1)]
    tasks: list[str]
    method: dict[str, Any]
    label: str
    position: float | None
    fold: int | None
    seed: int
    select_cutoff: int
    epoch: int
    epochs: int
    parameters: int
    loss: dict[str, float]
    metrics: _Measured
    standard_errors: _Measured
    seconds: float
    data: dict[str, str]
    environment: dict[str, Any]

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        labels = set(self.labels)
        if not set(self.tasks) <= labels:
            raise ValueError(f"the tasks are {self.tasks}, not among the labels {self.labels}")
        for measured in (self.metrics, self.standard_errors):
            if "validation" not in measured:
                raise ValueError(f"there are no values on validation, only on {list(measured)}")
            for split, metrics in measured.items():
                for metric, values in metrics.items():
                    if set(values) != labels:
                        raise ValueError(f"{metric} on {split} is of {[*values]}, not of {labels}")
        return self
