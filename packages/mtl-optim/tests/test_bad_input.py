"""What is no number, no vector, no Gramian is refused by name, before anything is done with it."""

import re

import numpy as np
import pytest
import torch

import mtl_optim
from mtl_optim import (
    FAMO,
    MGDA,
    CAGrad,
    Constant,
    EpsilonConstraint,
    GradDrop,
    GradVac,
    LogLosses,
    MoCo,
    MoDo,
    PCGrad,
    SDMGrad,
    SmoothChebyshev,
    Sum,
    WeightedChebyshev,
    backward,
    pareto,
    plotting,
)
from mtl_optim.pareto import problems

NAN = float("nan")


def refuses(error, name, call):
    """The call raises, and names the argument, what was expected and what was found."""
    with pytest.raises(error, match=rf"`{re.escape(name)}.* got ") as raised:
        call()
    assert type(raised.value) is error


# --- numbers and vectors of a constructor


NO_NUMBERS = ["0.5", None, [0.5], True, 1j, torch.ones(2)]


@pytest.mark.parametrize("value", NO_NUMBERS, ids=repr)
def test_a_number_is_a_number(value):
    r = [0.5, 0.5]
    for name, make in (
        ("mu", lambda: SmoothChebyshev(r, mu=value)),
        ("c", lambda: CAGrad(value)),
        ("decay", lambda: GradVac(value)),
        ("beta", lambda: MoCo(beta=value)),
        ("rho", lambda: MoDo(rho=value)),
        ("lr", lambda: FAMO(2, lr=value)),
        ("weight_decay", lambda: FAMO(2, weight_decay=value)),
        ("mu", lambda: EpsilonConstraint(bounds={1: 0.1}, mu=value)),
        ("bounds", lambda: EpsilonConstraint(bounds={1: value})),
        ("bounds", lambda: pareto.constraint_slack(r, {1: value})),
        ("margin", lambda: pareto.evenly_spaced(3, margin=value)),
        ("num_tasks", lambda: FAMO(value)),
        ("steps", lambda: SDMGrad(steps=value)),
        ("num", lambda: pareto.riesz(value, 3)),
        ("condition", lambda: problems.quadratics(2, 2, condition=value)),
        ("residual", lambda: pareto.Settings(residual=value)),
    ):
        refuses(TypeError, name, make)


def test_a_number_is_within_its_range():
    r = [0.5, 0.5]
    for value in (NAN, float("inf"), 10**400, -1):
        for name, make in (
            ("mu", lambda v: SmoothChebyshev(r, mu=v)),
            ("lam", lambda v: SDMGrad(lam=v)),
            ("penalty", lambda v: mtl_optim.COSMOS(r, penalty=v)),
            ("weight_decay", lambda v: FAMO(2, weight_decay=v)),
        ):
            refuses(ValueError, name, lambda make=make, value=value: make(value))
    assert FAMO(2, lr=torch.tensor(0.5)).adam.lr == 0.5
    assert CAGrad(np.float32(0.5)).c == 0.5


NO_VECTORS = {
    "text": ["a", "b"],
    "numbers in text": np.array(["0.5", "0.5"]),
    "objects": np.array([0.5, None]),
    "truth values": [True, False],
    "complex": torch.tensor([0.5 + 0j, 0.5]),
    "unequal rows": [[1.0], [1.0, 2.0]],
    "dates": np.array(["2020-01-01", "2020-01-02"], dtype="datetime64[D]"),
    "a mapping": {0: 0.5},
    "a text": "ab",
}


@pytest.mark.parametrize("value", NO_VECTORS.values(), ids=NO_VECTORS)
def test_a_vector_holds_numbers(value):
    r = [0.5, 0.5]
    for name, make in (
        ("preference", lambda: WeightedChebyshev(value)),
        ("ideal", lambda: WeightedChebyshev(r, value)),
        ("weights", lambda: Constant(value)),
        ("leak", lambda: GradDrop(value)),
        ("lower_bounds", lambda: FAMO(2, lower_bounds=value)),
        ("ray", lambda: pareto.preference_of_ray(value)),
        ("scale", lambda: pareto.preference_of_ray(r, scale=value)),
        ("losses", lambda: pareto.ray_error(value, r)),
        ("points", lambda: pareto.non_dominated(value)),
        ("samples", lambda: pareto.probability_non_dominated(value)),
        ("ideal", lambda: pareto.r2([r], value)),
        ("preferences", lambda: pareto.r2([r], [0, 0], preferences=value)),
        ("extremes", lambda: pareto.spread([[0, 1], [1, 0]], extremes=value)),
        ("metrics", lambda: pareto.delta_m(value, r)),
        ("baselines", lambda: pareto.delta_m(r, value)),
        ("nadir", lambda: pareto.largest_gap([[0, 1], [1, 0]], ideal=[0, 0], nadir=value)),
        ("normals", lambda: pareto.arc_spaced([[0, 1], [1, 0]], 3, normals=value)),
        ("gramian", lambda: pareto.kkt_residual(value)),
    ):
        refuses(TypeError, name, make)


