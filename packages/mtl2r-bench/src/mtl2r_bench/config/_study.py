"""What a run and a study are, as validated configs read from TOML.

A config holds differences from the defaults. Every unknown key is an error that suggests the
nearest known one.
"""

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    Discriminator,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    Tag,
    model_validator,
)

from ._method import MethodConfig, StudyMethodConfig
from ._model import Config, ModelConfig, default_model


class SyntheticConfig(Config):
    """The synthetic data set shaped like WEB30K (`ltr_data.datasets.synthetic`)."""

    train_queries: PositiveInt = 400
    validation_queries: PositiveInt = 150
    test_queries: PositiveInt = 300
    mean_length: PositiveFloat = 40.0
    seed: NonNegativeInt = 0


class DataConfig(Config):
    """Where the lists come from and which labels are the tasks.

    Attributes:
        path: A folder in LETOR's layout (train, vali, test; .txt or .txt.gz), or a root with
            Fold1..Fold5. None generates the synthetic data set.
        fold: Which fold of a root, and of synthetic data another draw; None takes the first.
        tasks: Names of the labels: relevance, quality, quality2, click, url_click, dwell for
            MSLR-shaped data, ``feature:<id>`` elsewhere; or a whole label spec as a table.
        inputs: Which features the ranker sees: ``"paper"`` drops all label columns of the WEB30K
            study whatever the tasks, ``"strict"`` the url click count as well, ``"all"`` only what
            the tasks need dropped; or the feature ids.
        transform: How features are scaled, fitted on the training split.
        cache: Folder for the converted files, which later runs map into memory; None is the
            user's cache folder.
        synthetic: Size and seed of the synthetic data set, where `path` is None.
    """

    path: Path | None = None
    fold: PositiveInt | None = None
    tasks: Annotated[tuple[str | dict[str, Any], ...], Field(min_length=1)] = (
        "relevance",
        "quality",
    )
    inputs: Literal["paper", "strict", "all"] | tuple[PositiveInt, ...] = "paper"
    transform: Literal["log_standardize", "standardize", "none"] = "log_standardize"
    cache: Path | None = None
    synthetic: SyntheticConfig = SyntheticConfig()


class LossConfig(Config):
    """The ranking loss of every task: a code name of `mtl2r-bench list losses` and its options."""

    name: str = "lambda"
    options: dict[str, Any] = Field(default_factory=dict)


class GBDTConfig(Config):
    """LightGBM's boosted trees, see `mtl2r_bench.training.boosting`.

    Attributes:
        num_leaves: Leaves of a tree at most.
        learning_rate: What each tree counts.
        min_documents: Documents in a leaf at least.
        feature_fraction: Share of the features that a tree may use.
        bagging_fraction: Share of the documents that a tree sees.
        truncation: A pair of documents counts where one is among the top so many.
        rounds: Trees at most.
        patience: Boosting ends after so many trees without a better validation metric.
    """

    num_leaves: Annotated[int, Field(ge=2)] = 15
    learning_rate: PositiveFloat = 0.05
    min_documents: PositiveInt = 50
    feature_fraction: Annotated[float, Field(gt=0.0, le=1.0)] = 0.8
    bagging_fraction: Annotated[float, Field(gt=0.0, le=1.0)] = 0.8
    truncation: PositiveInt = 30
    rounds: PositiveInt = 1000
    patience: PositiveInt = 100


class DistillationConfig(Config):
    """Soft targets of boosted trees beside the labels, see `mtl2r_bench.training.distillation`.

    Attributes:
        weight: Of the loss against the trees' scores; 1 less it is that of the labels' loss.
        temperature: Divides the trees' scores, which are in units of their standard deviation.
        trees: LightGBM's options.
    """

    weight: Annotated[float, Field(gt=0.0, le=1.0)] = 0.5
    temperature: PositiveFloat = 1.0
    trees: GBDTConfig = GBDTConfig()


