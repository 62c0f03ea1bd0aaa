"""Directions to steer a generator along, read off its first layer; no picture is looked at and nothing is trained.

Shen and Zhou, Closed-form factorization of latent semantics in GANs, 2021, section 3.2: the unit directions n of the
latents that the first layer A moves most, |A n|^2, are the eigenvectors of A^T A with the largest eigenvalues. Nobody
has said what they mean; they are numbered.
"""

import torch
from torch import nn

from dcgan.models import Generator

MOST = 8
DECIMALS = 4  # a direction's length stays 1 to three decimals


def directions_of(generator: nn.Module, most: int = MOST) -> dict | None:
    """`vectors` K,Z of length 1, the strongest first, and the `share` of the first layer's response that each has.

    A is the first convolution with the BatchNorm after it, over the latents alone (not the class). None for a generator
    that does not begin with one: the hourglass's first layer looks at small places of its noise, each like the others.
    """
    if not isinstance(generator, Generator):
        return None
    layer, norm = generator.layers[:2]
    with torch.no_grad():
        gain = norm.weight / (norm.running_var + norm.eps).sqrt()
        A = (layer.weight[: generator.latent_dim] * gain[:, None, None]).double().flatten(1)  # Z, C*b*b
        strengths, vectors = torch.linalg.eigh(A @ A.T)  # ascending; columns
    strengths, vectors = strengths.flip(0).clamp(min=0), vectors.T.flip(0)
    vectors = vectors * vectors.gather(1, vectors.abs().argmax(1, keepdim=True)).sign()  # or the sign would be chance
    K = min(most, generator.latent_dim)
    return {
        "vectors": [[round(number, DECIMALS) for number in vector] for vector in vectors[:K].tolist()],
        "share": [round(share, DECIMALS) for share in (strengths[:K] / strengths.sum()).tolist()],
    }
