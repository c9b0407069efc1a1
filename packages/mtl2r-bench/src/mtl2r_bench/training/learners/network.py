"""A network that a multi-task method trains: the learner of most methods."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from ltr_data import RankingBatch
from mtl2r_models import Ranker

from ...config import MethodConfig, RunConfig
from ...data.splits import Splits
from ...distributed import ProcessGroup, pick_device
from ...evaluation.certificate import certificate
from ...evaluation.evaluate import Evaluation, evaluate, label_scores, scorer
from ...evaluation.selection import selection_value, selection_weights, trained_tasks
from ...progress import OnProgress, nobody
from ...runs.run_folder import RunFolder
from ..build import build_loss, build_method
from ..distillation import training_data
from ..epoch import Engine
from ..epochs import Judgement, chosen, train_epochs
from ..estimate import Estimate, TreeClock, time_network, with_few_trees
from ..memory import keep_freed_memory
from ..optimisation import casting
from ..start import initial_state
from ..summary import Facts, describe


class NetworkLearner:
    """Train one network for one run; implements `mtl2r_bench.training.learners.base.Learner`."""

    def __init__(self, config: RunConfig, splits: Splits) -> None:
        self.config, self.splits = config, splits
        self.trained = trained_tasks(config, splits.tasks)
        self.weights = selection_weights(config, splits.tasks, self.trained)
        self.device = pick_device(config.train.device)
        self.loss = build_loss(config.loss)
        self.check(config.method, tuple(splits.tasks[i] for i in self.trained))

    @staticmethod
    def check(method: MethodConfig, tasks: tuple[str, ...]) -> None:
        """Raise if the method cannot be built."""
        build_method(method, tasks)

    @staticmethod
    def training_of(config: RunConfig, run: RunFolder) -> tuple[RunFolder, int]:
        """Return the run's own folder and epochs."""
        return run, config.train.epochs

    def fit(self, run: RunFolder, group: ProcessGroup, on_progress: OnProgress) -> "FittedNetwork":
        """Train all epochs and return the ranker of the epoch that validation chose."""
        engine = self.engine(group, on_progress)
        train_epochs(engine, run, self._judge(engine), on_progress)
        return self.fitted(run, Ranker.load(run.ranker))

    def engine(self, group: ProcessGroup, on_progress: OnProgress = nobody) -> Engine:
        """Return an engine at the first epoch; trains the teachers if there are any."""
        if group.device.type == "cpu":
            keep_freed_memory()
        shown = on_progress if group.first else nobody
        learned = training_data(self.config, self.splits, self.trained, shown)
        state = initial_state(self.config, self.splits, self.trained, group, learned)
        return Engine(self.config, learned, state, self.loss, self.trained)

    def fitted(self, training: RunFolder, ranker: Ranker) -> "FittedNetwork":
        """Return a ranker together with the facts of its training, read from the log."""
        log = training.epochs()
        best = chosen(log, self.config)
        facts = Facts(
            tasks=ranker.tasks,
            epoch=best["epoch"],
            epochs=len(log),
            parameters=sum(p.numel() for p in ranker.parameters()),
            loss=best["loss"],
            seconds=sum(line["seconds"] for line in log),
        )
        return FittedNetwork(self, ranker.to(self.device), facts)

    def estimate(self) -> Estimate:
        """Time a few steps and the evaluation of a sample of the validation lists."""
        clock = TreeClock()
        learner = type(self)(with_few_trees(self.config), self.splits)
        engine = learner.engine(ProcessGroup(device=self.device), clock)
        score = self._scores(engine)
        distillation = self.config.train.distillation
        teaching = 0.0 if distillation is None else clock.seconds(distillation.trees.rounds)
        return time_network(engine, score, self.splits, teaching)

    def _scores(self, engine: Engine) -> Callable[[RankingBatch], Tensor]:
        """Return the scoring function of the network in training, in the training's precision."""
        device = engine.state.group.device
        inner = scorer(engine.state.evaluated, device)

        def score(batch: RankingBatch) -> Tensor:
            with casting(self.config.train, device):
                return inner(batch).float()

        return label_scores(score, self.trained, len(self.splits.tasks))

    def _judge(self, engine: Engine) -> Judgement:
        """Return a judgement by the validation metrics, which it writes into the ranker's card."""
        config, splits, state = self.config, self.splits, engine.state
        score = self._scores(engine)

        def judge(ranker: Ranker) -> tuple[float, dict[str, dict[str, float]]]:
            measured = evaluate(score, splits.validation, config.evaluation, state.group)
            validation = measured.named(measured.means())
            describe(ranker, config, splits, state.epoch + 1, {"validation": validation})
            return selection_value(measured, self.weights, config), validation

        return judge


@dataclass(frozen=True)
class FittedNetwork:
    """A trained network; implements `mtl2r_bench.training.learners.base.Fitted`."""

    learner: NetworkLearner
    ranker: Ranker
    facts: Facts

    def score(self, batch: RankingBatch) -> Tensor:
        """Score a batch for every label."""
        learner = self.learner
        one = scorer(self.ranker, learner.device)
        return label_scores(one, learner.trained, len(learner.splits.tasks))(batch)

    def certify(self) -> dict[str, Any]:
        """Return the certificate of the ranker."""
        of = self.learner
        found = certificate(of.config, of.splits, self.ranker, of.loss, of.trained, of.device)
        return {"certificate": found}

    def save(self, run: RunFolder, measured: Mapping[str, Evaluation]) -> None:
        """Write the ranker and its card."""
        learner = self.learner
        metrics = {split: found.named(found.means()) for split, found in measured.items()}
        describe(self.ranker, learner.config, learner.splits, self.facts.epoch, metrics)
        self.ranker.save(run.ranker)
