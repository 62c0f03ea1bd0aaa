"""The networks.

DCGAN: Radford, Metz and Chintala, Unsupervised representation learning with deep convolutional generative adversarial
networks, 2015, section 3 and figure 1. Projection: Miyato and Koyama, cGANs with projection discriminator, 2018.
Spectral normalisation: Miyato et al., Spectral normalization for generative adversarial networks, 2018.
Class-activation maps: Zhou et al., Learning deep features for discriminative localization, 2016.
Recogniser: Jordan, 94% on CIFAR-10 in 3.29 seconds on a single GPU, 2024, section 3.
"""

from collections.abc import Callable
from functools import partial
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm

from dcgan.config import DcnnConfig, GanConfig, image_size_factors

LEAST_VARIANCE = 1e-4  # of pixels in [-1, 1]: what varies less in patches is noise, and not made louder
EMBEDDING = 32  # numbers by which a generator is told the class
LEAK = 0.2
ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "leaky-relu": partial(nn.LeakyReLU, LEAK),
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
    "gelu": nn.GELU,
}


def init_weights(module: nn.Module) -> None:
    """Radford et al. 2015, section 4: weights from N(0, 0.02); BatchNorm's gain around 1."""
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
        nn.init.normal_(module.weight, 0.0, 0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.normal_(module.weight, 1.0, 0.02)


def normalise_spectrally(network: nn.Module) -> None:
    """Each layer is divided by its largest singular value: the critic cannot become steep (Miyato et al. 2018)."""
    for module in [m for m in network.modules() if isinstance(m, nn.Conv2d | nn.Linear)]:
        spectral_norm(module)


def keep_scale(module: nn.Module) -> None:
    """He et al., Delving deep into rectifiers, 2015, section 2.2: what a layer gives is as large as what it takes."""
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, LEAK)


class Generator(nn.Module):
    """Latents N,Z (and label N)  ->  images N,C,S,S in [-1, 1]."""

    def __init__(
        self, image_size: int = 64, latent_dim: int = 100, width: int = 64, channels: int = 3, classes: int = 0
    ):
        super().__init__()
        base, doublings = image_size_factors(image_size)
        self.image_size, self.latent_dim, self.channels, self.classes = image_size, latent_dim, channels, classes
        self.embedding = nn.Embedding(classes, EMBEDDING) if classes else None
        widths = [width << i for i in reversed(range(doublings))]
        seed_dim = latent_dim + (EMBEDDING if classes else 0)
        layers = [nn.ConvTranspose2d(seed_dim, widths[0], base, bias=False), nn.BatchNorm2d(widths[0]), nn.ReLU()]
        for a, b in pairwise(widths):
            layers += [nn.ConvTranspose2d(a, b, 4, 2, 1, bias=False), nn.BatchNorm2d(b), nn.ReLU()]
        self.layers = nn.Sequential(*layers, nn.ConvTranspose2d(widths[-1], channels, 4, 2, 1, bias=False), nn.Tanh())
        self.apply(init_weights)

    def forward(self, z: Tensor, label: Tensor | None = None) -> Tensor:
        if self.embedding is not None:
            z = torch.cat([z, self.embedding(label)], 1)
        return self.layers(z[:, :, None, None])


class Discriminator(nn.Module):
    """Images N,C,S,S (and label N)  ->  logits N, positive for real. The GAN's critic.

    norm: `batch` as in the paper; `spectral`: every layer's largest singular value held at 1; `none`: weights that keep
    the signal's scale at the start, for a critic that a gradient penalty holds. extra: 3x3 convolutions after each
    strided one.
    """

    def __init__(
        self,
        image_size: int = 64,
        width: int = 64,
        channels: int = 3,
        classes: int = 0,
        norm: str = "batch",
        extra: int = 0,
    ):
        super().__init__()
        base, doublings = image_size_factors(image_size)
        self.image_size, self.channels, self.classes = image_size, channels, classes
        plain = norm != "batch"  # BatchNorm has its own bias
        layers: list[nn.Module] = []
        widths = [width << i for i in range(doublings)]
        for a, b in pairwise([channels, *widths]):
            layers += [nn.Conv2d(a, b, 4, 2, 1, bias=plain), nn.BatchNorm2d(b), nn.LeakyReLU(LEAK)]
            for _ in range(extra):
                layers += [nn.Conv2d(b, b, 3, padding=1, bias=plain), nn.BatchNorm2d(b), nn.LeakyReLU(LEAK)]
        del layers[1]  # the paper's critic has no BatchNorm at its input layer
        self.layers = nn.Sequential(*(m for m in layers if not (plain and isinstance(m, nn.BatchNorm2d))))
        self.head = nn.Conv2d(widths[-1], 1, base, bias=plain)
        self.apply(init_weights)
        self.projection = class_projection(classes, widths[-1])
        if norm == "none":
            self.apply(keep_scale)
        if norm == "spectral":
            normalise_spectrally(self)

    def forward(self, images: Tensor, label: Tensor | None = None) -> Tensor:
        features = self.layers(images)
        return self.head(features).flatten() + project(self.projection, features, label)


