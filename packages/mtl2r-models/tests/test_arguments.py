"""Models written once: the table, the arguments read from constructors, and the generated page."""

import re
from pathlib import Path
from typing import Literal

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mtl2r_models import ARCHITECTURES, ListTransformer, MLPScorer, Network, arguments
from mtl2r_models.catalogue import BEGIN, catalogue, written
from mtl2r_models.layers import Linear
from mtl2r_models.testing import SMALL

every_architecture = pytest.mark.parametrize("name", ARCHITECTURES)
COMMON = ["feature_layers", "members", "experts"]


def build(name, num_features=5, num_tasks=2, **options):
    with torch.device("meta"):
        return ARCHITECTURES[name](num_features, num_tasks=num_tasks, **options)


@every_architecture
def test_arguments_are_those_that_config_has_and_the_docstring_explains(name):
    found = arguments(ARCHITECTURES[name])
    config = build(name).config()
    assert [*config] == ["num_features", *found, "words", "num_tasks"]
    assert [*found][-3:] == COMMON
    for argument, given_ in found.items():
        default = given_.default
        assert config[argument] == (list(default) if isinstance(default, tuple) else default)
        assert given_.help.endswith(".")
        assert not isinstance(given_.annotation, str)


def test_arguments_have_their_types():
    found = {name: argument.annotation for name, argument in arguments(ListTransformer).items()}
    assert found["hidden"] is int
    assert found["dropout"] is float
    assert found["norm"] == Literal["pre", "post"]
    assert arguments(MLPScorer)["hidden"].annotation == tuple[int, ...]


class Bilinear(Network):
    """A new architecture is its constructor and its layers.

    Args:
        hidden: Width.
        options: Those of `Network`.
    """

    def __init__(self, num_features: int, *, hidden: int = 4, **options) -> None:
        super().__init__(num_features, **options)
        self.width = hidden
        self.left, self.right = (Linear(self.inputs.width, hidden) for _ in range(2))

    def _hidden(self, inputs, mask):
        return self.left(inputs) * self.right(inputs)


class Wide(Bilinear):
    """One whose constructor calls that of another."""

    def __init__(self, num_features: int, *, factor: int = 2, **options) -> None:
        super().__init__(num_features, **options)
        self.extra = torch.nn.Parameter(torch.zeros(factor))


def test_an_architecture_of_ones_own_needs_nothing_else():
    assert [*arguments(Bilinear)] == ["hidden", *COMMON]
    model = Bilinear(3, hidden=6, members=2, num_tasks=2)
    assert model.config()["hidden"] == 6
    twin = Bilinear(**model.config())
    twin.load_state_dict(model.state_dict())
    assert torch.equal(twin.eval()(torch.ones(1, 2, 3)), model.eval()(torch.ones(1, 2, 3)))
    with pytest.raises(ValueError, match="`hidden` must be at least 1, got 0"):
        Bilinear(3, hidden=0)


def test_a_constructor_that_calls_another_is_kept_whole():
    assert [*arguments(Wide)] == ["factor", "hidden", *COMMON]
    model = Wide(3, factor=3, hidden=5)
    assert (model.config()["factor"], model.config()["hidden"]) == (3, 5)
    assert [name for name, _ in model.named_children()][-1] == "head"


LAYERS = st.sampled_from(
    [
        {"kind": "noise", "sigma": 0.1},
        {"kind": "log_scale"},
        {"kind": "cross", "rank": 2},
        {"kind": "periodic", "frequencies": 3},
        {"kind": "piecewise_linear", "bins": 4, "embedding": 2},
    ]
)
GOOD = {
    "feature_layers": st.lists(LAYERS, max_size=3),
    "members": st.integers(1, 3),
    "experts": st.sampled_from([None, {}, {"shared": 1, "own": 1}, {"width": 8}]),
    "heads": st.sampled_from([1, 2, 4]),
    "dropout": st.floats(0, 1, exclude_max=True),
    "hidden": st.integers(1, 400).map(lambda width: 4 * width),
}


