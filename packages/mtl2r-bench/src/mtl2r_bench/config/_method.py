"""Configs of methods: of a run, and of a study."""

from typing import Annotated, Any, Literal

from pydantic import Field

from ._model import Config, ModelConfig


class MethodConfig(Config):
    """A multi-task method: a code name of `mtl2r-bench list methods` and its options.

    Attributes:
        name: The code name.
        preference: On the simplex, for the methods that take one, and for those with bounds that
            are derived from it.
        task: For ``stl`` only: the task that is trained.
        rule: How ``options.bounds`` came about, where a study set them, see
            `mtl2r_bench.study.bounds`.
        position: Where the run stands along its method's sweep, from 0 to 1, where no preference
            says so: 1 is all for the main task.
        variant: What tells it from the same method with the study's model, see `StudyMethodConfig`.
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
        """What a legend shows: the code name, the task of a baseline, the variant, the options.

        Bounds are left out: as preferences, they tell the runs of one method's sweep apart.

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

    The model is whole: what it leaves out has its architecture's default, not the study's value.
    Single-task baselines, and so the bounds that are derived from them, are of the study's model.

    Attributes:
        model: Instead of the study's. `variant` is then the model's label, such as ``mlp``, unless
            it is given.
    """

    model: ModelConfig | None = None

    def of_run(self) -> MethodConfig:
        """The method as the config of a run has it, beside its model."""
        return MethodConfig(**{name: getattr(self, name) for name in MethodConfig.model_fields})
