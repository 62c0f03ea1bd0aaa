"""Where a verdict comes from: learnt by blurring places."""

import numpy as np
import pytest
import torch
from processes import one_thread  # noqa: F401 - a fixture
from torch import Tensor, nn
from torch.nn import functional as F

from dcgan import attribution
from dcgan.pixels import PixelDCNN, on_arrays, to_levels
from dcgan.verdicts import deletion_ratio

pytestmark = pytest.mark.usefixtures("one_thread")


class Rumour(nn.Module):
    """A DCNN that takes grain for real, wherever it is, and whose last features tell of it in every place alike."""

    image_size, channels, class_head = 16, 1, None

    def __init__(self):
        super().__init__()
        self.real_head = nn.Linear(1, 1)

    def stages(self, images: Tensor) -> list[Tensor]:
        grain = F.avg_pool2d((images - F.avg_pool2d(images, 3, 1, 1)).abs(), 4)
        return [grain, grain.mean((2, 3), keepdim=True).expand_as(grain)]

    def pool(self, features: Tensor) -> Tensor:
        return features.mean((2, 3))

    def evidence(self, features: Tensor) -> Tensor:
        return 100 * features[:, 0] - 2

    def forward(self, images: Tensor) -> tuple[Tensor, None]:
        return self.evidence(self.stages(images)[-1]).mean((1, 2)), None


def grainy(n: int) -> Tensor:
    """Images n,1,16,16: grain in one of 4 x 4 places, another one in each."""
    place = F.one_hot(torch.randint(16, (n,)), 16).view(n, 1, 4, 4).float()
    return (torch.rand(n, 1, 16, 16) * 2 - 1) * F.interpolate(place, (16, 16))


def places_of(images: Tensor) -> list[int]:
    """Which of the places of images N,1,16,16 has grain."""
    return F.avg_pool2d(images.abs(), 4).flatten(1).argmax(1).tolist()


def test_the_evidence_is_found_where_the_verdict_hangs():
    torch.manual_seed(0)
    network = Rumour().eval()
    weights = attribution.learn(network, {}, grainy, 16)
    images = grainy(100)
    pixels = to_levels(images).permute(0, 2, 3, 1).expand(-1, -1, -1, 3).numpy()
    plain, attributed = on_arrays(PixelDCNN(network)), on_arrays(PixelDCNN(network, attribution=weights))
    assert np.ptp(plain(pixels)["evidence"], (1, 2)).max() < 1e-5
    found = attributed(pixels)["evidence"].reshape(100, 16).argmax(1)
    assert np.mean(found == places_of(images)) > 0.95
    assert deletion_ratio(attributed, pixels, 0.5) > 2 * deletion_ratio(plain, pixels, 0.5)


def test_a_look_tells_what_blurring_a_fifth_of_the_places_takes_off_the_logit():
    torch.manual_seed(0)
    network, images = Rumour().eval(), grainy(64)
    features, gone, moved = attribution.look(network, images)
    assert (features.shape, features.dtype) == ((64, 2, 4, 4), torch.float16)
    assert (gone.shape, moved.shape) == ((64, attribution.TRIALS, 4, 4), (64, attribution.TRIALS))
    assert (gone.sum((2, 3)) == 3).all()  # of 16
    at_it = gone.flatten(2)[torch.arange(64), :, places_of(images)]
    assert moved[at_it].min() > 0.5
    assert moved[~at_it].abs().mean() < 0.1 * moved[at_it].mean()  # neighbours touch the grain at its border


def test_the_same_looks_teach_the_same():
    found = []
    for _ in range(2):
        torch.manual_seed(3)
        found.append(attribution.learn(Rumour().eval(), {}, grainy, 2))
    assert all(torch.equal(found[0][name], found[1][name]) for name in found[0])


def test_a_verdict_that_hangs_on_nothing_has_flat_evidence():
    """No change was ever seen: no division by its size, and no place says more than another."""
    torch.manual_seed(0)
    weights = attribution.learn(Rumour().eval(), {}, lambda n: torch.zeros(n, 1, 16, 16), 2)
    assert all(value.isfinite().all() for value in weights.values())
    out = on_arrays(PixelDCNN(Rumour(), attribution=weights))(np.full((2, 16, 16, 3), 128, np.uint8))
    assert np.ptp(out["evidence"], (1, 2)).max() < 1e-3
