"""One training by several processes: torchrun --nproc-per-node=2 -m dcgan.train_gan ... (one process for each GPU).

Every process draws the random numbers of the whole batch, as one process would, and computes its own share of it.
BatchNorm takes the whole batch's statistics, and gradients are averaged before each update, so that all processes hold
the same weights and the losses are those of one process but for rounding. The first process alone prints and writes.

Gradients are averaged by hand after the backward pass, all of a network's in one message: torch's own wrapper
(DistributedDataParallel) allows no torch.autograd.grad, of which gradient penalties are made, and expects a backward
pass after each forward pass, where a critic has two or three. Started without torchrun, nothing here does anything.
"""

import contextlib
import os
import signal
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import Tensor, nn

from dcgan.config import TrainingError

# A process that dies is noticed at once, by its closed connections; this is for a machine that is gone. The first
# process keeps the others waiting while it measures and saves, which takes a minute or two at most.
TIMEOUT = timedelta(minutes=10)


class Stopped(TrainingError):
    """Another process of this run has stopped, or all were told to; every process that is left says so."""

    def __init__(self):
        super().__init__(
            "Another process of this run stopped. The same command goes on from the last checkpoint, which is whole, "
            "or begins anew where there is none yet."
        )


def world() -> int:
    """How many processes share the training; 1 without torchrun."""
    return dist.get_world_size() if dist.is_initialized() else 1


def rank() -> int:
    """Which of them this is, counted from 0."""
    return dist.get_rank() if dist.is_initialized() else 0


def is_first() -> bool:
    return rank() == 0


# --- start and end ------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def joined() -> Iterator[None]:
    """Meets the other processes that torchrun has started, if it has; all but the first are silent.

    Raises TrainingError where they cannot meet, and Stopped where another one stops.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield
        return
    if torch.cuda.is_available():
        torch.cuda.set_device(local_rank() % torch.cuda.device_count())
    try:
        dist.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo", timeout=TIMEOUT)
    except (RuntimeError, ValueError) as error:
        raise TrainingError(f"The processes of this run cannot meet: {str(error).splitlines()[0]}") from error
    first = is_first()
    told_to_stop = signal.signal(signal.SIGTERM, stop)  # from torchrun, when another process has ended
    try:
        with contextlib.ExitStack() as silence:
            if not first:
                nowhere = silence.enter_context(open(os.devnull, "w"))
                silence.enter_context(contextlib.redirect_stdout(nowhere))
                silence.enter_context(contextlib.redirect_stderr(nowhere))
            yield
        dist.destroy_process_group()
    except Exception as error:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # it ends by itself, and says why
        if is_of_connection(error):
            raise Stopped from error
        if first or isinstance(error, Stopped) or not isinstance(error, TrainingError):
            raise
        sys.exit(2)  # the first process says it
    except KeyboardInterrupt:
        if first:
            raise
        sys.exit(130)
    finally:
        if signal.getsignal(signal.SIGTERM) == stop:
            signal.signal(signal.SIGTERM, told_to_stop)


def stop(*_: object) -> None:
    raise Stopped


def local_rank() -> int:
    """Which of this machine's processes this is: each has a GPU of its own."""
    return int(os.environ.get("LOCAL_RANK", "0"))


def is_of_connection(error: Exception) -> bool:
    """Whether it is what gloo or NCCL raise when another process is gone. Gloo's has no type of its own."""
    return isinstance(error, dist.DistError) or (type(error) is RuntimeError and "gloo" in str(error))


def check_device(device: torch.device) -> None:
    """Raises TrainingError for a device that the processes of this machine cannot each have."""
    if world() > 1 and device.type not in ("cpu", "cuda"):
        raise TrainingError(f"Several processes need --device cuda or cpu; {device.type} can have one only.")
    if world() > 1 and device.type == "cuda" and local_rank() >= torch.cuda.device_count():
        raise TrainingError(
            f"Each process needs a GPU of its own, and this machine has {torch.cuda.device_count()}: "
            f"--nproc-per-node={torch.cuda.device_count()}, or --device cpu."
        )