class HourglassGenerator(nn.Module):
    """Noise pictures (latents N,S*S) (and label N)  ->  images N,C,S,S in [-1, 1]: the hourglass.

    Four strided convolutions squeeze the noise, four transposed ones unfold it, to a multiple of 16 pixels, of which
    the middle is the picture. A class is a second noise picture.
    """

    def __init__(self, image_size: int = 64, width: int = 64, channels: int = 3, classes: int = 0):
        super().__init__()
        image_size_factors(image_size)
        self.image_size, self.latent_dim, self.channels, self.classes = image_size, image_size**2, channels, classes
        self.embedding = nn.Embedding(classes, image_size**2) if classes else None
        widths = [2 * width, 4 * width, 8 * width, 16 * width]
        layers: list[nn.Module] = []
        for a, b in pairwise([2 if classes else 1, *widths]):
            layers += [nn.Conv2d(a, b, 5, 2, 2, bias=False), nn.BatchNorm2d(b), nn.LeakyReLU(LEAK)]
        for a, b in pairwise([widths[-1], *reversed(widths)]):
            layers += [nn.ConvTranspose2d(a, b, 4, 2, 1, bias=False), nn.BatchNorm2d(b), nn.LeakyReLU(LEAK)]
        self.layers = nn.Sequential(*layers, nn.Conv2d(widths[0], channels, 5, padding=2), nn.Tanh())
        self.margin = (-image_size % 16) // 2
        self.apply(init_weights)

    def forward(self, z: Tensor, label: Tensor | None = None) -> Tensor:
        noise = z.unflatten(1, (1, self.image_size, self.image_size))
        if self.embedding is not None:
            noise = torch.cat([noise, self.embedding(label).unflatten(1, noise.shape[1:])], 1)
        middle = slice(self.margin, self.margin + self.image_size)
        return self.layers(noise)[:, :, middle, middle]


