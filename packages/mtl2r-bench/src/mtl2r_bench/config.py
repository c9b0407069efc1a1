"""What a run and a study are, as validated configs read from TOML.

A config holds differences from the defaults. Every unknown key is an error that suggests the
nearest known one.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import tomli_w
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    Tag,
    ValidationError,
    model_validator,
)

from mtl2r_models.feature_layers import FeatureLayers

__all__ = [
    "STUDIES",
    "BoundsConfig",
    "DataConfig",
    "DistillationConfig",
    "EvaluationConfig",
    "GBDTConfig",
    "LatentCrossConfig",
    "LossConfig",
    "MLPConfig",
    "MethodConfig",
    "ModelConfig",
    "RunConfig",
    "SetTransformerConfig",
    "StudyConfig",
    "SyntheticConfig",
    "TrainConfig",
    "TransformerConfig",
    "did_you_mean",
    "load_study",
    "to_toml",
    "validate",
]


class _Config(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SyntheticConfig(_Config):
    """The synthetic data set shaped like WEB30K (`ltr_data.datasets.synthetic`)."""

    train_queries: PositiveInt = 400
    validation_queries: PositiveInt = 150
    test_queries: PositiveInt = 300
    mean_length: PositiveFloat = 40.0
    seed: NonNegativeInt = 0


class DataConfig(_Config):
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


def _check_layers(configs: tuple[dict[str, Any], ...]) -> tuple[dict[str, Any], ...]:
    FeatureLayers(1, configs)  # says what is wrong
    return configs


FeatureLayerConfigs = Annotated[tuple[dict[str, Any], ...], AfterValidator(_check_layers)]
"""Each a table with a ``kind`` and its options, see `mtl2r_models.feature_layers`."""


class TransformerConfig(_Config):
    """The list transformer; the defaults are the WEB30K study's (810,497 parameters).

    Attributes:
        head: One score that all tasks share, or one ``"per_task"``.
        positions: What the ranker knows of the order the documents come in: nothing, or their
            places as fixed waves or learned vectors.
        max_length: The longest list that positions are for.
        feature_layers: What stands before the first layer.
        members: Members of an ensemble that share the network.
    """

    architecture: Literal["transformer"] = "transformer"
    hidden: PositiveInt = 128
    layers: PositiveInt = 4
    heads: PositiveInt = 4
    feedforward: PositiveInt = 512
    dropout: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.3
    norm: Literal["pre", "post"] = "pre"
    attention_scale: Literal["head", "model"] = "head"
    positions: Literal["none", "sinusoidal", "learned"] = "none"
    max_length: PositiveInt = 240
    feature_layers: FeatureLayerConfigs = ()
    members: PositiveInt = 1
    head: Literal["shared", "per_task"] = "shared"


class MLPConfig(_Config):
    """A multilayer perceptron that scores each document by itself: the baseline.

    Attributes:
        hidden: Widths of the layers.
        feature_layers: What stands before the first layer.
        members: Members of an ensemble that share the network.
        head: One score that all tasks share, or one ``"per_task"``.
    """

    architecture: Literal["mlp"]
    hidden: Annotated[tuple[PositiveInt, ...], Field(min_length=1)] = (512, 256, 128)
    dropout: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.3
    feature_layers: FeatureLayerConfigs = ()
    members: PositiveInt = 1
    head: Literal["shared", "per_task"] = "shared"


class LatentCrossConfig(_Config):
    """A multilayer perceptron of each document, times its context in the list.

    Attributes:
        layers: Layers of the perceptron.
        blocks: Transformer blocks of the context.
        feature_layers: What stands before the first layer.
        members: Members of an ensemble that share the network.
        head: One score that all tasks share, or one ``"per_task"``.
    """

    architecture: Literal["latent_cross"]
    hidden: PositiveInt = 128
    layers: PositiveInt = 2
    blocks: PositiveInt = 2
    heads: PositiveInt = 4
    feedforward: PositiveInt = 256
    dropout: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.3
    feature_layers: FeatureLayerConfigs = ()
    members: PositiveInt = 1
    head: Literal["shared", "per_task"] = "shared"


class SetTransformerConfig(_Config):
    """Attention through induced points, linear in the length of the list.

    Attributes:
        points: Induced points per block.
        feature_layers: What stands before the first layer.
        members: Members of an ensemble that share the network.
        head: One score that all tasks share, or one ``"per_task"``.
    """

    architecture: Literal["set_transformer"]
    hidden: PositiveInt = 128
    layers: PositiveInt = 2
    heads: PositiveInt = 4
    feedforward: PositiveInt = 512
    points: PositiveInt = 32
    dropout: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.3
    feature_layers: FeatureLayerConfigs = ()
    members: PositiveInt = 1
    head: Literal["shared", "per_task"] = "shared"


def _architecture(value: Any) -> str:
    if isinstance(value, _Config):
        return str(value.architecture)  # type: ignore[attr-defined]  # those of ModelConfig
    return str(value.get("architecture", "transformer")) if isinstance(value, dict) else ""


ModelConfig = Annotated[
    Annotated[TransformerConfig, Tag("transformer")]
    | Annotated[LatentCrossConfig, Tag("latent_cross")]
    | Annotated[MLPConfig, Tag("mlp")]
    | Annotated[SetTransformerConfig, Tag("set_transformer")],
    Discriminator(_architecture),
]
"""One of the architectures, the transformer where none is named."""

_ARCHITECTURES: Mapping[str, type[_Config]] = {
    "transformer": TransformerConfig,
    "latent_cross": LatentCrossConfig,
    "mlp": MLPConfig,
    "set_transformer": SetTransformerConfig,
}


class LossConfig(_Config):
    """The ranking loss of every task: a code name of `mtl2r-bench list losses` and its options."""

    name: str = "lambda"
    options: dict[str, Any] = {}


class GBDTConfig(_Config):
    """LightGBM's boosted trees, see `mtl2r_bench.gbdt`.

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