class TrainConfig(Config):
    """The optimisation; the defaults are the WEB30K study's.

    Attributes:
        epochs: Passes over the training lists.
        batch_size: Lists per step, of all processes together.
        max_tokens: Padded documents per step at most; None sets no limit.
        list_length: Longer training lists are sampled down to so many documents, one that is
            relevant to the first task among them; None keeps them whole.
        static_shapes: Batches come in at most so many shapes, for compiled models on a GPU; 0 pads
            each to its longest list.
        optimizer: ``"adam"``, ``"adamw"``, or ``"sgd"`` with a momentum of 0.9.
        learning_rate: At its highest.
        weight_decay: Of the model's parameters.
        schedule: ``"step"``, ``"cosine"`` or ``"constant"``, see
            `mtl2r_bench.training.optimisation.learning_rate`.
        warmup: Epochs, or a fraction of one, over which the learning rate rises.
        step_size: Epochs between the steps of ``"step"``.
        gamma: Factor of the steps of ``"step"``.
        clip_norm: The gradient's largest norm, after aggregation and the same for all methods;
            0 switches clipping off.
        ema: Decay per step of the exponential moving average of the weights, which is then what is
            evaluated and saved; 0 has none.
        route: How Gramian methods see the gradients: ``"exact"`` with respect to the shared
            parameters, ``"features"`` with respect to the scores (one backward pass whatever the
            number of tasks, an upper bound of the exact problem).
        distillation: Soft targets of a LightGBM ranker beside the labels; None has none.
        precision: Of the model's arithmetic; losses are in float32 whatever it is.
        compile: Whether model and loss are compiled by torch.compile: the same results up to
            rounding, after a minute or so.
        device: ``"auto"`` takes a GPU where there is one.
        checkpoint_seconds: Time between checkpoints within an epoch; a kill loses no more.
    """

    epochs: PositiveInt = 50
    batch_size: PositiveInt = 64
    max_tokens: PositiveInt | None = None
    list_length: PositiveInt | None = None
    static_shapes: NonNegativeInt = 0
    optimizer: Literal["adam", "adamw", "sgd"] = "adam"
    learning_rate: PositiveFloat = 1e-3
    weight_decay: NonNegativeFloat = 0.0
    schedule: Literal["step", "cosine", "constant"] = "step"
    warmup: NonNegativeFloat = 0.0
    step_size: PositiveInt = 50
    gamma: PositiveFloat = 0.1
    clip_norm: NonNegativeFloat = 1.0
    ema: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0
    route: Literal["exact", "features"] = "exact"
    distillation: DistillationConfig | None = None
    precision: Literal["float32", "bfloat16", "float16"] = "float32"
    compile: bool = False
    device: str = "auto"
    checkpoint_seconds: NonNegativeFloat = 300.0


class EvaluationConfig(Config):
    """How rankers are measured and how the epoch is chosen.

    Attributes:
        cutoffs: The k of NDCG@k.
        select_cutoff: NDCG at this k, on validation, chooses the epoch ...
        select_tasks: ... of the first task (``"main"``, as the WEB30K study), of all tasks weighted
            by the run's preference (``"preference"``; equal where the method takes none), or of
            none: the last epoch is taken (``"last"``).
        empty: What a list without a relevant document counts: left out (``"skip"``) or a number.
        gain: ``"exp2"`` is 2^label − 1, ``"linear"`` the label.
    """

    cutoffs: Annotated[tuple[PositiveInt, ...], Field(min_length=1)] = (1, 5, 10, 30)
    select_cutoff: PositiveInt = 10
    select_tasks: Literal["main", "preference", "last"] = "preference"
    empty: Literal["skip"] | float = "skip"
    gain: Literal["exp2", "linear"] = "exp2"

    @model_validator(mode="after")
    def _select_cutoff_is_measured(self) -> Self:
        if self.select_cutoff not in self.cutoffs:
            raise ValueError(
                f"`select_cutoff` must be one of `cutoffs` {list(self.cutoffs)}, "
                f"got {self.select_cutoff}"
            )
        return self


