"""Configs of methods: of a run, and of a study."""

from typing import Annotated, Any, Literal

from pydantic import Field

from ._model import Config, ModelConfig


class MethodConfig(Config):
    """A multi-task method: a code name of `mtl2r-bench list methods` and its options.

    Attributes:
        name: The code name.
        preference: Vector on the simplex, for methods that take one and for methods whose bounds
            are derived from it.
        task: The trained task, for ``stl`` only.
        rule: The rule by which a study sets ``options.bounds``, see `mtl2r_bench.study.bounds`.
        position: Position of a run without a preference along its method's sweep, from 0 to 1 (all
            weight on the main task).
        variant: Label that distinguishes the method from the same one with the study's model, see
            `StudyMethodConfig`.
        options: Further arguments of the method's constructor.
    """

    name: str
    preference: tuple[float, ...] | None = None
    task: str | None = None
    rule: Literal["payoff", "bits_per_pair"] | None = None
    position: Annotated[float, Field(ge=0.0, le=1.0)] | None = None
    variant: Annotated[str, Field(min_length=1)] | None = None
    options: dict[str, Any] = Field(default_factory=dict)

    @property
    def label(self) -> str:
        """The label in a legend: the code name, the task of a baseline, the variant, the options.

        Bounds are left out, since, like preferences, they vary within one method's sweep.

        Examples:
            >>> MethodConfig(name="nashmtl", variant="mlp", options={"update_every": 5}).label
            'nashmtl (mlp, update_every=5)'
        """
        shown = {key: value for key, value in self.options.items() if key != "bounds"}
        variant = [] if self.variant is None else [self.variant]
        inside = ", ".join([*variant, *(f"{key}={value}" for key, value in shown.items())])
        task = f" {self.task}" if self.task else ""
        return f"{self.name}{task}" + (f" ({inside})" if inside else "")


class StudyMethodConfig(MethodConfig):
    """A method of a study, which may have a model of its own.

    Entries that the model leaves out have the defaults of its architecture, not the study's values.
    Single-task baselines, and the bounds that are derived from them, use the study's model.

    Attributes:
        model: Model in place of the study's. By default `variant` is then the model's label, such
            as ``mlp``.
    """

    model: ModelConfig | None = None

    def of_run(self) -> MethodConfig:
        """Return the method as the config of a run, without its model."""
        return MethodConfig(**{name: getattr(self, name) for name in MethodConfig.model_fields})
