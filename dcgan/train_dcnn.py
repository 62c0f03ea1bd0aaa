"""Train a DCNN: python -m dcgan.train_dcnn --data fashion-mnist --gan runs/clothes --out runs/clothes-dcnn

Real or fake, learnt from real pictures and from those of the generators named; and the class, learnt from real ones
and, of fakes too, from a teacher, if one is named. Without --gan it learns the classes only, and so serves as the
referee of generators it has never seen.
"""

import copy
import dataclasses
import itertools
import math
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from tqdm import tqdm

from dcgan import attribution, calibration, checkpoint, levels, parallel, typical
from dcgan.averages import average, weight_in_average
from dcgan.checkpoint import Notes
from dcgan.config import DcnnConfig, TrainingError, check, from_args, make_parser
from dcgan.data import Pictures, hold_out, load
from dcgan.degrade import passed_on, worn_copies
from dcgan.exported import learnt, unfold
from dcgan.folds import cross_validate
from dcgan.lessons import Lessons, by_generator, load_generators, make_fakes, some_of, split
from dcgan.losses import DCNN_LOSSES, distillation
from dcgan.models import DCNN, Recogniser, make_dcnn
from dcgan.pixels import fit, looks, to_images
from dcgan.players import form
from dcgan.run import Losses, Run, autocast, introduce, main, pick_device, settle_precision, train
from dcgan.watch import Patience
from export.resave import resave

MOMENTUM, FASTER = 0.85, 64  # of --optimizer nesterov, and how much faster BatchNorm's shifts learn: Jordan 2024, 3.4
MOST_RESAVED = 1_000  # pictures of each kind that are re-saved to see how far verdicts move
POWERS = torch.logspace(-1, 1, 101).tolist()  # to which a recogniser's say is raised, by that which fits best
SHARES = torch.linspace(0.05, 1, 20).tolist()  # and that of the DCNN that it is given to
MOST_SPANNED = 2_000  # pictures on which a network that is to compute in 8 bits is measured
MOST_WHITENED = 5_000  # pictures from which a recogniser takes how pixels vary together
MOST_KNOWN = 3_000  # pictures of each kind from which `typical` is learnt
MOST_STRANGE = 10_000  # pictures of other things, likewise


def resolve(c: DcnnConfig, pictures: Pictures) -> DcnnConfig:
    """The configuration with everything automatic filled in. Raises TrainingError."""
    channels, size = pictures.images.shape[1:3]
    usual = 0.5 if c.gan else 0.0  # who learns the classes alone is a referee, and has to see harms
    if not c.gan and pictures.labels is None:
        raise TrainingError(
            "There is nothing to learn: the pictures have no classes, and no --gan makes fakes of them."
        )
    if c.calibrate_on and not c.gan:
        raise TrainingError("--calibrate-on is for a DCNN that learns fakes: without --gan it judges nothing.")
    return dataclasses.replace(c, image_size=size, channels=channels, degrade=usual if c.degrade < 0 else c.degrade)


def learning_rate(c: DcnnConfig, step: int) -> float:
    """Linear warm-up over the first twentieth, then half a cosine to zero."""
    warm = max(1, c.steps // 20)
    if step <= warm:
        return c.lr * step / warm
    return c.lr * 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, c.steps - warm)))


def make_optimizer(network: DCNN, c: DcnnConfig, device: torch.device) -> torch.optim.Optimizer:
    if c.optimizer == "adamw":
        return torch.optim.AdamW(network.parameters(), c.lr, weight_decay=c.weight_decay, fused=device.type != "mps")
    learnt = [part for part in network.parameters() if part.requires_grad]
    shifts = [part.bias for part in network.modules() if isinstance(part, nn.BatchNorm2d)]
    others = [part for part in learnt if all(part is not shift for shift in shifts)]
    groups = [
        {"params": others, "weight_decay": c.weight_decay},
        {"params": shifts, "weight_decay": c.weight_decay / FASTER, "faster": FASTER},
    ]
    return torch.optim.SGD(groups, c.lr, momentum=MOMENTUM, nesterov=True)


def descend(loss: Tensor, optimizer: torch.optim.Optimizer, lr: float) -> None:
    """One update."""
    for group in optimizer.param_groups:
        group["lr"] = lr * group.get("faster", 1)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