class DistillationConfig(_Config):
    """Soft targets of boosted trees beside the labels, see `mtl2r_bench.distillation`.

    Attributes:
        weight: Of the loss against the trees' scores; 1 less it is that of the labels' loss.
        temperature: Divides the trees' scores, which are in units of their standard deviation.
        trees: LightGBM's options.
    """

    weight: Annotated[float, Field(gt=0.0, le=1.0)] = 0.5
    temperature: PositiveFloat = 1.0
    trees: GBDTConfig = GBDTConfig()


class TrainConfig(_Config):
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
            `mtl2r_bench.optimization.learning_rate`.
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


class EvaluationConfig(_Config):
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
    def _select_cutoff_is_measured(self) -> EvaluationConfig:
        if self.select_cutoff not in self.cutoffs:
            raise ValueError(
                f"`select_cutoff` must be one of `cutoffs` {list(self.cutoffs)}, "
                f"got {self.select_cutoff}"
            )
        return self


class MethodConfig(_Config):
    """A multi-task method: a code name of `mtl2r-bench list methods` and its options.

    Attributes:
        name: The code name.
        preference: On the simplex, for the methods that take one, and for those with bounds that
            are derived from it.
        task: For ``stl`` only: the task that is trained.
        rule: How ``options.bounds`` came about, where a study set them, see `mtl2r_bench.bounds`.
        position: Where the run stands along its method's sweep, from 0 to 1, where no preference
            says so: 1 is all for the main task.
        options: Further arguments of the method's constructor.
    """

    name: str
    preference: tuple[float, ...] | None = None
    task: str | None = None
    rule: Literal["payoff", "bits_per_pair"] | None = None
    position: Annotated[float, Field(ge=0.0, le=1.0)] | None = None
    options: dict[str, Any] = {}

    @property
    def label(self) -> str:
        """What a legend shows: the code name, with the task of a baseline and with options.

        Bounds are left out: as preferences, they tell the runs of one method's sweep apart.
        """
        shown = {key: value for key, value in self.options.items() if key != "bounds"}
        options = ", ".join(f"{key}={value}" for key, value in shown.items())
        task = f" {self.task}" if self.task else ""
        return f"{self.name}{task}" + (f" ({options})" if options else "")


class _Shared(_Config):
    data: DataConfig = DataConfig()
    model: ModelConfig = TransformerConfig()
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


class BoundsConfig(_Config):
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
    def _as_many_of_each(self) -> BoundsConfig:
        lengths = {len(bounds) for bounds in self.values.values()}
        if len(lengths) != 1 or 0 in lengths:
            raise ValueError(
                f"`values` must be lists of one length, got {[*map(len, self.values.values())]}"
            )
        return self


