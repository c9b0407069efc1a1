"""What is no number, no vector, no Gramian is refused by name, before anything is done with it."""

import inspect
import re

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import mtl_optim
from mtl_optim import (
    FAMO,
    MGDA,
    CAGrad,
    Constant,
    CrossGramianWeighting,
    EpsilonConstraint,
    GradDrop,
    GradVac,
    GramianWeighting,
    LogLosses,
    MoCo,
    MoDo,
    PCGrad,
    SDMGrad,
    SmoothChebyshev,
    Sum,
    UpdateEvery,
    WeightedChebyshev,
    backward,
    pareto,
    plotting,
)
from mtl_optim._checks import check_gramian
from mtl_optim.pareto import problems
from mtl_optim.testing import random_jacobian

NAN = float("nan")


def refuses(error, name, call):
    """The call raises, and names the argument, what was expected and what was found."""
    with pytest.raises(error, match=rf"`{re.escape(name)}.* got ") as raised:
        call()
    assert type(raised.value) is error


# --- Gramians


def gramian_methods():
    names = (getattr(mtl_optim, name) for name in mtl_optim.__all__)
    kinds = [c for c in names if inspect.isclass(c) and issubclass(c, GramianWeighting)]
    plain = [c for c in kinds if not issubclass(c, CrossGramianWeighting | UpdateEvery)]
    for kind in plain:
        if inspect.isabstract(kind):
            continue
        needed = inspect.signature(kind).parameters
        if "num_tasks" in needed:
            yield pytest.param(lambda K, kind=kind: kind(K), id=kind.__name__)
        elif "preference" in needed:
            yield pytest.param(lambda K, kind=kind: kind([1 / K] * K), id=kind.__name__)
        else:
            yield pytest.param(lambda K, kind=kind: kind(), id=kind.__name__)
    yield pytest.param(lambda K: LogLosses(MGDA()), id="LogLosses")
    yield pytest.param(lambda K: UpdateEvery(MGDA(), steps=2), id="UpdateEvery")


NO_GRAMIANS = {
    "asymmetric": ([[1, 0.5], [0, 1]], "symmetric, got 0.5 for tasks 0 and 1 and 0.0"),
    "asymmetric of three": ([[2, 0, 0], [0, 2, 1], [0, 0.9, 2]], "tasks 1 and 2"),
    "indefinite": ([[1, 2], [2, 1]], "least eigenvalue of its cosines is -1"),
    "indefinite, negative": ([[1, -1.1], [-1.1, 1]], "least eigenvalue"),
    "indefinite of three": ([[1, 0.9, -0.9], [0.9, 1, 0.9], [-0.9, 0.9, 1]], "is -0.8"),
    "indefinite, other norms": ([[1e-12, 2e-6], [2e-6, 1]], "is -1"),
    "a row without a diagonal": ([[0, 5], [5, 1]], "least eigenvalue"),
    "negative diagonal": ([[1, 0], [0, -1]], "non-negative diagonal, got -1.0 for task 1"),
}


@pytest.mark.parametrize(("matrix", "message"), NO_GRAMIANS.values(), ids=NO_GRAMIANS)
@pytest.mark.parametrize("make", list(gramian_methods()))
def test_what_no_gradients_have_as_inner_products(make, matrix, message):
    G = torch.tensor(matrix, dtype=torch.float64)
    with pytest.raises(ValueError, match=rf"`gramian` must .*{message}"):
        make(len(G)).weights(losses=torch.ones(len(G), dtype=torch.float64), gramian=G)
    with pytest.raises(ValueError, match=rf"`gramian` must .*{message}"):
        pareto.kkt_residual(G)


def test_between_two_batches_a_gramian_need_not_be_symmetric():
    for method in (SDMGrad(), MoDo()):
        assert method.weights(gramian=torch.tensor([[1.0, 2.0], [-3.0, -1.0]])).shape == (2,)


@settings(max_examples=200, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    tasks=st.integers(1, 40),
    rank=st.integers(1, 5),
    decades=st.sampled_from([0.0, 3.0, 12.0]),
    dtype=st.sampled_from([torch.bfloat16, torch.float16, torch.float32, torch.float64]),
)
def test_rounding_alone_makes_no_gramian_a_wrong_one(seed, tasks, rank, decades, dtype):
    generator = torch.Generator().manual_seed(seed)
    decades = min(decades, 3.0) if dtype == torch.float16 else decades  # its range
    J = random_jacobian(tasks, rank, generator=generator, decades=decades, conflict=0.9)
    if seed % 3 == 0:
        J[0] = 0
    G = (J @ J.T).to(dtype)
    if dtype == torch.float16 and bool((G.diagonal().double() < 1e-4).any()):
        return  # few digits are left there
    check_gramian(G.double())
    J = J.to(dtype)
    check_gramian((J @ J.T).double())