def predict(network: DCNN, images: Tensor) -> tuple[Tensor | None, Tensor | None]:
    """Logits of both heads for images uint8 N,C,S,S, in evaluation mode, 500 at a time."""
    parts = in_evaluation(network, network, images)
    return tuple(torch.cat(heads) if heads[0] is not None else None for heads in zip(*parts, strict=True))


def in_evaluation(network: DCNN, call: Callable, images: Tensor) -> list:
    """What the call gives for images uint8 N,C,S,S, 500 at a time, while the network is in evaluation mode."""
    device = next(network.parameters()).device
    network.eval()
    with torch.no_grad():
        parts = [call(to_images(some.to(device))) for some in images.split(500)]
    network.train()
    return parts


def size_of_weights(network: DCNN) -> Tensor:
    """The sum of the absolute values of all weights of convolutions and fully connected layers: the L1 penalty."""
    return sum(p.abs().sum() for p in network.parameters() if p.ndim > 1)


# --- training -----------------------------------------------------------------------------------------------------


def train_dcnn(c: DcnnConfig) -> None:
    """Trains, or goes on training, the run in c.out. Raises TrainingError."""
    check(c)
    if parallel.world() > 1:
        raise TrainingError("train_dcnn trains in one process: start it with python, not with torchrun.")
    device = pick_device(c.device)
    pictures = load(c)
    c = settle_precision(resolve(c, pictures), device)
    training, validation = split(pictures, c)
    introduce(c, pictures, len(training), device)
    generators = load_generators(c.gan + c.calibrate_on, c, device)
    drawers, sha256s = [generator for generator, _ in generators], [sha256 for _, sha256 in generators]
    n = len(c.gan)  # the first of them are learnt
    measured = len(validation) > 0
    fakes = make_fakes(drawers[:n], len(training), "train") if c.gan else None
    unseen = make_fakes(drawers[:n], len(validation), "validation") if c.gan and measured else None
    lessons = Lessons(c, training, fakes, device)
    teacher, wisdom = load_teacher(c, pictures.classes, device)
    strangers, unlike = load_strangers(c)
    record = load_recogniser(c, pictures)
    data = pictures.facts | {"classes": list(pictures.classes), "fakes": sha256s[:n]}
    data |= wisdom | unlike | ({"calibrated_on": sha256s[n:]} if c.calibrate_on else {})

    torch.manual_seed(c.seed)
    network = make_dcnn(c, len(pictures.classes))
    if isinstance(network, Recogniser):
        network.whiten(to_images(training[some_of(len(training), MOST_WHITENED)].images[:]))
    network = network.to(device, memory_format=torch.channels_last)
    data |= begin_with(network, lessons)
    start = {name: value.clone() for name, value in network.state_dict().items()} if c.start_share else {}
    averaged = copy.deepcopy(network).requires_grad_(False) if c.ema else network
    optimizer, best = make_optimizer(network, c, device), Patience(network, c.patience)
    calibrated, known, attributed, recognised, spans, mixed = (Notes() for _ in range(6))
    learn = make_update(network, optimizer, lessons, teacher, c)

    def update(step: int) -> Losses:
        losses = learn(step)
        if c.ema:
            average(averaged, network, torch.full((), weight_in_average(c.ema, step), device=device))
        return losses

    def report(step: int) -> tuple[dict, None]:
        if not measured:
            return {}, None
        log = examine(averaged, validation, unseen, c)
        best.consider(averaged, step, log["validation_loss"])
        return log, None

    def conclude() -> bool:
        chosen, held_back = best.network if best.step else averaged, validation.images[:]
        done = bool(calibrated and known and attributed) or not (measured and c.gan)
        is_new = bool(record) and recognised.get("sha256") != record["sha256"]
        unspanned = c.bits == 8 and (is_new or not spans)
        if c.start_share and not (mixed or calibrated):  # which older runs were after they were mixed
            mix(chosen, start, c.start_share)
            mixed["share"] = c.start_share
        elif done and not (is_new or unspanned or (c.bits == 32 and has_spans(c.out))):
            return False
        if not done:
            told = "Now it learns how far its verdicts can be trusted, what it knows, and where verdicts come from."
            tqdm.write(f"The steps are done. {told}", file=sys.stderr)
            if not calibrated:
                judged = make_fakes(drawers, len(validation), "validation") if c.calibrate_on else unseen
                calibrated.update(calibrate(chosen, held_back, by_generator(judged, len(drawers)), c))
            if not known:
                known.update(what_is_known(chosen, lessons, held_back, strangers, c))
            if not attributed:
                torch.manual_seed(c.seed)
                looks = min(attribution.LOOKS, c.steps)
                attributed.update(attribution.learn(chosen, calibrated, lessons.sample, looks))
        if is_new:
            recognised.load_state_dict(balanced(record, chosen, pictures, c))
        if unspanned:
            torch.manual_seed(c.seed)
            spans.update(measure_spans(chosen, recognised, lessons.sample(MOST_SPANNED)))
        return True

    parts = {"network": network, "optimizer": optimizer}
    parts |= {"average": averaged} if c.ema else {}
    parts |= {"best": best} if c.patience else {}
    parts |= {"mixed": mixed} if c.start_share else {}
    parts |= {"calibration": calibrated, "known": known, "attribution": attributed} if c.gan else {}
    parts |= {"recogniser": recognised} if record else {}
    parts |= {"spans": spans} if c.bits == 8 else {}
    run = Run(c, data, parts, device)
    train(run, update, report, is_over=best.is_over, conclude=conclude)


