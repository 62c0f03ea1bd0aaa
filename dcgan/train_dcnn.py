"""Train a DCNN: python -m dcgan.train_dcnn --data fashion-mnist --gan runs/clothes --out runs/clothes-dcnn

Real or fake, learnt from real pictures and from those of the generators named; and the class, learnt from real ones
alone. Without --gan it learns the classes only, and so serves as the referee of generators it has never seen.
"""

import dataclasses
import math

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from dcgan import checkpoint, parallel
from dcgan.config import DcnnConfig, GanConfig, RunConfig, TrainingError, check, from_args, make_parser
from dcgan.data import Batches, Pictures, hold_out, load
from dcgan.losses import DCNN_LOSSES
from dcgan.models import DCNN, make_dcnn
from dcgan.pixels import to_images
from dcgan.run import Losses, Run, autocast, introduce, main, pick_device, train
from dcgan.train_gan import FIRST_SEED, draw

MOST_FAKES = 200_000  # kept in memory, however many the real pictures are


def resolve(c: DcnnConfig, pictures: Pictures) -> DcnnConfig:
    channels, size = pictures.images.shape[1:3]
    if not c.gan and pictures.labels is None:
        raise TrainingError(
            "There is nothing to learn: the pictures have no classes, and no --gan makes fakes of them."
        )
    return dataclasses.replace(c, image_size=size, channels=channels)


def load_generators(runs: tuple[str, ...], c: DcnnConfig) -> list[tuple[torch.nn.Module, str]]:
    """The averaged generators of GAN runs, each with the sha256 of its checkpoint. Raises TrainingError."""
    generators = []
    for run in runs:
        state = checkpoint.load(run, GanConfig)
        if (state["config"].image_size, state["config"].channels) != (c.image_size, c.channels):
            raise TrainingError(f"--gan {run} draws pictures of {form(state['config'])}; {form(c)} is needed.")
        generators.append((checkpoint.network_of(state).requires_grad_(False), state["sha256"]))
    return generators


def form(c: RunConfig) -> str:
    return f"{c.image_size} x {c.image_size} in {'grey' if c.channels == 1 else 'colour'}"


def make_fakes(generators: list[torch.nn.Module], n: int, part: str, device: torch.device) -> Tensor:
    """About n pictures, as many of each generator, rounded to levels as any file of them is: uint8 N,C,S,S."""
    n = min(n, MOST_FAKES)
    each, fakes = math.ceil(n / len(generators)), []
    for G in generators:
        G = G.to(device)
        for start in range(0, each, 500):
            seeds = np.arange(FIRST_SEED[part] + start, FIRST_SEED[part] + min(start + 500, each))
            pixels = torch.from_numpy(draw(G, seeds, G.classes, device))
            fakes.append(pixels.permute(0, 3, 1, 2)[:, : G.channels].contiguous())
    return torch.cat(fakes)[:n]


def augment(images: Tensor) -> Tensor:
    """Mirrored or not, and shifted by up to two pixels: the same for real and fake."""
    n, _, size, _ = images.shape
    flip = torch.rand(n, 1, 1, 1, device=images.device) < 0.5
    images = torch.where(flip, images.flip(3), images)
    padded = F.pad(images, (2, 2, 2, 2), mode="replicate")
    offset = torch.randint(0, 5, (n, 2), device=images.device)
    along = torch.arange(size, device=images.device)
    rows, columns = offset[:, :1] + along, offset[:, 1:] + along
    picture = torch.arange(n, device=images.device)[:, None, None]
    return padded.permute(0, 2, 3, 1)[picture, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


def learning_rate(c: DcnnConfig, step: int) -> float:
    """Linear warm-up over the first twentieth, then half a cosine to zero."""
    warm = max(1, c.steps // 20)
    if step <= warm:
        return c.lr * step / warm
    return c.lr * 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, c.steps - warm)))


def make_optimizer(network: DCNN, c: DcnnConfig, device: torch.device) -> torch.optim.Optimizer:
    return torch.optim.AdamW(network.parameters(), c.lr, weight_decay=c.weight_decay, fused=device.type != "mps")


def descend(loss: Tensor, optimizer: torch.optim.Optimizer, lr: float) -> None:
    """One update."""
    for group in optimizer.param_groups:
        group["lr"] = lr
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


def predict(network: DCNN, images: Tensor) -> tuple[Tensor | None, Tensor | None]:
    """Logits of both heads for images uint8 N,C,S,S, in evaluation mode, 500 at a time."""
    network.eval()
    with torch.no_grad():
        parts = [network(to_images(some)) for some in images.split(500)]
    network.train()
    return tuple(torch.cat(heads) if heads[0] is not None else None for heads in zip(*parts, strict=True))


def train_dcnn(c: DcnnConfig) -> None:
    """Trains, or goes on training, the run in c.out. Raises TrainingError."""
    check(c)
    if parallel.world() > 1:
        raise TrainingError("train_dcnn trains in one process: start it with python, not with torchrun.")
    device = pick_device(c.device)
    pictures = load(c)
    c = resolve(c, pictures)
    training, validation = (part.to(device) for part in hold_out(pictures, c.validation))
    batch = Batches(training, c.real_batch, c.seed)
    introduce(pictures, len(training), device)
    generators = load_generators(c.gan, c)
    networks = [G for G, _ in generators]
    fakes = make_fakes(networks, len(training), "train", device).to(device) if c.gan else None
    measured = len(validation) > 0
    unseen = make_fakes(networks, len(validation), "validation", device).to(device) if c.gan and measured else None
    data = pictures.facts | {"classes": list(pictures.classes), "fakes": [sha256 for _, sha256 in generators]}

    torch.manual_seed(c.seed)
    network = make_dcnn(c, len(pictures.classes)).to(device, memory_format=torch.channels_last)
    optimizer = make_optimizer(network, c, device)
    real_loss, class_loss = DCNN_LOSSES[c.loss]
    is_real = (torch.arange(c.batch, device=device) < c.real_batch).float()

    def update(step: int) -> Losses:
        images, label = batch(step)
        if fakes is not None:
            i = torch.randint(len(fakes), (c.batch - c.real_batch,), device=device)
            images = torch.cat([images, to_images(fakes[i])])
        with autocast(c, device):
            real_logits, class_logits = network(augment(images).contiguous(memory_format=torch.channels_last))
        losses = {}
        if real_logits is not None:
            losses["real_loss"] = real_loss(real_logits.float(), is_real)
        if class_logits is not None:
            losses["class_loss"] = class_loss(class_logits[: c.real_batch].float(), label)
        descend(sum(losses.values()), optimizer, learning_rate(c, step))
        return {name: loss.detach() for name, loss in losses.items()}

    def report(step: int) -> tuple[dict, None]:
        log = {}
        if not measured:
            return log, None
        real_logits, class_logits = predict(network, validation.images)
        if class_logits is not None:
            log["class_accuracy"] = (class_logits.argmax(1) == validation.labels).float().mean().item()
        if real_logits is not None:
            fake_logits = predict(network, unseen)[0]
            log["real_accuracy"] = (
                (real_logits > 0).float().mean().item() + (fake_logits <= 0).float().mean().item()
            ) / 2
        return log, None

    run = Run(c, data, {"network": network, "optimizer": optimizer}, device)
    train(run, update, report)


def cli(argv: list[str] | None = None) -> None:
    parser = make_parser(DcnnConfig, "python -m dcgan.train_dcnn", __doc__.splitlines()[0])
    c = from_args(DcnnConfig, parser.parse_args(argv))
    main(parser, lambda: train_dcnn(c))


if __name__ == "__main__":
    cli()
