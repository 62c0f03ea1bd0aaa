"""One step of the game: the critic's updates, then the generator's, then the averaged generator's.

Goodfellow et al. 2014, algorithm 1; gradient penalties: Mescheder et al. 2018, and on fakes as well: Huang et al., The
GAN is dead; long live the GAN! A modern baseline GAN, 2024, section 2; paid lazily: Karras et al., Analyzing and
improving the image quality of StyleGAN, 2020, section 3.1.
"""

import copy
from collections.abc import Callable

import torch
from torch import Tensor, nn

from dcgan.augment import Augment, overfitting
from dcgan.config import GanConfig
from dcgan.losses import GAN_LOSSES, gradient_penalty
from dcgan.models import make_gan
from dcgan.parallel import average_gradients, mean, normalise_globally, share
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
        self.augment = Augment(1.0 if c.augment == "always" else 0.0)
        fused = device.type != "mps"
        self.G_opt = torch.optim.Adam(self.G.parameters(), c.lr_g, (c.beta1, c.beta2), fused=fused)
        self.D_opt = torch.optim.Adam(self.D.parameters(), c.lr_d, (c.beta1, c.beta2), fused=fused)
        self.loss = GAN_LOSSES[c.loss]
        if c.compile:
            compile_networks(device, self.G, self.D)

    @property
    def parts(self) -> dict:
        """Everything that resuming needs."""
        return {name: getattr(self, name) for name in ("G", "D", "G_ema", "G_opt", "D_opt", "augment")}

    def step(self, step: int) -> Losses:
        """Step number `step`, counted from 1; means of the losses, and of what the critic said."""
        self.pace(step)
        updates = range((step - 1) * self.c.critic_steps, step * self.c.critic_steps)
        for update in updates:
            real, label = self.real(update)
            with torch.set_grad_enabled(update == updates[-1]):  # only the last fakes teach the generator, too
                fake = self.generate(label)
            losses = self.teach_critic(real, fake.detach(), label, update)
        losses |= self.teach_generator(real, fake, label)
        average(self.G_ema, self.G, self.c.ema, step)
        if self.c.augment == "adaptive" and step % WATCH_EVERY == 0:
            self.follow_overfitting(step, losses)
        return losses

    def pace(self, step: int) -> None:
        """Sets the step sizes: as configured, then in a straight line to zero (Miyato et al. 2018, appendix B.3)."""
        last = self.c.decay * self.c.steps
        share = min(1.0, (self.c.steps - step + 1) / last) if last else 1.0
        for optimizer, lr in ((self.G_opt, self.c.lr_g), (self.D_opt, self.c.lr_d)):
            for group in optimizer.param_groups:
                group["lr"] = lr * share

    def generate(self, label: Tensor | None) -> Tensor:
        with autocast(self.c, self.device):
            z = torch.randn(self.c.batch, self.c.latent_dim, device=self.device)
            return self.G(z[share(self.c.batch)], label)

    def judge(self, images: Tensor, label: Tensor | None, twice: bool = False) -> Tensor:
        """The critic's logits N of images as it sees them; `twice`: such that they have second derivatives."""
        D = self.D.forward if twice else self.D  # a compiled network has only first ones
        with autocast(self.c, self.device):
            return D(self.augment(images), label).float()

    def teach_critic(self, real: Tensor, fake: Tensor, label: Tensor | None, update: int) -> Losses:
        """Real up, fake down; now and then also: no steeper than it must be."""
        pays = bool(self.c.r1 or self.c.r2) and update % self.c.penalty_every == 0
        real.requires_grad_(pays and self.c.r1 > 0)
        fake.requires_grad_(pays and self.c.r2 > 0)
        real_logits, fake_logits = self.judge(real, label, twice=pays), self.judge(fake, label, twice=pays)
        loss = self.loss.critic(real_logits, fake_logits)
        losses = {"D_loss": loss.detach(), "D_real": real_logits.detach().mean(), "D_fake": fake_logits.detach().mean()}
        if pays:
            penalty = sum(
                weight * gradient_penalty(images, logits)
                for weight, images, logits in ((self.c.r1, real, real_logits), (self.c.r2, fake, fake_logits))
                if weight
            )
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

    def follow_overfitting(self, step: int, losses: Losses) -> None:
        """Augments more where held-back pictures fare worse with the critic than those that it learns from."""
        with torch.no_grad():
            unseen = self.judge(*self.unseen(step)).mean()
        training, unseen, fake = mean(torch.stack([losses["D_real"], unseen, losses["D_fake"]]))
        self.augment.follow(overfitting(training, unseen, fake), WATCH_EVERY * self.c.real_batch)


def average(G_ema: nn.Module, G: nn.Module, decay: float, step: int) -> None:
    """Exponential moving average of the weights and of BatchNorm's statistics; shorter while the run is young."""
    decay = min(decay, (1 + step) / (10 + step))
    with torch.no_grad():
        for mean, now in zip(G_ema.state_dict().values(), G.state_dict().values(), strict=True):
            mean.lerp_(now, 1 - decay) if mean.is_floating_point() else mean.copy_(now)
