"""Train a DCGAN: python -m dcgan.train_gan --data fashion-mnist --out runs/clothes

The generator turns latents into images; the critic learns to tell them from real ones; each learns against the other
(Radford, Metz and Chintala 2015; Goodfellow et al. 2014). The averaged generator is the one that is exported.
"""

import copy
import dataclasses

import numpy as np
import torch
from torch import Tensor, nn

from dcgan.config import GanConfig, check, from_args, make_parser
from dcgan.data import Pictures, hold_out, load
from dcgan.losses import GAN_LOSSES
from dcgan.models import make_gan
from dcgan.pixels import PixelGenerator
from dcgan.run import Losses, Run, autocast, introduce, main, pick_device, train
from export.latents import label_of_seed, latents
from export.pictures import sheet

GRID_SEEDS = np.arange(1, 65)


def resolve(c: GanConfig, pictures: Pictures) -> GanConfig:
    """The configuration with everything automatic filled in from the pictures."""
    channels, size = pictures.images.shape[1:3]
    latent_dim = size * size if c.architecture == "hourglass" else c.latent_dim
    conditional = c.conditional and pictures.labels is not None
    return dataclasses.replace(c, image_size=size, channels=channels, latent_dim=latent_dim, conditional=conditional)


def average(G_ema: nn.Module, G: nn.Module, decay: float, step: int) -> None:
    """Exponential moving average of the weights and of BatchNorm's statistics; shorter while the run is young."""
    decay = min(decay, (1 + step) / (10 + step))
    with torch.no_grad():
        for mean, now in zip(G_ema.state_dict().values(), G.state_dict().values(), strict=True):
            mean.lerp_(now, 1 - decay) if mean.is_floating_point() else mean.copy_(now)


def draw(G: nn.Module, seeds: np.ndarray, classes: int, device: torch.device) -> np.ndarray:
    """The pictures of seeds, as the exported model will draw them: pixels uint8 N,S,S,3."""
    z = torch.from_numpy(latents(seeds, G.latent_dim)).to(device)
    label = torch.from_numpy(label_of_seed(seeds, classes)).to(device) if classes else None
    with torch.no_grad():
        return PixelGenerator(G).eval()(z, label).cpu().numpy()


def train_gan(c: GanConfig) -> None:
    """Trains, or goes on training, the run in c.out. Raises TrainingError."""
    check(c)
    device = pick_device(c.device)
    pictures = load(c)
    c = resolve(c, pictures)
    data = pictures.facts | {"classes": list(pictures.classes) if c.conditional else []}
    real_pictures = hold_out(pictures, c.validation)[0].to(device)
    introduce(pictures, len(real_pictures), device)

    torch.manual_seed(c.seed)
    G, D = (net.to(device, memory_format=torch.channels_last) for net in make_gan(c, len(data["classes"])))
    G_ema = copy.deepcopy(G).requires_grad_(False)
    fused = device.type != "mps"
    G_opt = torch.optim.Adam(G.parameters(), c.lr_g, (c.beta1, c.beta2), fused=fused)
    D_opt = torch.optim.Adam(D.parameters(), c.lr_d, (c.beta1, c.beta2), fused=fused)
    critic_loss, generator_loss = GAN_LOSSES[c.loss]
    K = G.classes

    def play(real: Tensor, label: Tensor | None) -> Losses:
        # Critic: real up, fake down.
        with autocast(c, device):
            fake = G(torch.randn(c.batch, c.latent_dim, device=device), label)
            real_logits, fake_logits = D(real, label), D(fake.detach(), label)
        D_loss = critic_loss(real_logits.float(), fake_logits.float())
        D_opt.zero_grad()
        D_loss.backward()
        D_opt.step()

        # Generator: fake up, by the critic that has just learnt.
        with autocast(c, device):
            fooled_logits = D(fake, label)
        G_loss = generator_loss(fooled_logits.float())
        G_opt.zero_grad()
        G_loss.backward()
        G_opt.step()
        scores = {"D_real": real_logits.detach().float().mean(), "D_fake": fake_logits.detach().float().mean()}
        return {"D_loss": D_loss.detach(), "G_loss": G_loss.detach()} | scores

    def update(step: int) -> Losses:
        real, label = real_pictures.batch(c.batch)
        losses = play(real.to(memory_format=torch.channels_last), label if K else None)
        average(G_ema, G, c.ema, step)
        return losses

    def report(step: int) -> tuple[dict, np.ndarray]:
        pixels = draw(G_ema, GRID_SEEDS, K, device)
        return {}, sheet(pixels, columns=K if 1 < K <= 16 else 8)

    run = Run(c, data, {"G": G, "D": D, "G_ema": G_ema, "G_opt": G_opt, "D_opt": D_opt}, device)
    train(run, update, report)


def cli(argv: list[str] | None = None) -> None:
    parser = make_parser(GanConfig, "python -m dcgan.train_gan", __doc__.splitlines()[0])
    c = from_args(GanConfig, parser.parse_args(argv))
    main(parser, lambda: train_gan(c))


if __name__ == "__main__":
    cli()
