"""Where a verdict comes from: places are blurred, and a small network learns to foresee how far that moves the verdict.

The last features of a place have seen most of the picture, so that what they say (a class-activation map) is hardly
what hangs on that place. What does is found by taking places away, which costs a look at the network each. A network
that has learnt from many such looks foresees them at once: Jethani, Sudarshan, Covert, Lee and Ranganath, FastSHAP:
real-time Shapley value estimation, 2022. It is as additive as theirs: what several places say together is their sum.
"""

import copy
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F
from tqdm import trange

from dcgan.checkpoint import calibrate
from dcgan.degrade import blur
from dcgan.models import DCNN
from dcgan.pixels import TINY, Attribution

DELETED = 0.2  # share of the places that are taken away
BLUR = 0.25  # of a place's side: the standard deviation with which it is taken away
WIDTH = 32  # of the network that learns it
BATCH = 64  # pictures in each of its updates
LOOKS = 64  # batches that are looked at, or as many as the DCNN's training had, where those are fewer
TRIALS = 8  # sets of places that are taken away from each picture
PASSES = 20  # through all of them
LR = 3e-3
LEAST_SPREAD = 1e-3  # of a feature that hardly ever speaks
FEW = 8  # batches that tell how large features are


def how_many(places: int) -> int:
    """Of so many places, those that are taken away."""
    return max(1, round(DELETED * places))


def learn(network: DCNN, calibration: dict, sample: Callable[[int], Tensor], looks: int) -> dict[str, Tensor]:
    """The weights of an Attribution (dcgan/pixels.py) for a DCNN with that calibration, on the CPU.

    sample(n): about n images N,C,S,S in [-1, 1] of the kinds that are judged, other ones each time; looks: how often.
    """
    network = copy.deepcopy(network).eval().requires_grad_(False)
    calibrate(network, calibration)
    bar = trange(looks, desc="Seeing where verdicts come from", unit="batch", leave=False, disable=None)
    seen = [look(network, sample(BATCH)) for _ in bar]
    # In what it usually is: of some DCNNs the logits are ten times those of others.
    unit = torch.cat([moved for _, _, moved in seen]).square().mean().sqrt().clamp(min=TINY)
    spoken = begin(torch.cat([features for features, _, _ in seen[:FEW]]).float())
    optimizer = torch.optim.AdamW(spoken.parameters(), LR)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, PASSES * looks)
    for _ in range(PASSES):
        for which in torch.randperm(looks).tolist():
            features, gone, moved = seen[which]
            foreseen = (spoken.says(features.float())[:, None] * gone).mean((2, 3))
            loss = F.mse_loss(foreseen, moved / unit)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    with torch.no_grad():
        spoken.outer.weight.mul_(unit)
        spoken.outer.bias.mul_(unit)
    return {name: value.cpu() for name, value in spoken.state_dict().items()}


def begin(features: Tensor) -> Attribution:
    """An Attribution that has learnt nothing yet but how large features N,F,h,w usually are."""
    begun = Attribution(features.shape[1], WIDTH).to(features.device)
    begun.usual.copy_(features.mean((0, 2, 3))[:, None, None])
    begun.spread.copy_(features.std((0, 2, 3))[:, None, None] + LEAST_SPREAD)
    return begun


@torch.no_grad()
def look(network: DCNN, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Of images N,C,S,S: the features of all stages, float16 N,F,h,w; random fifths of the places, bool N,T,h,w; and
    what is off the logit of real when those are blurred, float N,T.
    """
    stages = network.stages(images)
    n, side, size = len(images), stages[-1].shape[2], images.shape[2]
    logit = network.evidence(stages[-1]).mean((1, 2))
    matrix = blur(size, size / side * BLUR).to(images.device)
    blurred = matrix @ images @ matrix.T
    order = torch.rand(n, TRIALS, side * side, device=images.device).argsort(2)
    gone = (order < how_many(side * side)).view(n, TRIALS, side, side)
    moved = []
    for each in gone.unbind(1):
        places = F.interpolate(each[:, None].float(), (size, size)) > 0
        moved.append(logit - network(torch.where(places, blurred, images))[0])
    return Attribution.pool(stages).half(), gone, torch.stack(moved, 1)