def load_strangers(c: DcnnConfig) -> tuple[list[Tensor], dict]:
    """The pictures of each of --unlike, uint8 N,C,S,S, and what the data's facts say of them. Raises TrainingError."""
    if c.unlike and not c.gan:
        raise TrainingError("--unlike teaches a DCNN what it is not to judge, and without --gan it judges nothing.")
    sets = [load(dataclasses.replace(c, data=each)) for each in c.unlike]
    strangers = [pictures[some_of(len(pictures), MOST_STRANGE)].images[:] for pictures in sets]
    told = [f"{len(some):,} of {pictures.facts['name']}" for some, pictures in zip(strangers, sets, strict=True)]
    return strangers, {"unlike": told} if told else {}


def load_teacher(c: DcnnConfig, classes: tuple[str, ...], device: torch.device) -> tuple[DCNN | None, dict]:
    """The network of --teacher, if one is named, and what the data's facts say of it. Raises TrainingError."""
    if not c.teacher:
        return None, {}
    teacher = learnt(c.teacher)
    if form(teacher.config) != form(c) or teacher.classes != classes or not classes:
        raise TrainingError(f"--teacher {c.teacher} has learnt other classes, or pictures of another size.")
    network = teacher.knows_classes.requires_grad_(False)
    return network.to(device, memory_format=torch.channels_last), {"teacher": teacher.sha256}


def load_recogniser(c: DcnnConfig, pictures: Pictures) -> dict | None:
    """The record (dcgan.checkpoint.as_record) of the recogniser of --recogniser, if one is named.

    Raises TrainingError.
    """
    if not c.recogniser:
        return None
    found = learnt(c.recogniser)
    if not found.recogniser:
        raise TrainingError(f"--recogniser {c.recogniser} has none in it. Train one with --preset fast, without --gan.")
    if form(found.config) != form(c) or found.recogniser["data"].get("sha256") != pictures.facts.get("sha256"):
        raise TrainingError(f"--recogniser {c.recogniser} has learnt from other pictures.")
    return found.recogniser


def balanced(record: dict, network: DCNN, pictures: Pictures, c: DcnnConfig) -> dict:
    """The record of a recogniser that was made as sure as is right, and with it `share`, how much the network's own say
    on classes counts beside it: of pictures that neither has learnt from, what both say together comes true.

    A product of experts, each to some power: Hinton, Training products of experts by minimizing contrastive divergence,
    2002, section 1. Where nothing was held back, both are taken as they are, and the network's say counts half.
    """
    held_back = hold_out(pictures, min(c.validation, record["config"]["validation"]))[1]
    if not len(held_back):
        return record | {"share": 0.5}
    recogniser, images, labels = checkpoint.recogniser_of(record), held_back.images[:], held_back.labels
    says = torch.cat(in_evaluation(recogniser, recogniser.recognise, images))
    own = predict(network, images)[1].cpu()

    def loss(powers: tuple[float, float]) -> float:
        return F.cross_entropy(powers[0] * says + powers[1] * own, labels).item()

    power, share = min(itertools.product(POWERS, SHARES), key=loss)
    with torch.no_grad():
        recogniser.class_head.weight.mul_(power)
    return record | {"network": recogniser.state_dict(), "share": share}


