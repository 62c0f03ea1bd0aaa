"""The networks: what goes in, what comes out, how large they are, and how they begin."""

import pytest
import torch
from torch import nn

from dcgan.config import DcnnConfig, GanConfig, TrainingError
from dcgan.models import (
    ACTIVATIONS,
    DCNN,
    Discriminator,
    Generator,
    HourglassDiscriminator,
    HourglassGenerator,
    Recogniser,
    Resnet,
    make_dcnn,
    make_gan,
)

SIZES = [8, 12, 28, 32, 40, 48, 64, 96]


def parameters(network: torch.nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("classes", [0, 3])
def test_a_gan_of_every_size_turns_latents_into_images_and_images_into_logits(size, channels, classes):
    torch.manual_seed(0)
    label = torch.tensor([0, 2]) if classes else None
    images = Generator(size, 5, 2, channels, classes)(torch.randn(2, 5), label)
    assert images.shape == (2, channels, size, size)
    assert images.abs().max() <= 1
    assert Discriminator(size, 2, channels, classes)(images, label).shape == (2,)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("classes", [0, 3])
def test_an_hourglass_of_every_size_turns_noise_pictures_into_images_and_images_into_logits(size, channels, classes):
    torch.manual_seed(0)
    label = torch.tensor([0, 2]) if classes else None
    G = HourglassGenerator(size, 2, channels, classes)
    assert G.latent_dim == size * size
    images = G(torch.randn(2, size * size), label)
    assert images.shape == (2, channels, size, size)
    assert images.abs().max() <= 1
    assert HourglassDiscriminator(size, 2, channels, classes)(images, label).shape == (2,)


@pytest.mark.parametrize("network", [Generator, Discriminator, HourglassGenerator, HourglassDiscriminator])
@pytest.mark.parametrize(("size", "near"), [(30, "28, 32"), (100, "96, 112"), (7, "8"), (0, "8"), (36, "32, 40")])
def test_a_size_that_cannot_be_built_is_refused_with_near_ones(network, size, near):
    with pytest.raises(TrainingError, match=f"--image-size {size} cannot be built.*such as.*{near}"):
        network(size)


def test_the_64_pixel_networks_are_as_large_as_those_of_the_pytorch_examples():
    assert parameters(Generator(64, 100, 64, 3)) == 3_576_704
    assert parameters(Discriminator(64, 64, 3)) == 2_765_568


@pytest.mark.parametrize("kind", [Generator, HourglassGenerator])
def test_a_class_changes_the_picture(kind):
    torch.manual_seed(0)
    G = kind(image_size=16, width=4, channels=1, classes=4).eval()
    z = torch.randn(1, G.latent_dim).expand(4, -1)
    with torch.no_grad():
        images = G(z, torch.arange(4))
        again = G(z, torch.zeros(4, dtype=torch.int64))
    differences = (images[:, None] - images[None]).abs().amax((2, 3, 4))
    assert (differences[~torch.eye(4, dtype=torch.bool)] > 0).all()
    assert torch.allclose(again, again[:1])


@pytest.mark.parametrize("kind", [Discriminator, HourglassDiscriminator])
def test_a_critic_begins_without_an_opinion_on_classes_and_can_form_one(kind):
    torch.manual_seed(0)
    D = kind(image_size=16, width=4, channels=1, classes=3).eval()
    images = torch.rand(1, 1, 16, 16).expand(3, -1, -1, -1)
    logits = D(images, torch.arange(3))
    assert torch.allclose(logits, logits[:1])
    logits[1].backward()
    slopes = D.projection.weight.grad.abs().sum(1)
    assert slopes[1] > 0
    assert slopes[[0, 2]].tolist() == [0, 0]


def test_dcgan_weights_begin_small_and_batchnorm_near_one():
    torch.manual_seed(0)
    G = Generator(32, 100, 32, 3)
    for layer in G.layers:
        if isinstance(layer, torch.nn.ConvTranspose2d):
            assert layer.weight.std().item() == pytest.approx(0.02, rel=0.05)
        if isinstance(layer, torch.nn.BatchNorm2d):
            assert layer.weight.mean().item() == pytest.approx(1, abs=0.02)
            assert layer.bias.abs().max() == 0


def test_the_outer_layers_have_no_batchnorm():
    assert not any(isinstance(layer, torch.nn.BatchNorm2d) for layer in Discriminator(32, 4).layers[:2])


@pytest.mark.parametrize("norm", ["spectral", "none"])
@pytest.mark.parametrize("extra", [0, 1])
def test_a_modern_critic_judges_each_picture_alone(norm, extra):
    torch.manual_seed(0)
    D, images = Discriminator(16, 4, 3, norm=norm, extra=extra).eval(), torch.randn(6, 3, 16, 16)
    assert not any(isinstance(layer, torch.nn.BatchNorm2d) for layer in D.modules())
    D.train()
    with torch.no_grad():
        D(images)
        D.eval()
        assert torch.allclose(D(images)[:2], D(images[:2]), atol=1e-5)


@pytest.mark.parametrize("network", [Discriminator, HourglassDiscriminator])
def test_a_spectral_critic_stretches_no_direction(network):
    torch.manual_seed(0)
    D = network(16, 8, 3, norm="spectral")
    for _ in range(50):
        D(torch.randn(2, 3, 16, 16))
    for layer in D.modules():
        if isinstance(layer, torch.nn.Conv2d | torch.nn.Linear):
            assert torch.linalg.matrix_norm(layer.weight.flatten(1), 2).item() == pytest.approx(1, abs=0.05)


def test_a_critic_without_norm_keeps_the_scale_of_what_it_sees():
    torch.manual_seed(0)
    D, images = Discriminator(32, 32, 3, norm="none"), torch.randn(16, 3, 32, 32)
    assert 0.5 < D.layers(images).square().mean().sqrt().item() < 2
    assert not any(isinstance(layer, torch.nn.BatchNorm2d) for layer in Generator(32, 8, 4).layers[-2:])


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("channels", [1, 3])
def test_a_dcnn_of_every_size_judges_reality_and_class(size, channels):
    real, classes = DCNN(size, 2, channels, classes=5)(torch.rand(2, channels, size, size))
    assert real.shape == (2,)
    assert classes.shape == (2, 5)


def test_a_dcnn_without_a_head_lacks_that_output():
    images = torch.rand(2, 3, 16, 16)
    real, classes = DCNN(16, 2, classes=0)(images)
    assert real.shape == (2,)
    assert classes is None
    real, classes = DCNN(16, 2, classes=4, judges_reality=False)(images)
    assert real is None
    assert classes.shape == (2, 4)


def test_a_dcnn_pools_down_to_between_four_and_eight_places():
    for size in SIZES:
        assert 4 <= DCNN(size, 2).features(torch.rand(1, 3, size, size)).shape[-1] <= 8


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_a_dcnn_has_the_activation_that_is_asked_for(activation):
    network = make_dcnn(DcnnConfig(image_size=16, channels=1, width=2, activation=activation), 3)
    kind = type(ACTIVATIONS[activation]())
    of_any_kind = nn.ReLU | nn.LeakyReLU | nn.Tanh | nn.Sigmoid | nn.GELU
    kinds = [type(m) for m in network.modules() if isinstance(m, of_any_kind)]
    assert kinds == [kind] * sum(isinstance(m, nn.Conv2d) for m in network.modules())


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("blocks", [0, 2])
def test_a_recogniser_of_every_size_tells_classes_from_few_places(size, channels, blocks):
    network = Recogniser(size, 2, channels, classes=5, blocks=blocks)
    real, classes = network(torch.rand(2, channels, size, size))
    assert real is None
    assert classes.shape == (2, 5)
    assert 1 <= network.stages(torch.rand(2, channels, size, size))[-1].shape[-1] <= 3


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("channels", [1, 3])
def test_a_resnet_looks_at_every_place_first_and_its_channels_double(size, channels):
    images = torch.rand(2, channels, size, size)
    network = Resnet(size, 2, channels, classes=5, blocks=2)
    assert network(images)[1].shape == (2, 5)
    shapes = [stage.shape[1:] for stage in network.stages(images)[1:]]
    groups = shapes[::3]  # of a convolution and two blocks each
    assert groups == [(2 * 2**i, (size - 1) >> i, (size - 1) >> i) for i in range(len(groups))]
    assert [shape for shape in groups for _ in range(3)] == shapes
    assert [side <= 7 for _, side, _ in groups] == [False] * (len(groups) - 1) + [True]


def test_a_resnets_corrections_take_away_too():
    torch.manual_seed(0)
    block = Resnet(16, 4, 1, classes=5, blocks=1, activation="relu").features[2]
    features = torch.rand(2, 4, 5, 5)
    assert block.correction(features).min() < 0
    assert torch.equal(block(features), (features + block.correction(features)).relu())


def test_a_recogniser_sees_independent_numbers_of_one_size():
    torch.manual_seed(0)
    coarse = torch.rand(200, 3, 4, 4).repeat_interleave(4, 2).repeat_interleave(4, 3)  # neighbours are alike
    images = (coarse + 0.5 * torch.rand(200, 3, 16, 16)) * torch.tensor([1.0, 0.6, 0.4])[:, None, None]
    network = Recogniser(16, 2, 3, classes=5)
    network.whiten(images)
    found = network.whitening(images).transpose(0, 1).flatten(1)
    assert torch.allclose(found[:12], -found[12:], atol=1e-4)
    assert found.mean(1).abs().max() < 0.01
    assert (torch.cov(found[:12]) - torch.eye(12)).abs().max() < 0.1


def test_a_recogniser_begins_by_passing_on_what_it_sees():
    convolution = Recogniser(16, 8, 1, classes=5).features[1][0][0]
    images = torch.rand(2, 8, 7, 7)
    assert torch.equal(convolution(images)[:, :8], images)


def test_a_recogniser_that_learns_from_mirrored_pictures_looks_at_both_sides():
    images = torch.rand(3, 1, 16, 16)
    for augment, mirrors in (("turns", True), ("cut", True), ("mix", True), ("shift", False), ("none", False)):
        c = DcnnConfig(architecture="recogniser", image_size=16, channels=1, width=4, augment=augment)
        network = make_dcnn(c, 5).eval()
        there, back = network.recognise(images), network.recognise(images.flip(3))
        assert torch.allclose(there, back, atol=1e-5) == mirrors
        assert torch.allclose(there, network(images)[1], atol=1e-5) != mirrors


def test_dropout_acts_in_training_only():
    torch.manual_seed(0)
    network, images = DCNN(8, 8, dropout=0.5), torch.rand(2, 3, 8, 8)
    assert not torch.equal(network(images)[0], network(images)[0])
    network.eval()
    assert torch.equal(network(images)[0], network(images)[0])


def test_the_configuration_decides_what_is_built():
    c = GanConfig(image_size=16, channels=1, width=2, latent_dim=6)
    G, D = make_gan(c, classes=0)
    assert (type(G), type(D), G.latent_dim, G.channels, G.classes) == (Generator, Discriminator, 6, 1, 0)
    G, D = make_gan(GanConfig(image_size=16, channels=1, width=2, architecture="hourglass"), classes=2)
    assert (type(G), type(D), G.classes) == (HourglassGenerator, HourglassDiscriminator, 2)
    assert make_dcnn(DcnnConfig(image_size=16, channels=1, width=2, gan=("a",)), 0).real_head is not None
    assert make_dcnn(DcnnConfig(image_size=16, channels=1, width=2), 3).real_head is None
