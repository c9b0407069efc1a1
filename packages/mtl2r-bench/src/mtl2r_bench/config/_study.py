"""The validated configs of runs and studies.

A config file has the differences from the defaults. An unknown key is an error, which suggests the
nearest known key.
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


class SplitConfig(Config):
    """A split of one table by the order of its queries, such as their time.

    Attributes:
        order: Name of the column by whose least value the queries are sorted.
        shares: Shares of the queries in train, vali and test, in this order.
    """

    order: str
    shares: tuple[PositiveFloat, ...] = (0.6, 0.2, 0.2)


class DataConfig(Config):
    """The source of the lists, and the labels that are the tasks.

    Attributes:
        path: A ranking file or several (a pattern or a folder of parts), which are split by query;
            a folder with a file per split (train, vali, test); or a root with Fold1..Fold5. None
            generates the synthetic data set.
        fold: Fold of a root, or draw of synthetic data; None takes the first.
        tasks: The labels. Of a table with named columns: their names, with options as in
            ``"price:lower"`` (see `ltr_data.LabelSpec.parse`), or tables like
            ``{name = "demand", source = "reviews", grades = 5}``. Else relevance, quality,
            quality2, click, url_click, dwell for MSLR-shaped data, ``feature:<id>`` elsewhere.
        query: Name of the column whose values identify the queries.
        id: Name of the column whose values identify the documents.
        exclude: Names of columns that are left out.
        kinds: By name of a column, how its values are written: number, flag, percent, money or
            words. Others are found by their values.
        weight: Name of the column of the documents' weights.
        propensity: Name of the column of the probabilities that a document was seen.
        position: Name of the column of the places at which documents were shown.
        position_bias: A document at position k was seen with the probability k^(−position_bias).
        clip: Whether finite numbers beyond float32, such as Istella's, become its largest.
        zero_based: Whether text without names counts features from 0; "auto" looks.
        split: How one table is split: shares of the queries, the name of a column that says the
            split, or a table with ``order`` and ``shares``.
        split_seed: Seed of the split by shares.
        min_count: A word that fewer training documents have counts as another word.
        max_words: Largest number of words per column; rarer ones count as another word.
        inputs: Features that the ranker sees. ``"paper"`` drops all label columns of the WEB30K
            study, ``"strict"`` the url click count as well, ``"all"`` only the columns of the
            tasks. A list of feature ids or names is also allowed.
        transform: How features are scaled, fitted on the training split.
        cache: Folder for the converted files, which later runs map into memory; None is the
            user's cache folder.
        synthetic: Size and seed of the synthetic data set, if `path` is None.
    """

    path: str | None = None
    fold: PositiveInt | None = None
    tasks: Annotated[tuple[str | dict[str, Any], ...], Field(min_length=1)] = (
        "relevance",
        "quality",
    )
    query: str = "qid"
    id: str | None = None
    exclude: tuple[str, ...] = ()
    kinds: dict[str, str] = Field(default_factory=dict)
    weight: str | None = None
    propensity: str | None = None
    position: str | None = None
    position_bias: NonNegativeFloat = 1.0
    clip: bool = False
    zero_based: bool | Literal["auto"] = False
    split: str | tuple[PositiveFloat, ...] | SplitConfig = (0.6, 0.2, 0.2)
    split_seed: NonNegativeInt = 0
    min_count: PositiveInt = 1
    max_words: PositiveInt = 1000
    inputs: Literal["paper", "strict", "all"] | tuple[PositiveInt | str, ...] = "paper"
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
        num_leaves: Largest number of leaves per tree.
        learning_rate: Weight of each tree.
        min_documents: Smallest number of documents in a leaf.
        feature_fraction: Share of the features that a tree may use.
        bagging_fraction: Share of the documents that a tree sees.
        truncation: A pair counts if one of its documents is among this many top documents.
        rounds: Largest number of trees.
        patience: Number of trees without a better validation metric after which boosting stops.
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
        weight: Weight of the loss against the trees' scores; the labels' loss has 1 − weight.
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
        max_tokens: Largest number of padded documents per step; None sets no limit.
        list_length: Number of documents that longer training lists are sampled down to, with at
            least one that is relevant to the first task; None keeps them whole.
        static_shapes: Largest number of batch shapes, for compiled models on a GPU; 0 pads each
            batch to its longest list.
        optimizer: ``"adam"``, ``"adamw"``, or ``"sgd"`` with a momentum of 0.9.
        learning_rate: Largest learning rate.
        weight_decay: Weight decay of the model's parameters.
        schedule: ``"step"``, ``"cosine"`` or ``"constant"``, see
            `mtl2r_bench.training.optimisation.learning_rate`.
        warmup: Epochs, or a fraction of one, over which the learning rate rises.
        step_size: Epochs between the steps of ``"step"``.
        gamma: Factor of the steps of ``"step"``.
        clip_norm: Largest norm of the gradient after aggregation, the same for all methods; 0
            switches clipping off.
        ema: Decay per step of the exponential moving average of the weights, which is evaluated and
            saved in place of the weights; 0 switches it off.
        route: How Gramian methods see the gradients: ``"exact"`` with respect to the shared
            parameters, ``"features"`` with respect to the score that the tasks share (one backward
            pass whatever the number of tasks, an upper bound of the exact problem).
        distillation: Soft targets of a LightGBM ranker beside the labels; None switches it off.
        precision: Precision of the model's arithmetic; losses are always in float32.
        compile: Whether model and loss are compiled by torch.compile: the same results up to
            rounding, after a minute or so.
        device: Device of the training; ``"auto"`` takes a GPU if there is one.
        checkpoint_seconds: Seconds between checkpoints within an epoch, the most that a kill loses.
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
        select_cutoff: The k of the validation NDCG that chooses the epoch.
        select_tasks: Tasks of that NDCG: ``"main"`` is the first task, as in the WEB30K study;
            ``"preference"`` weighs all tasks by the run's preference, or equally without one.
            ``"last"`` always takes the last epoch.
        empty: Value of a list without a relevant document; ``"skip"`` leaves it out.
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

    @model_validator(mode="after")
    def _tasks_meet_at_the_scores(self) -> Self:
        if self.train.route == "features" and self.model.head == "per_task":
            raise ValueError(
                "`train.route` must be 'exact' where `model.head` is 'per_task': gradients of the "
                "scores do not meet where each task has a score of its own, got 'features'"
            )
        return self


class RunConfig(_Shared):
    """One training.

    Attributes:
        method: The multi-task method.
        tasks: The trained labels, the main one first; None trains all labels of the data. All
            labels of the data are evaluated, and none is an input.
        seed: Seed of everything random.
    """

    method: MethodConfig
    tasks: Annotated[tuple[str, ...], Field(min_length=1)] | None = None
    seed: NonNegativeInt = 42


class BoundsConfig(Config):
    """Bounds of the epsilon-constraint method for one task set, given rather than derived.

    Attributes:
        tasks: The task set.
        values: Bounds by bounded task, one per run. All lists have the same length and go from the
            tightest to the loosest bound.
        unit: Unit of the bounds: ``"loss"``, or ``"bits_per_pair"`` for DeepMTL2R's LambdaLoss, a
            mean over pairs of documents with base-2 logarithms.
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


