"""The backends that compute the runs of a sweep: local processes, or a Ray cluster."""

import getpass
import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

import joblib
import torch
from joblib.externals.loky.process_executor import TerminatedWorkerError

from ltr_data.files import FileLock

T = TypeVar("T")


class WorkerLostError(RuntimeError):
    """A worker process was killed."""


@dataclass(frozen=True)
class Backend:
    """Where runs are computed, and how many at a time.

    Attributes:
        name: ``"local"`` uses processes of this machine, ``"ray"`` those of a Ray cluster, whose
            machines must have the study's folder and the data under the same paths.
        jobs: Runs at a time; None takes one per core, or `runs_per_gpu` per GPU.
        address: Address of a Ray cluster to join; None starts one on this machine.
        runs_per_gpu: Runs that share a GPU.
        gpu: Whether the runs compute on GPUs.
    """

    name: Literal["local", "ray"] = "local"
    jobs: int | None = None
    address: str | None = None
    runs_per_gpu: int = 1
    gpu: bool = False

    def __post_init__(self) -> None:
        if self.address is not None and self.name != "ray":
            raise ValueError(f"`address` is for the Ray backend, got it with {self.name!r}")
        if self.runs_per_gpu < 1:
            raise ValueError(f"`runs_per_gpu` must be at least 1, got {self.runs_per_gpu}")

    def processes(self, runs: int) -> int:
        """Return how many of these runs are computed at a time."""
        if self.name == "ray" and self.jobs is None:
            return min(runs, max(1, _cluster_places(self)))
        if self.jobs is not None:
            return min(runs, self.jobs)
        gpus = torch.cuda.device_count() if self.gpu else 0
        return min(runs, gpus * self.runs_per_gpu or os.cpu_count() or 1)


@contextmanager
def joined(backend: Backend) -> Iterator[None]:
    """Connect to the backend's cluster, if it has one, for the duration of the context."""
    if backend.name == "local":
        yield
        return
    try:
        import ray
        from ray.util.joblib import register_ray
    except ImportError as error:
        raise ImportError("the Ray backend needs ray: pip install 'mtl2r-bench[ray]'") from error
    register_ray()
    ray.init(address=backend.address, include_dashboard=False, log_to_driver=False)
    try:
        yield
    finally:
        ray.shutdown()


def execute(
    function: Callable[..., T], calls: Sequence[tuple[Any, ...]], backend: Backend
) -> Iterator[T]:
    """Call a function with each tuple of arguments, in any order, in processes of the backend.

    Raise `WorkerLostError` if a process was killed. Results so far were yielded, except on Ray.
    """
    jobs = backend.processes(len(calls))
    place = _Place(os.getpid(), backend)
    delayed = [joblib.delayed(_call)(place, function, arguments) for arguments in calls]
    if backend.name == "ray":
        yield from _on_ray(delayed, jobs, backend)
        return
    parallel = joblib.Parallel(n_jobs=jobs, batch_size=1, return_as="generator_unordered")
    try:
        yield from parallel(delayed)
    except TerminatedWorkerError as error:
        raise WorkerLostError("a process was killed, perhaps for lack of memory") from error


def _on_ray(delayed: Sequence[Any], jobs: int, backend: Backend) -> list[Any]:
    from ray.exceptions import RayError

    # Ray repeats a call whose process is lost; when Ray gives up, so does the sweep.
    remote: dict[str, Any] = {"max_restarts": -1, "max_task_retries": -1}
    if backend.gpu:
        remote["num_gpus"] = 1 / backend.runs_per_gpu
    try:
        with joblib.parallel_config(backend="ray", ray_remote_args=remote):
            # One call per message, so that no process waits for the work of another.
            found: list[Any] = joblib.Parallel(n_jobs=jobs, batch_size=1)(delayed)
    except RayError as error:
        raise WorkerLostError(f"a process of the cluster was lost ({error})") from error
    return found


def _cluster_places(backend: Backend) -> int:
    import ray

    there: Mapping[str, float] = ray.cluster_resources()
    if backend.gpu:
        return int(there.get("GPU", 0) * backend.runs_per_gpu)
    return int(there.get("CPU", 1))


@dataclass(frozen=True)
class _Place:
    """The sweep's process and backend, for a worker process."""

    parent: int
    backend: Backend


def _call(place: _Place, function: Callable[..., T], arguments: tuple[Any, ...]) -> T:
    # One thread, so that a result does not depend on the number of concurrent runs.
    torch.set_num_threads(1)
    if place.backend.name == "ray":
        return function(*arguments)  # Ray assigns the GPU and ends its processes
    if os.getpid() != place.parent:
        _end_with(place.parent)
    gpus = torch.cuda.device_count() if place.backend.gpu else 0
    with gpu_share(gpus, place.backend.runs_per_gpu) as gpu:
        if gpu is not None:
            torch.cuda.set_device(gpu)
        return function(*arguments)


_watched: set[int] = set()


def _end_with(parent: int) -> None:
    """End this process when its parent is gone.

    Otherwise the runs of a killed sweep would go on in folders that the next sweep uses.
    """
    if parent in _watched:
        return
    _watched.add(parent)

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.2)
        os._exit(1)

    if os.getppid() == parent:  # false if another process stands between them
        threading.Thread(target=watch, daemon=True).start()


@contextmanager
def gpu_share(gpus: int, runs: int, folder: Path | None = None) -> Iterator[int | None]:
    """Hold one of `runs` slots on the least-loaded GPU of this machine, by lock files in a folder.

    The result is None if there is no GPU, and the first GPU if all slots are taken.
    """
    if gpus == 0:
        yield None
        return
    folder = folder or Path(tempfile.gettempdir(), f"mtl2r-gpus-{getpass.getuser()}")
    folder.mkdir(exist_ok=True)
    for place in range(runs):
        for gpu in range(gpus):
            lock = FileLock(folder / f"gpu{gpu}-{place}")
            if lock.acquire():
                try:
                    yield gpu
                finally:
                    lock.release()
                return
    yield 0