def good(name, argument, given_):
    """Values that an argument allows."""
    if given_.annotation == tuple[int, ...]:
        return st.lists(st.integers(1, 400), min_size=1, max_size=3)
    if argument in GOOD:
        return GOOD[argument]
    if given_.annotation is int:
        return st.integers(1, 6 if argument in ("layers", "blocks") else 500)
    return st.sampled_from(given_.annotation.__args__)


@every_architecture
@settings(max_examples=15)
@given(data=st.data())
def test_every_good_config_builds_on_the_meta_device(name, data):
    options = {
        argument: data.draw(good(name, argument, given_), label=argument)
        for argument, given_ in arguments(ARCHITECTURES[name]).items()
    }
    model = build(name, **options)
    assert {parameter.device.type for parameter in model.parameters()} == {"meta"}
    assert {buffer.device.type for buffer in model.buffers()} <= {"meta"}


NONSENSE = [0, -1, 1.5, float("nan"), "x", None, True, (), ("x",), {}, [{"kind": "x"}], object()]
ALLOWED = {"feature_layers": [()], "experts": [None, {}], "dropout": [0]}


@every_architecture
@settings(max_examples=60)
@given(data=st.data())
def test_every_bad_value_is_an_error_that_names_it(name, data):
    argument = data.draw(st.sampled_from([*arguments(ARCHITECTURES[name])]))
    value = data.draw(st.sampled_from(NONSENSE))
    if any(value is allowed or value == allowed for allowed in ALLOWED.get(argument, [])):
        return
    with pytest.raises((TypeError, ValueError), match=r"feature layer|^`") as error:
        build(name, **{**SMALL[name], argument: value})
    assert argument in str(error.value) or argument == "feature_layers"


BAD = [
    ({"feature_layers": [{"kind": "nois"}]}, "`kind` of a feature layer .*did you mean 'noise'"),
    ({"feature_layers": [{"kind": "noise", "sigma": -1}]}, "`sigma` must be finite and at least 0"),
    ({"experts": {"shared": 2}, "num_tasks": None}, "`experts` are for one score per task"),
    ({"experts": {"shared": 0}}, "`shared` or `own` must be at least 1"),
    ({"dropout": 1.5}, r"`dropout` must be in \[0, 1\), got 1.5"),
    ({"members": 0}, "`members` must be at least 1, got 0"),
    ({"num_tasks": 0}, "`num_tasks` must be at least 1, got 0"),
    ({"num_features": 0}, "`num_features` must be at least 1, got 0"),
]


@every_architecture
@pytest.mark.parametrize(("options", "message"), BAD)
def test_bad_options_of_all_architectures_are_named_on_the_meta_device(name, options, message):
    with pytest.raises(ValueError, match=message):
        build(name, **{**SMALL[name], **options})


@pytest.mark.parametrize(
    "name", [n for n, kind in ARCHITECTURES.items() if "heads" in arguments(kind)]
)
def test_heads_that_do_not_divide_are_named_on_the_meta_device(name):
    with pytest.raises(ValueError, match="`heads` must divide `hidden`=16, got 3"):
        build(name, hidden=16, heads=3)


def test_the_page_of_rankers_is_made_from_the_table():
    page = Path(__file__).parents[3] / "docs" / "choosing-a-ranker.md"
    if not page.is_file():
        pytest.skip("the pages are not here")
    text = page.read_text(encoding="utf-8")
    assert written(text) == text, f"python -m mtl2r_models.catalogue {page}"
    for name, kind in ARCHITECTURES.items():
        assert re.search(rf"^\| `{kind.__name__}` \| `{name}` \| ", catalogue(), re.MULTILINE)


def test_a_page_without_the_marks_is_refused():
    with pytest.raises(ValueError, match="must have a block between"):
        written(BEGIN)