@pytest.mark.parametrize("value", NO_VECTORS.values(), ids=NO_VECTORS)
def test_a_vector_of_the_indicators_by_moocore_holds_numbers(value):
    pytest.importorskip("moocore")
    r = [0.5, 0.5]
    for name, make in (
        ("points", lambda: pareto.hypervolume(value, r)),
        ("reference", lambda: pareto.hypervolume([r], value)),
        ("target", lambda: pareto.igd_plus([r], value)),
    ):
        refuses(TypeError, name, make)


@pytest.mark.parametrize("value", [[], [[0.5, 0.5]], 0.5], ids=["empty", "matrix", "scalar"])
def test_a_vector_has_one_axis(value):
    r = [0.5, 0.5]
    for name, make in (
        ("preference", lambda: WeightedChebyshev(value)),
        ("ideal", lambda: WeightedChebyshev(r, value)),
        ("ray", lambda: pareto.preference_of_ray(value)),
        ("metrics", lambda: pareto.delta_m(value, r)),
    ):
        refuses(ValueError, name, make)
    pytest.importorskip("moocore")
    refuses(ValueError, "reference", lambda: pareto.hypervolume([r], value))


def test_numbers_come_in_many_forms():
    for r in (
        (0.25, 0.75),
        np.array([0.25, 0.75], dtype=np.float32),
        torch.tensor([0.25, 0.75], requires_grad=True),
        [torch.tensor(0.25, requires_grad=True), np.float64(0.75)],
    ):
        assert WeightedChebyshev(r).preference.tolist() == [0.25, 0.75]
    given = np.array([0.25, 0.75])
    WeightedChebyshev(given).preference[0] = 1.0
    assert given[0] == 0.25


# --- senses, flags, names, generators


@pytest.mark.parametrize("value", ["max", ["min", "max"], 1, None, [0.5, 1.0]], ids=repr)
def test_a_sense_is_true_or_false(value):
    points = [[0.5, 0.2], [0.2, 0.5]]
    refuses(TypeError, "maximize", lambda: pareto.non_dominated(points, maximize=value))
    refuses(
        TypeError,
        "higher_is_better",
        lambda: pareto.delta_m([1.0, 1.0], [1.0, 1.0], higher_is_better=value),
    )
    pytest.importorskip("moocore")
    refuses(TypeError, "maximize", lambda: pareto.hypervolume(points, [1, 1], maximize=value))


@pytest.mark.parametrize("value", ["no", None, 1])
def test_a_flag_is_true_or_false(value):
    refuses(TypeError, "one_batch", lambda: SDMGrad(one_batch=value))
    refuses(TypeError, "keep_scale", lambda: LogLosses(MGDA(), keep_scale=value))
    refuses(TypeError, "second_order", lambda: pareto.Settings(second_order=value))


def test_bounds_are_by_task():
    for bounds in ([0.5], None, {"a": 0.5}, {1.0: 0.5}, {True: 0.5}):
        refuses(TypeError, "bounds", lambda b=bounds: EpsilonConstraint(bounds=b))
        refuses(TypeError, "bounds", lambda b=bounds: pareto.constraint_slack([1.0, 1.0], b))
    for main in ("0", 0.5, None, True):
        refuses(TypeError, "main", lambda m=main: EpsilonConstraint(main=m, bounds={1: 0.5}))


def test_generators_are_torchs():
    for value in (3, np.random.default_rng(0)):
        refuses(TypeError, "generator", lambda v=value: PCGrad(generator=v))
        refuses(TypeError, "generator", lambda v=value: pareto.riesz(3, 3, generator=v))


def test_plots_take_records():
    step = mtl_optim.Step(torch.ones(2), torch.ones(2), torch.eye(2))
    other = mtl_optim.Step(torch.ones(3), torch.ones(3), torch.eye(3))
    for plot in (plotting.plot_weights, plotting.plot_conflicts):
        for steps in (None, step, [1, 2], "ab"):
            refuses(TypeError, "steps", lambda p=plot, s=steps: p(s))
        refuses(ValueError, "steps", lambda p=plot: p([step, other]))
        refuses(TypeError, "names", lambda p=plot: p([step], "ab"))
        refuses(TypeError, "ax", lambda p=plot: p([step], ax="here"))


