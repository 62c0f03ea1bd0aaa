"""One step of the game: the critic's updates, then the generator's, then the averaged generator's.

Goodfellow et al. 2014, algorithm 1; gradient penalties: Mescheder et al. 2018, and on fakes as well: Huang et al., The
GAN is dead; long live the GAN! A modern baseline GAN, 2024, section 2; paid lazily: Karras et al., Analyzing and
improving the image quality of StyleGAN, 2020, section 3.1.
"""

import copy
import itertools
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from dcgan.augment import Augment, overfitting
from dcgan.averages import average, weight_in_average
from dcgan.config import GanConfig
from dcgan.losses import GAN_LOSSES, gradient_penalties
from dcgan.models import make_gan
from dcgan.parallel import average_gradients, mean, normalise_globally, share, world
from dcgan.recorded import Recorded
from dcgan.run import Losses, autocast, compile_networks

Batch = tuple[Tensor, Tensor | None]  # images N,C,S,S in [-1, 1], label N
WATCH_EVERY = 8  # steps between two looks at held-back pictures


class Game:
    """Both networks, their optimisers and the averaged generator of a resolved configuration.

    real: gives the pictures of the critic's update of a number, counted from 0; unseen: gives as many held-back ones
    of a step, for adaptive augmentation.
    """

    def __init__(
        self,
        c: GanConfig,
        classes: int,
        device: torch.device,
        real: Callable[[int], Batch],
        unseen: Callable[[int], Batch],
    ):
        self.c, self.device, self.real, self.unseen = c, device, real, unseen
        networks = map(normalise_globally, make_gan(c, classes))
        self.G, self.D = (net.to(device, memory_format=torch.channels_last) for net in networks)
        self.G_ema = copy.deepcopy(self.G).requires_grad_(False)
        self.augment = Augment(1.0 if c.augment == "always" else 0.0, device)
        self.G_opt = Adam(self.G, c.lr_g, (c.beta1, c.beta2), device)
        self.D_opt = Adam(self.D, c.lr_d, (c.beta1, c.beta2), device)
        self.loss = GAN_LOSSES[c.loss]
        if c.compile:
            compile_networks(device, self.G, self.D)
        records = c.record and not c.compile and device.type == "cuda" and world() == 1
        self.learn = Recorded(self.play) if records else self.play

    @property
    def parts(self) -> dict:
        """Everything that resuming needs."""
        return {name: getattr(self, name) for name in ("G", "D", "G_ema", "G_opt", "D_opt", "augment")}

    def step(self, step: int) -> Losses:
        """Step number `step`, counted from 1; means of the losses, and of what the critic said."""
        self.pace(step)
        updates = range((step - 1) * self.c.critic_steps, step * self.c.critic_steps)
        watches = self.c.augment == "adaptive" and step % WATCH_EVERY == 0
        batches = [self.real(update) for update in updates] + ([self.unseen(step)] if watches else [])
        kind = Kind(tuple(self.pays(update) for update in updates), watches)
        weight = torch.full((), weight_in_average(self.c.ema, step), device=self.device)
        return self.learn(kind, weight, *itertools.chain(*batches))

    def play(self, kind: "Kind", weight: Tensor, *tensors: Tensor | None) -> Losses:
        """A step of its kind, on the images and labels of its batches, one after another; nothing waits for the device.

        weight: of the generator's weights in their average.
        """
        batches = list(zip(tensors[::2], tensors[1::2], strict=True))
        for number, (pays, (real, label)) in enumerate(zip(kind.pays, batches, strict=False), 1):
            with torch.set_grad_enabled(number == len(kind.pays)):  # only the last fakes teach the generator, too
                fake = self.generate(label)
            losses = self.teach_critic(real, fake, label, pays)
        losses |= self.teach_generator(real, fake, label)
        average(self.G_ema, self.G, weight)
        if kind.watches:
            self.follow_overfitting(*batches[-1], losses)
        return losses

    def pays(self, update: int) -> bool:
        """Whether the critic's update of this number, counted from 0, pays the gradient penalty."""
        return bool(self.c.r1 or self.c.r2) and update % self.c.penalty_every == 0

    def pace(self, step: int) -> None:
        """Sets the step sizes: as configured, then in a straight line to zero (Miyato et al. 2018, appendix B.3)."""
        last = self.c.decay * self.c.steps
        share = min(1.0, (self.c.steps - step + 1) / last) if last else 1.0
        self.G_opt.pace(self.c.lr_g * share)
        self.D_opt.pace(self.c.lr_d * share)

    def generate(self, label: Tensor | None) -> Tensor:
        with autocast(self.c, self.device):
            z = torch.randn(self.c.batch, self.c.latent_dim, device=self.device)
            return self.G(z[share(self.c.batch)], label)

    def judge(self, images: Tensor, label: Tensor | None, twice: bool = False, sets: int = 1) -> Tensor:
        """The critic's logits N of images as it sees them; `twice`: such that they have second derivatives.

        sets: how many batches the images are, one after another.
        """
        D = self.D.forward if twice else self.D  # a compiled network has only first ones
        with autocast(self.c, self.device):
            return D(images if self.c.augment == "none" else self.augment(images, sets), label).float()

    def judge_both(
        self, real: Tensor, fake: Tensor, label: Tensor | None, twice: bool = False
    ) -> tuple[Tensor, Tensor]:
        """The critic's logits of real pictures and of fakes; at once, where it judges each picture alone."""
        if self.c.critic_norm == "batch":
            return self.judge(real, label, twice), self.judge(fake, label, twice)
        labels = None if label is None else label.repeat(2)
        real_logits, fake_logits = self.judge(torch.cat([real, fake]), labels, twice, sets=2).chunk(2)
        return real_logits, fake_logits

    def teach_critic(self, real: Tensor, fake: Tensor, label: Tensor | None, pays: bool) -> Losses:
        """Real up, fake down; where it pays the penalty also: no steeper than it must be."""
        weights = (self.c.r1, self.c.r2)
        real, fake = (
            images.detach().requires_grad_(pays and weight > 0)
            for images, weight in zip((real, fake), weights, strict=True)
        )
        real_logits, fake_logits = self.judge_both(real, fake, label, twice=pays)
        loss = self.loss.critic(real_logits, fake_logits)
        losses = {"D_loss": loss.detach(), "D_real": real_logits.detach().mean(), "D_fake": fake_logits.detach().mean()}
        if pays:
            steep = gradient_penalties(real_logits.sum() + fake_logits.sum(), real, fake)
            penalty = sum(weight * each for weight, each in zip(weights, steep, strict=True))
            loss = loss + penalty * (self.c.penalty_every / 2)
        self.D_opt.zero_grad()
        loss.backward()
        average_gradients(self.D)
        self.D_opt.step()
        return losses

    def teach_generator(self, real: Tensor, fake: Tensor, label: Tensor | None) -> Losses:
        """Fake up, by the critic that has just learnt."""
        self.D.requires_grad_(False)  # it only passes the gradient on
        logits = [self.judge(fake, label)]
        if self.loss.paired:
            with torch.no_grad():
                logits.append(self.judge(real, label))
        loss = self.loss.generator(*logits)
        self.G_opt.zero_grad()
        loss.backward()
        average_gradients(self.G)
        self.G_opt.step()
        self.D.requires_grad_(True)
        return {"G_loss": loss.detach()}

    def follow_overfitting(self, unseen: Tensor, label: Tensor | None, losses: Losses) -> None:
        """Augments more where held-back pictures fare worse with the critic than those that it learns from."""
        with torch.no_grad():
            logit = self.judge(unseen, label).mean()
        training, logit, fake = mean(torch.stack([losses["D_real"], logit, losses["D_fake"]]))
        self.augment.follow(overfitting(training, logit, fake), WATCH_EVERY * self.c.real_batch)


@dataclass(frozen=True)
class Kind:
    """Of a step: which of the critic's updates pay the penalty, and whether held-back pictures are looked at."""

    pays: tuple[bool, ...]
    watches: bool


class Adam(torch.optim.Adam):
    """Kingma and Ba, Adam: a method for stochastic optimization, 2014; its step size stays on a GPU, to be recorded."""

    def __init__(self, network: nn.Module, lr: float, betas: tuple[float, float], device: torch.device):
        on_gpu = device.type == "cuda"
        size = torch.tensor(lr, device=device) if on_gpu else lr
        super().__init__(network.parameters(), size, betas, fused=device.type != "mps", capturable=on_gpu)

    def pace(self, lr: float) -> None:
        """Sets the step size."""
        for group in self.param_groups:
            if isinstance(group["lr"], Tensor):
                group["lr"].fill_(lr)
            else:
                group["lr"] = lr

    def load_state_dict(self, state: dict) -> None:
        """The moments; settings stay those of this machine, which need not be the one that made the checkpoint."""
        own = [{name: value for name, value in group.items() if name != "params"} for group in self.param_groups]
        super().load_state_dict(state)
        for group, settings in zip(self.param_groups, own, strict=True):
            group.update(settings)