# The tags are names of types, which error messages leave out of a key.
_StudyMethod = Annotated[
    Annotated[str, Tag("str")] | Annotated[StudyMethodConfig, Tag("StudyMethodConfig")],
    Discriminator(lambda value: "str" if isinstance(value, str) else "StudyMethodConfig"),
]


class StudyConfig(_Shared):
    """Many trainings on the same data: every task set, method, preference, fold and seed.

    ``data.tasks`` names all labels of the study. Every run is measured on all of them and has none
    among its inputs, so that runs of different task sets can be compared and share their baselines.

    Attributes:
        methods: Code names, or tables with a name, options and optionally a model in place of the
            study's.
        task_sets: Sets of labels that are trained together, the main one first: a list of sets, or
            ``"pairs"`` for every pair; None is one set of all labels.
        preferences: Number of evenly spread vectors, or the vectors.
        bounds: Bounds of the epsilon-constraint method for the task sets named here. For others
            they are derived from the baselines, one per preference.
        adaptive: Number of additional vectors per method, each in the largest gap of its front.
        folds: Folds of a root; every fold has its own runs. None takes only ``data.fold``.
        seeds: Seeds of the runs; every seed has its own runs.
        repeats: Number of successive seeds, from each of `seeds` on, for a method without a
            preference, so that it can have as many runs as methods with vectors.
        baselines: Whether to train each task alone, as the scale of Δm and the hypervolume.
        retries: Largest number of times that a run is resumed after it failed or its process was
            killed, for example for lack of memory.
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