def begin_with(network: DCNN, lessons: Lessons) -> dict:
    """Gives the network the weights of --start, if one is named, and tells what the data's facts say of it.

    Raises TrainingError.
    """
    c = lessons.c
    if not c.start:
        return {}
    start = learnt(c.start)
    try:
        network.load_state_dict(start.network.state_dict())
        same = start.config.activation == c.activation  # which has no weights that could differ
    except RuntimeError:
        same = False
    if not same:
        raise TrainingError(
            f"--start {c.start} is of another form: its --width, --blocks, --activation, size, channels, classes, and "
            "whether it has learnt from fakes must be those of this run."
        )
    if start.folded:
        unfold(network, lessons(1)[0])
    return {"start": start.sha256}


def mix(network: DCNN, start: dict[str, Tensor], share: float) -> None:
    """Moves the network's weights towards those that it began with, by a share of the way.

    What it has learnt last it knows best, and what it has not met since it began forgets; a mean of both weights keeps
    most of either: Wortsman et al., Robust fine-tuning of zero-shot models, 2022, section 3.
    """
    weights = network.state_dict()
    for name, value in start.items():
        if value.is_floating_point():
            weights[name].lerp_(value, share)


def make_update(
    network: DCNN, optimizer: torch.optim.Optimizer, lessons: Lessons, teacher: DCNN | None, c: DcnnConfig
) -> Callable[[int], Losses]:
    """One update of the network, by step."""
    real_loss, class_loss = DCNN_LOSSES[c.loss]
    is_real = (torch.arange(c.batch, device=lessons.device) < c.real_batch).float()

    def update(step: int) -> Losses:
        images, label = lessons(step)
        with autocast(c, lessons.device):
            real_logits, class_logits = network(images)
        losses = {}
        if real_logits is not None:
            losses["real_loss"] = real_loss(real_logits.float(), is_real)
        if class_logits is not None:
            losses["class_loss"] = class_loss(class_logits[: c.real_batch].float(), label, c.smoothing)
        if teacher is not None:  # it speaks of fakes, too, of whose classes the pupil would else forget what it knew
            with torch.no_grad(), autocast(c, lessons.device):
                wanted = teacher(images)[1].float()
            taught = distillation(class_logits.float(), wanted)
            losses["class_loss"] = torch.lerp(losses["class_loss"], taught, c.teacher_share)
        penalty = c.l1 * size_of_weights(network) if c.l1 else 0.0
        descend(sum(losses.values()) + penalty, optimizer, learning_rate(c, step))
        return {name: loss.detach() for name, loss in losses.items()}

    return update


def examine(network: DCNN, validation: Pictures, unseen: Tensor | None, c: DcnnConfig) -> dict[str, float]:
    """How it does on held-back pictures and on fakes of unseen seeds, as they are: what a log line says of it."""
    real_loss, class_loss = DCNN_LOSSES[c.loss]
    real_logits, class_logits = predict(network, validation.images)
    log, losses = {}, []
    if class_logits is not None:
        label = validation.labels.to(class_logits.device)
        log["class_accuracy"] = (class_logits.argmax(1) == label).float().mean().item()
        losses.append(class_loss(class_logits, label))
    if real_logits is not None:
        fake_logits = predict(network, unseen)[0]
        right = (real_logits > 0).float().mean().item() + (fake_logits <= 0).float().mean().item()
        log["real_accuracy"] = right / 2
        of_real, of_fake = torch.ones_like(real_logits), torch.zeros_like(fake_logits)
        losses.append((real_loss(real_logits, of_real) + real_loss(fake_logits, of_fake)) / 2)
    return log | {"validation_loss": sum(losses).item()}


# --- after the training -------------------------------------------------------------------------------------------