class HourglassDiscriminator(nn.Module):
    """Images N,C,S,S (and label N)  ->  logits N: four strided convolutions, one dense unit. The hourglass's critic.

    norm: `spectral`, or none: it never has BatchNorm.
    """

    def __init__(self, image_size: int = 64, width: int = 64, channels: int = 3, classes: int = 0, norm: str = "none"):
        super().__init__()
        image_size_factors(image_size)
        self.image_size, self.channels, self.classes = image_size, channels, classes
        widths = [2 * width, 4 * width, 8 * width, 16 * width]
        layers: list[nn.Module] = []
        for a, b in pairwise([channels, *widths]):
            layers += [nn.Conv2d(a, b, 5, 2, 2), nn.LeakyReLU(LEAK)]
        self.layers = nn.Sequential(*layers)
        self.head = nn.Linear(widths[-1] * (-(-image_size // 16)) ** 2, 1)
        self.apply(init_weights)
        self.projection = class_projection(classes, widths[-1])
        if norm == "spectral":
            normalise_spectrally(self)

    def forward(self, images: Tensor, label: Tensor | None = None) -> Tensor:
        features = self.layers(images)
        return self.head(features.flatten(1)).flatten() + project(self.projection, features, label)


def class_projection(classes: int, width: int) -> nn.Embedding | None:
    """Zero at first: the critic begins without an opinion on classes."""
    return nn.Embedding.from_pretrained(torch.zeros(classes, width), freeze=False) if classes else None


def project(embedding: nn.Embedding | None, features: Tensor, label: Tensor | None) -> Tensor | float:
    """<embedding of the class, summed features>: how well a picture fits its class. Logits N, or 0 without classes."""
    return 0.0 if embedding is None else (embedding(label) * features.sum((2, 3))).sum(1)


class DCNN(nn.Module):
    """Images N,C,S,S  ->  logit of real N and logits of classes N,K (None for a head that it lacks).

    Convolution, BatchNorm, activation and max pooling in stages, then residual blocks, where features are widest and
    places fewest; one global average pooling; a fully connected layer a head.
    As pooling and a fully connected layer commute, `evidence` is the same logit before the mean over places is taken.
    """

    def __init__(
        self,
        image_size: int = 64,
        width: int = 32,
        channels: int = 3,
        classes: int = 0,
        dropout: float = 0.0,
        judges_reality: bool = True,
        blocks: int = 0,
        activation: str = "relu",
    ):
        super().__init__()
        self.image_size, self.channels, self.classes = image_size, channels, classes
        stages, side = [nn.Sequential(*convolutions(channels, width, activation))], image_size
        while side > 8:
            stages.append(nn.Sequential(nn.MaxPool2d(2), *convolutions(width, 2 * width, activation)))
            width, side = 2 * width, side // 2
        self.features = nn.Sequential(*stages, *(Residual(width, activation) for _ in range(blocks)))
        self.dropout = nn.Dropout(dropout)
        self.real_head = nn.Linear(width, 1) if judges_reality else None
        self.class_head = nn.Linear(width, classes) if classes else None

    def forward(self, images: Tensor) -> tuple[Tensor | None, Tensor | None]:
        pooled = self.dropout(self.seen(images))
        real = self.real_head(pooled).flatten() if self.real_head is not None else None
        return real, self.class_head(pooled) if self.class_head is not None else None

    def seen(self, images: Tensor) -> Tensor:
        """What the heads see, N,F."""
        return self.pool(self.features(images))

    def stages(self, images: Tensor) -> list[Tensor]:
        """What each stage and each residual block makes of images N,C,S,S: features N,F,h,w, the last ones last."""
        found = [images]
        for stage in self.features:
            found.append(stage(found[-1]))
        return found[1:]

    def pool(self, features: Tensor) -> Tensor:
        """Features N,F,h,w of the last stage -> what the heads see, N,F."""
        return features.mean((2, 3))

    def evidence(self, features: Tensor) -> Tensor:
        """Features N,F,h,w -> each place's say N,h,w; its mean is the logit of real (Zhou et al. 2016, section 2)."""
        return F.conv2d(features, self.real_head.weight[:, :, None, None], self.real_head.bias).squeeze(1)


def convolutions(a: int, b: int, activation: str) -> list[nn.Sequential]:
    """Two 3x3 convolutions, a channels to b and b to b, each with its BatchNorm and activation."""
    return [
        nn.Sequential(nn.Conv2d(n, b, 3, padding=1, bias=False), nn.BatchNorm2d(b), ACTIVATIONS[activation]())
        for n in (a, b)
    ]


class Residual(nn.Module):
    """Features N,C,h,w and a correction to them: He et al., Deep residual learning for image recognition, 2016, 3.1."""

    def __init__(self, width: int, activation: str, last: bool = False):
        """last: whether the second activation is that of the sum, so that a correction can take away, too."""
        super().__init__()
        first, second = convolutions(width, width, activation)
        self.correction = nn.Sequential(first, second)
        self.activation = second.pop(-1) if last else nn.Identity()

    def forward(self, features: Tensor) -> Tensor:
        return self.activation(features + self.correction(features))


class Recogniser(nn.Module):
    """Images N,C,S,S  ->  None, for it judges no reality, and logits of classes N,K; a DCNN for classes alone.

    The pixels of each 2 x 2 patch, made independent of each other and of one size; then groups of two convolutions, the
    first of which is pooled at once, for speed, down to 3 x 3 places or fewer, of which the strongest counts. Residual
    blocks, where there are any, take the place of a group's second convolution.
    """

    real_head = None

    def __init__(
        self,
        image_size: int = 32,
        width: int = 64,
        channels: int = 3,
        classes: int = 10,
        dropout: float = 0.0,
        blocks: int = 0,
        activation: str = "gelu",
        mirrors: bool = True,
    ):
        """mirrors: whether it learns from mirrored pictures, too."""
        super().__init__()
        self.image_size, self.channels, self.classes, self.mirrors = image_size, channels, classes, mirrors
        patch = 8 * channels  # both signs of each of its numbers
        self.whitening = nn.Conv2d(channels, patch, 2)
        self.whitening.weight.requires_grad_(False)
        groups, features = self.groups(image_size - 1, patch, width, blocks, activation)
        self.features = nn.Sequential(nn.Sequential(self.whitening, ACTIVATIONS[activation]()), *groups)
        self.dropout = nn.Dropout(dropout)
        self.class_head = nn.Linear(features, classes, bias=False)
        self.apply(begin_as_identity)

    def groups(self, side: int, before: int, width: int, blocks: int, activation: str) -> tuple[list[nn.Module], int]:
        """What follows on features N,before,side,side; and how many features it ends with."""
        stages: list[nn.Module] = []
        after = width
        while side > 3:
            first, second = convolutions(before, after, activation)
            first.insert(1, nn.MaxPool2d(2))
            stages.append(nn.Sequential(first) if blocks else nn.Sequential(first, second))
            stages += [Residual(after, activation) for _ in range(blocks)]
            side, before, after = side // 2, after, 4 * width
        return stages, before

    def forward(self, images: Tensor) -> tuple[None, Tensor]:
        return None, self.class_head(self.dropout(self.pool(self.features(images))))

    def recognise(self, images: Tensor) -> Tensor:
        """Logits N,K, of what is `seen`."""
        return self.class_head(self.seen(images))

    def seen(self, images: Tensor) -> Tensor:
        """What the head sees, N,F; of a picture and its mirror image the mean, where it has learnt from both."""
        if not self.mirrors:
            return self.pool(self.features(images))
        both = self.pool(self.features(torch.cat([images, images.flip(3)])))
        return both.unflatten(0, (2, -1)).mean(0)

    stages = DCNN.stages

    def pool(self, features: Tensor) -> Tensor:
        """Features N,F,h,w of the last stage -> what the head sees, N,F; small, so that it begins undecided."""
        return features.amax((2, 3)) / 9

    @torch.no_grad()
    def whiten(self, images: Tensor) -> None:
        """Takes from images N,C,S,S how the pixels of a patch vary together, which is not learnt any further."""
        patches = F.unfold(images, 2).transpose(1, 2).flatten(0, 1)
        mean = patches.mean(0)
        values, vectors = torch.linalg.eigh((patches - mean).T @ (patches - mean) / len(patches))
        independent = (vectors / (values + LEAST_VARIANCE).sqrt()).T
        both = torch.cat([independent, -independent])
        self.whitening.weight.copy_(both.view_as(self.whitening.weight))
        self.whitening.bias.copy_(-both @ mean)


class Resnet(Recogniser):
    """A recogniser that is thinner, deeper and slower to learn: it looks at every place of the picture before it pools.

    He et al. 2016, section 4.2: a convolution and residual blocks, at first of few channels, of twice as many after
    each pooling, down to 7 x 7 places or fewer, of which the mean counts.
    """

    def groups(self, side: int, before: int, width: int, blocks: int, activation: str) -> tuple[list[nn.Module], int]:
        stages: list[nn.Module] = []
        while True:
            first, _ = convolutions(before, width, activation)
            if stages:
                first.insert(1, nn.MaxPool2d(2))
                side //= 2
            stages += [nn.Sequential(first), *(Residual(width, activation, last=True) for _ in range(blocks))]
            if side <= 7:
                return stages, width
            before, width = width, 2 * width

    pool = DCNN.pool


RECOGNISERS = {"recogniser": Recogniser, "resnet": Resnet}


def begin_as_identity(module: nn.Module) -> None:
    """Each convolution passes on what it gets, as far as it has the channels; BatchNorm does not scale it again."""
    if isinstance(module, nn.Conv2d) and module.padding == (1, 1):
        nn.init.dirac_(module.weight[: module.in_channels])
    elif isinstance(module, nn.BatchNorm2d):
        module.weight.requires_grad_(False)


def make_gan(c: GanConfig, classes: int) -> tuple[nn.Module, nn.Module]:
    """Generator and critic of a resolved configuration."""
    if c.architecture == "hourglass":
        sizes = {"image_size": c.image_size, "width": c.width, "channels": c.channels, "classes": classes}
        return HourglassGenerator(**sizes), HourglassDiscriminator(**sizes, norm=c.critic_norm)
    return (
        Generator(c.image_size, c.latent_dim, c.width, c.channels, classes),
        Discriminator(c.image_size, c.critic_width or c.width, c.channels, classes, c.critic_norm, c.critic_extra),
    )


def make_dcnn(c: DcnnConfig, classes: int) -> DCNN | Recogniser:
    """The classifier of a resolved configuration; it judges reality if it has fakes to learn from."""
    sizes = {"image_size": c.image_size, "width": c.width, "channels": c.channels, "classes": classes}
    sizes |= {"dropout": c.dropout, "blocks": c.blocks, "activation": c.activation}
    if c.architecture in RECOGNISERS:
        return RECOGNISERS[c.architecture](**sizes, mirrors=c.augment in ("flip", "turns", "cut", "mix"))
    return DCNN(**sizes, judges_reality=bool(c.gan))