def check_alike(value: object, sentence: str) -> None:
    """Raises TrainingError(sentence) where the processes do not all have the same value."""
    if world() > 1:
        values: list[object] = [None] * world()
        dist.all_gather_object(values, value)
        if any(other != value for other in values):
            raise TrainingError(sentence)


def of_the_first(value: object) -> object:
    """What the first process has, in all of them."""
    values = [value]
    if world() > 1:
        dist.broadcast_object_list(values)
    return values[0]


# --- shares -------------------------------------------------------------------------------------------------------


def share(n: int) -> slice:
    """Which of a batch of n are this process's. Raises TrainingError where they cannot be shared equally."""
    each, rest = divmod(n, world())
    if rest:
        raise TrainingError(f"--batch {n} cannot be shared equally by {world()} processes.")
    return slice(rank() * each, (rank() + 1) * each)


def drawn(draw: Callable[[int], Tensor], n: int, sets: int = 1) -> Tensor:
    """Random numbers for this process's n pictures: its rows of `draw(N)`, as one process draws it for all N.

    sets: how many batches the pictures are, one after another; each process has its share of each.
    """
    numbers = draw(n * world())
    return numbers.unflatten(0, (sets, world(), -1))[:, rank()].flatten(0, 1)


def mean(values: Tensor) -> Tensor:
    """The mean over the processes: of a loss over shares, the loss over the batch. Not differentiable."""
    if world() == 1:
        return values
    total = values.detach().clone()
    dist.all_reduce(total)
    return total / world()


def average_gradients(network: nn.Module) -> None:
    """Replaces each gradient by its mean over the processes: that of the whole batch's mean loss."""
    if world() == 1:
        return
    gradients = [p.grad for p in network.parameters() if p.grad is not None]
    averaged = mean(torch.cat([gradient.flatten() for gradient in gradients]))
    for gradient, part in zip(gradients, averaged.split([g.numel() for g in gradients]), strict=True):
        gradient.copy_(part.view(gradient.shape))


# --- statistics of the whole batch --------------------------------------------------------------------------------


class Sum(torch.autograd.Function):
    """The sum over the processes; its gradient is the sum of their gradients, and so on for further derivatives."""

    @staticmethod
    def forward(ctx, values: Tensor) -> Tensor:
        total = values.contiguous().clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx, gradient: Tensor) -> Tensor:
        return Sum.apply(gradient)


class GlobalBatchNorm2d(nn.BatchNorm2d):
    """BatchNorm by the mean and variance of all processes' images; on any device, and twice differentiable.

    torch.nn.SyncBatchNorm refuses the CPU.
    """

    def forward(self, images: Tensor) -> Tensor:
        if not self.training or world() == 1:
            return super().forward(images)
        x = images.to(self.weight.dtype)
        count = world() * x.numel() / x.shape[1]
        center = Sum.apply(x.sum((0, 2, 3))) / count
        x = x - center[:, None, None]
        variance = Sum.apply(x.square().sum((0, 2, 3))) / count
        with torch.no_grad():
            self.running_mean.lerp_(center, self.momentum)
            self.running_var.lerp_(variance * (count / (count - 1)), self.momentum)
            self.num_batches_tracked += 1
        scale = self.weight * (variance + self.eps).rsqrt()
        return (x * scale[:, None, None] + self.bias[:, None, None]).to(images.dtype)


def normalise_globally(network: nn.Module) -> nn.Module:
    """The network itself, its BatchNorm layers made global where several processes train it."""
    for module in network.modules():
        if world() > 1 and type(module) is nn.BatchNorm2d:
            module.__class__ = GlobalBatchNorm2d  # the same weights and statistics, under the same names
    return network