def calibrate(network: DCNN, held_back: Tensor, fakes: list[Tensor], c: DcnnConfig) -> dict:
    """The calibration, from held-back pictures and each generator's fakes of unseen seeds, uint8 N,C,S,S: as they are;
    degraded; passed on carelessly; and some of them after each of the re-savings that a picture is judged with.

    As much counts what is hard to tell as what is easy, or probabilities would come true of easy pictures alone.
    """

    def logits(images: Tensor) -> np.ndarray:
        return predict(network, images)[0].double().cpu().numpy()

    def degraded(images: Tensor, number: int) -> np.ndarray:
        return np.concatenate([logits(wear(images, (c.seed, number))) for wear in (worn_copies, passed_on)])

    def resaved(images: Tensor) -> np.ndarray:
        some = images[some_of(len(images), MOST_RESAVED)]
        return np.stack([logits(each) for each in [some, *resavings(some)]])

    unseen = torch.cat(fakes)
    clean, worn = (logits(held_back), logits(unseen)), (degraded(held_back, 2), degraded(unseen, 3))
    return calibration.fit(clean, worn, [resaved(images) for images in (held_back, *fakes)])


def resavings(images: Tensor) -> list[Tensor]:
    """Images uint8 N,C,S,S after each of the re-savings, as a graph sees them."""
    squares = images.cpu().permute(0, 2, 3, 1).expand(-1, -1, -1, 3).numpy()
    resaved = np.stack([resave(np.ascontiguousarray(square)) for square in squares], 1)
    levels = (fit(torch.from_numpy(each), images.shape[2], images.shape[1]) for each in resaved)
    return [each.round().to(torch.uint8) for each in levels]


def what_is_known(
    network: DCNN, lessons: Lessons, held_back: Tensor, strangers: list[Tensor], c: DcnnConfig
) -> dict[str, Tensor]:
    """What `typical` rests on: real pictures and fakes that the network has learnt from, clean and degraded, and what
    is odd beside them: copies of the real ones (typical.odd_copies), and strangers, pictures of other things.

    held_back: real pictures uint8 N,C,S,S. Every second one is among the known, as it is and degraded: of what it has
    learnt from, the network knows too much. Of the strangeness of the others the quantiles are.
    """

    def look(images: Tensor) -> typical.Looks:
        parts = in_evaluation(network, lambda some: looks(some, network.stages(some)), images)
        return tuple(torch.cat(each).cpu() for each in zip(*parts, strict=True))

    unmet, unseen = held_back[1::2].cpu(), held_back[::2]
    unmet = unmet[some_of(len(unmet), MOST_KNOWN)]
    real = [pictures[some_of(len(pictures), MOST_KNOWN)].images[:].cpu() for pictures in lessons.real]
    fake = [fakes[some_of(len(fakes), MOST_KNOWN)] for fakes in lessons.fake]
    known = [*real, *fake, unmet] + ([worn_copies(unmet, (c.seed, 4))] if c.degrade and len(unmet) else [])
    groups = (known, typical.odd_copies(torch.cat([real[0], unmet])), strangers)
    return typical.fit(*([look(some) for some in group if len(some)] for group in groups), look(unseen))


def has_spans(run: str) -> bool:
    """Whether a run's checkpoint, if it has one, is of a network that computes in 8 bits."""
    path = Path(run) / checkpoint.NAME
    return path.exists() and bool(checkpoint.load(path).get("spans"))


def measure_spans(network: DCNN | Recogniser, record: dict, images: Tensor) -> dict[str, Tensor]:
    """The spans (dcgan/levels.py) of a network, and of the recogniser of a record, if there is one, on those images
    N,C,S,S in [-1, 1].
    """
    found = {"network": levels.spans_of(network, images)}
    if record:
        found["recogniser"] = levels.spans_of(checkpoint.recogniser_of(record).to(images.device), images)
    return found


def cli(argv: list[str] | None = None) -> None:
    parser = make_parser(DcnnConfig, "python -m dcgan.train_dcnn", __doc__.splitlines()[0])
    c = from_args(DcnnConfig, parser.parse_args(argv))
    main(parser, lambda: cross_validate(c, train_dcnn) if c.folds and not c.fold else train_dcnn(c))


if __name__ == "__main__":
    cli()