class StudyConfig(_Shared):
    """Many trainings on the same data: every task set, method, preference, fold and seed.

    ``data.tasks`` names all labels of the study. Every run is measured on all of them and has none
    among its inputs, so that runs of different task sets can be compared and share their baselines.

    Attributes:
        methods: Code names, or tables with a name and options.
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

    methods: Annotated[tuple[str | MethodConfig, ...], Field(min_length=1)] = ("ls", "wc", "mgda")
    task_sets: Literal["pairs"] | tuple[tuple[str, ...], ...] | None = None
    preferences: PositiveInt | tuple[tuple[float, ...], ...] = 5
    bounds: tuple[BoundsConfig, ...] = ()
    adaptive: NonNegativeInt = 0
    folds: Annotated[tuple[PositiveInt, ...], Field(min_length=1)] | None = None
    seeds: Annotated[tuple[NonNegativeInt, ...], Field(min_length=1)] = (42,)
    repeats: PositiveInt = 1
    baselines: bool = True
    retries: NonNegativeInt = 2


C = TypeVar("C", bound=_Config)


STUDIES: Mapping[str, Path] = {
    path.stem: path for path in sorted((Path(__file__).parent / "configs").glob("*.toml"))
}
"""The studies that come with the package, by name."""


def load_study(study: str | Path) -> dict[str, Any]:
    """The raw tables of a study's TOML file, before `validate`.

    Args:
        study: A file, or the name of one that comes with the package.

    Raises:
        FileNotFoundError: When there is neither such a file nor such a name.
        ValueError: When it is not TOML; the message has the file and the line.
    """
    path = Path(study)
    if not path.is_file():
        path = STUDIES.get(str(study), path)
    if not path.is_file():
        raise FileNotFoundError(
            f"{path}: no such config file; studies of the package: {', '.join(STUDIES)}"
        )
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{path}: not TOML: {error}") from error


def validate(kind: type[C], tables: dict[str, Any], source: str = "config") -> C:
    """A config from raw tables.

    Raises:
        ValueError: One line per mistake: the key, what was expected, what was found; an unknown
            key with the nearest known one.
    """
    try:
        return kind.model_validate(tables)
    except ValidationError as error:
        lines = [_explain(kind, dict(item)) for item in error.errors()]
        raise ValueError(f"{source}: " + "\n".join(dict.fromkeys(lines))) from error


def to_toml(config: _Config) -> str:
    """A config as TOML, defaults included, so that a record does not depend on later defaults."""
    return tomli_w.dumps(config.model_dump(mode="json", exclude_none=True))


def did_you_mean(name: str, known: list[str]) -> str:
    """The end of an error message about an unknown name: the nearest, and all there are."""
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    suggestion = f"did you mean {near[0]!r}? " if near else ""
    return f"{suggestion}Known: {', '.join(known)}"


def _explain(kind: type[BaseModel], item: dict[str, Any]) -> str:
    # pydantic puts the names of a union's members between the keys.
    location = tuple(part for part in item["loc"] if not _names_a_type(part))
    key = ".".join(str(part) for part in location)
    if item["type"] == "extra_forbidden":
        known = _fields_at(kind, item["loc"][:-1])
        return f"unknown key `{key}`; {did_you_mean(str(location[-1]), known)}"
    if item["type"] == "union_tag_invalid":
        named = item["ctx"]["tag"]
        return f"`{key}.architecture`: {named!r}; {did_you_mean(named, list(_ARCHITECTURES))}"
    if item["type"] == "missing":
        return f"`{key}` is missing"
    if item["type"] == "value_error":
        return f"{item['msg'].removeprefix('Value error, ')} (in `{key}`)"
    return f"`{key}`: {item['msg']}, got {item.get('input')!r}"


def _names_a_type(part: Any) -> bool:
    return isinstance(part, str) and (
        "[" in part or part in ("int", "str", "float", MethodConfig.__name__, *_ARCHITECTURES)
    )


def _fields_at(kind: type[BaseModel], location: tuple[Any, ...]) -> list[str]:
    """Names of the fields of the config that `location` leads to."""
    for part in location:
        if part in _ARCHITECTURES:
            kind = _ARCHITECTURES[part]
            continue
        field = kind.model_fields.get(str(part))
        candidate = field.annotation if field is not None else None
        if isinstance(candidate, type) and issubclass(candidate, BaseModel):
            kind = candidate
        elif field is not None or not isinstance(part, int | str):
            kind = MethodConfig
    return sorted(kind.model_fields)