def test_a_squared_norm_that_underflowed_is_that_of_no_gradient():
    G = torch.tensor([[0.0, -1e-30, 0.0], [-1e-30, 1e-20, 0.0], [0.0, 0.0, 1e-20]])
    for tasks in (2, 3):
        weights = PCGrad().weights(gramian=G[:tasks, :tasks])
        assert weights.tolist() == [1.0] * tasks


@pytest.mark.parametrize("dtype", [torch.int64, torch.bool, torch.complex64])
def test_weights_are_of_floating_point_numbers(dtype):
    ones, eye = torch.ones(2).to(dtype), torch.eye(2).to(dtype)
    famo = FAMO(2)
    famo.weights(losses=torch.ones(2))
    for name, call in (
        ("losses", lambda: Sum().weights(losses=ones)),
        ("losses", lambda: MGDA().weights(losses=ones, gramian=torch.eye(2))),
        ("losses", lambda: famo.look_again(ones)),
        ("gramian", lambda: MGDA().weights(gramian=eye)),
        ("gramian", lambda: LogLosses(MGDA()).weights(losses=torch.ones(2), gramian=eye)),
        ("jacobian", lambda: GradDrop()(eye)),
        ("x", lambda: problems.zdt1(ones)),
    ):
        refuses(TypeError, name, call)


def test_shapes_of_weights_calls():
    sparse = torch.eye(2).to_sparse()
    for error, name, call in (
        (TypeError, "gramian", lambda: MGDA().weights(gramian=sparse)),
        (TypeError, "losses", lambda: FAMO(2).weights(losses=[1.0, 2.0])),
        (
            ValueError,
            "gramian",
            lambda: LogLosses(MGDA()).weights(losses=torch.ones(2), gramian=torch.ones(2, 3)),
        ),
        (
            ValueError,
            "losses",
            lambda: LogLosses(MGDA()).weights(losses=torch.ones(3), gramian=torch.eye(2)),
        ),
        (ValueError, "jacobian", lambda: GradDrop()(torch.ones(2))),
        (ValueError, "jacobian", lambda: GradDrop()(torch.ones(0, 2))),
    ):
        refuses(error, name, call)


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
        ("points", lambda: pareto.hypervolume(value, r)),
        ("reference", lambda: pareto.hypervolume([r], value)),
        ("ideal", lambda: pareto.r2([r], value)),
        ("preferences", lambda: pareto.r2([r], [0, 0], preferences=value)),
        ("target", lambda: pareto.igd_plus([r], value)),
        ("extremes", lambda: pareto.spread([[0, 1], [1, 0]], extremes=value)),
        ("metrics", lambda: pareto.delta_m(value, r)),
        ("baselines", lambda: pareto.delta_m(r, value)),
        ("nadir", lambda: pareto.largest_gap([[0, 1], [1, 0]], ideal=[0, 0], nadir=value)),
        ("normals", lambda: pareto.arc_spaced([[0, 1], [1, 0]], 3, normals=value)),
        ("gramian", lambda: pareto.kkt_residual(value)),
    ):
        refuses(TypeError, name, make)


@pytest.mark.parametrize("value", [[], [[0.5, 0.5]], 0.5], ids=["empty", "matrix", "scalar"])
def test_a_vector_has_one_axis(value):
    r = [0.5, 0.5]
    for name, make in (
        ("preference", lambda: WeightedChebyshev(value)),
        ("ideal", lambda: WeightedChebyshev(r, value)),
        ("ray", lambda: pareto.preference_of_ray(value)),
        ("reference", lambda: pareto.hypervolume([r], value)),
        ("metrics", lambda: pareto.delta_m(value, r)),
    ):
        refuses(ValueError, name, make)


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
    refuses(TypeError, "maximize", lambda: pareto.hypervolume(points, [1, 1], maximize=value))
    refuses(
        TypeError,
        "higher_is_better",
        lambda: pareto.delta_m([1.0, 1.0], [1.0, 1.0], higher_is_better=value),
    )


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
