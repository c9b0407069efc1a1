"""The validated configs of runs and studies, from TOML and back."""

from ._files import STUDIES, differences, load_study, to_toml, validate
from ._method import MethodConfig, StudyMethodConfig
from ._model import Config, ModelConfig
from ._study import (
    BoundsConfig,
    DataConfig,
    DistillationConfig,
    EvaluationConfig,
    GBDTConfig,
    LossConfig,
    RunConfig,
    SplitConfig,
    StudyConfig,
    SyntheticConfig,
    TrainConfig,
)

__all__ = [
    "STUDIES",
    "BoundsConfig",
    "Config",
    "DataConfig",
    "DistillationConfig",
    "EvaluationConfig",
    "GBDTConfig",
    "LossConfig",
    "MethodConfig",
    "ModelConfig",
    "RunConfig",
    "SplitConfig",
    "StudyConfig",
    "StudyMethodConfig",
    "SyntheticConfig",
    "TrainConfig",
    "differences",
    "load_study",
    "to_toml",
    "validate",
]