def test_problems_take_points():
    for problem in (problems.spheres, problems.simplex, problems.fonseca_fleming, problems.zdt2):
        refuses(TypeError, "x", lambda p=problem: p([0.5, 0.5]))
        for x in (torch.ones(()), torch.ones(0), torch.ones(2, 2)):
            refuses(ValueError, "x", lambda p=problem, x=x: p(x))
    refuses(ValueError, "x", lambda: problems.linear(torch.ones(2), 3))
    refuses(ValueError, "num_tasks", lambda: problems.dtlz2(torch.ones(2), 0))


# --- the driver


OPTIONS = [
    ("scaler", "yes"),
    ("scaler", False),
    ("reduce", 3),
    ("memory_budget", "1 GB"),
    ("memory_budget", True),
    ("retain_graph", "yes"),
]


@pytest.mark.parametrize(("name", "value"), OPTIONS)
@pytest.mark.parametrize("method", [MGDA(), Sum()], ids=["MGDA", "Sum"])
def test_options_of_the_driver(method, name, value):
    x = torch.ones(2, requires_grad=True)
    refuses(TypeError, name, lambda: backward(x * 2, method, shared=[x], **{name: value}))
    assert x.grad is None


@pytest.mark.parametrize("losses", [5, torch.nn.Linear(1, 1), {"a": 1}, None], ids=repr)
def test_losses_are_tensors(losses):
    x = torch.ones(2, requires_grad=True)
    refuses(TypeError, "losses", lambda: backward(losses, MGDA(), shared=[x]))
    refuses(
        TypeError,
        "second_batch",
        lambda: backward(x * 2, SDMGrad(), shared=[x], second_batch=losses or 5),
    )


def test_tracked_gradients_keep_their_shapes():
    x, y = torch.ones(2, requires_grad=True), torch.ones(3, requires_grad=True)
    method = MoCo()
    backward(x * 2, method, shared=[x])
    before = [[average.clone() for average in row] for row in method.averages]
    refuses(ValueError, "shared", lambda: backward([y.sum(), y[0]], method, shared=[y]))
    assert y.grad is None
    for kept, average in zip(before, method.averages, strict=True):
        assert torch.equal(kept[0], average[0])


# --- navigation


class Number(torch.nn.Module):
    """One number t."""

    def __init__(self):
        super().__init__()
        self.t = torch.nn.Parameter(torch.tensor(0.5, dtype=torch.float64))


def squares(model, data):
    return torch.stack([model.t**2, (1 - model.t) ** 2])


def navigator(**options):
    return pareto.ParetoNavigator(Number(), squares, **options)


def test_a_navigator_takes_its_own_records():
    metric = pareto.Metrics(lambda model, data: torch.ones(1), ["m"])
    for name, make in (
        ("tasks", lambda: navigator(tasks="ab")),
        ("tasks", lambda: navigator(tasks=[1, 2])),
        ("metrics", lambda: navigator(metrics=metric.measure)),
        ("measure", lambda: pareto.Metrics("ndcg", ["m"])),
        ("names", lambda: navigator(metrics=pareto.Metrics(metric.measure, "m"))),
        (
            "higher_is_better",
            lambda: navigator(metrics=pareto.Metrics(metric.measure, ["m"], higher_is_better="no")),
        ),
        ("settings", lambda: navigator(settings={"iterations": 3})),
        ("progress", lambda: navigator(progress="print")),
        ("ideal", lambda: navigator(ideal=["a", "b"])),
        ("preview", lambda: navigator().step(None)),
    ):
        refuses(TypeError, name, make)


def test_a_wish_is_a_mapping_of_names():
    nav = navigator(tasks=["a", "b"])
    nav.start()
    for name, wish in (
        ("improve", {"improve": ["a"]}),
        ("improve", {"improve": 3}),
        ("give_up", {"improve": "a", "give_up": ["b"]}),
        ("give_up", {"improve": "a", "give_up": "b"}),
        ("protect", {"improve": "a", "protect": 3}),
        ("change", {"change": [0.1]}),
        ("direction", {"direction": ["a", "b"]}),
        ("toward", {"toward": [True, True]}),
    ):
        refuses(TypeError, name, lambda wish=wish: nav.preview(**wish))
    refuses(TypeError, "name", lambda: nav.branch(3))


def test_losses_of_a_navigator_have_a_graph():
    nav = pareto.ParetoNavigator(Number(), lambda model, data: torch.ones(2, dtype=torch.float64))
    refuses(ValueError, "losses", nav.start)