class _Shared(Config):
    data: DataConfig = DataConfig()
    model: ModelConfig = Field(default_factory=default_model)
    loss: LossConfig = LossConfig()
    train: TrainConfig = TrainConfig()
    evaluation: EvaluationConfig = EvaluationConfig()


class RunConfig(_Shared):
    """One training.

    Attributes:
        method: How the losses are brought together.
        tasks: The labels that are trained, the main one first; None takes all of the data's. All
            labels of the data are measured, and none is an input.
        seed: Of everything random.
    """

    method: MethodConfig
    tasks: Annotated[tuple[str, ...], Field(min_length=1)] | None = None
    seed: NonNegativeInt = 42


class BoundsConfig(Config):
    """Bounds of the epsilon-constraint method for one task set, given rather than derived.

    Attributes:
        tasks: The task set.
        values: Per bounded task its bounds, one per run; all lists are equally long and go from the
            tightest to the loosest.
        unit: ``"loss"`` is that of the losses; ``"bits_per_pair"`` is that of DeepMTL2R's
            LambdaLoss, a mean over pairs of documents with base-2 logarithms.
    """

    tasks: tuple[str, ...]
    values: dict[str, tuple[PositiveFloat, ...]]
    unit: Literal["loss", "bits_per_pair"] = "loss"

    @model_validator(mode="after")
    def _as_many_of_each(self) -> Self:
        lengths = {len(bounds) for bounds in self.values.values()}
        if len(lengths) != 1 or 0 in lengths:
            raise ValueError(
                f"`values` must be lists of one length, got {[*map(len, self.values.values())]}"
            )
        return self


# The tags are what errors leave out of a key: the names of the types.
_StudyMethod = Annotated[
    Annotated[str, Tag("str")] | Annotated[StudyMethodConfig, Tag("StudyMethodConfig")],
    Discriminator(lambda value: "str" if isinstance(value, str) else "StudyMethodConfig"),
]


class StudyConfig(_Shared):
    """Many trainings on the same data: every task set, method, preference, fold and seed.

    ``data.tasks`` names all labels of the study. Every run is measured on all of them and has none
    among its inputs, so that runs of different task sets can be compared and share their baselines.

    Attributes:
        methods: Code names, or tables with a name, options and, where it is not the study's, a
            model.
        task_sets: Which labels are trained together, the main one first: a list of sets, or
            ``"pairs"`` for every pair; None is one set of all labels.
        preferences: How many vectors, spread evenly, or the vectors.
        bounds: Of the epsilon-constraint method, for the task sets that are named here; for others
            they are derived from the baselines, one per preference.
        adaptive: How many more vectors every method is trained at, one after the other, each where
            its front so far has the largest gap.
        folds: Of a root with folds; one training each. None takes ``data.fold`` alone.
        seeds: One training each.
        repeats: Seeds of a method that takes no preference, from each of `seeds` on: as many runs
            as others have vectors, where figures are to show them alike.
        baselines: Whether to train each task alone, which Δm and the hypervolume are scaled by.
        retries: How often a run is begun again that failed or whose process was killed, by a
            machine short of memory, say. It goes on from its last checkpoint.
    """

    methods: Annotated[tuple[_StudyMethod, ...], Field(min_length=1)] = ("ls", "wc", "mgda")
    task_sets: Literal["pairs"] | tuple[tuple[str, ...], ...] | None = None
    preferences: PositiveInt | tuple[tuple[float, ...], ...] = 5
    bounds: tuple[BoundsConfig, ...] = ()
    adaptive: NonNegativeInt = 0
    folds: Annotated[tuple[PositiveInt, ...], Field(min_length=1)] | None = None
    seeds: Annotated[tuple[NonNegativeInt, ...], Field(min_length=1)] = (42,)
    repeats: PositiveInt = 1
    baselines: bool = True
    retries: NonNegativeInt = 2
