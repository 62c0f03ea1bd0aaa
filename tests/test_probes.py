"""A probe learns what there is to learn; the SVM is the one that its loss defines."""

import pytest
import torch

from dcgan import probes
from dcgan.config import DcnnConfig, RunConfig
from dcgan.data import Pictures, load
from dcgan.models import Discriminator
from dcgan.pixels import to_images

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def training(toy_pictures):
    return load(RunConfig(data=str(toy_pictures)))


@pytest.fixture(scope="module")
def test(toy_pictures):
    return load(RunConfig(data=str(toy_pictures)), "test")


@pytest.fixture
def features(training, tmp_path, monkeypatch):
    monkeypatch.setattr(probes, "CHUNK", 50)
    torch.manual_seed(0)
    return probes.FeatureFile(tmp_path / "features", Discriminator(16, 4, 1).eval(), training, CPU)


def test_a_dcnn_learns_from_pictures_in_memory_and_is_the_same_each_time(training, test):
    c = DcnnConfig(out="-", image_size=16, channels=1, width=8, batch=32, steps=40)
    once, again = (probes.classification_accuracy(training, test, c, CPU) for _ in range(2))
    assert once == again > 0.9


def test_wrong_labels_teach_the_wrong_thing(training, test):
    c = DcnnConfig(out="-", image_size=16, channels=1, width=8, batch=32, steps=40)
    swapped = Pictures(training.images, 1 - training.labels, training.classes, training.facts)
    assert probes.classification_accuracy(swapped, test, c, CPU) < 0.1


def test_features_are_of_every_layer_in_4_by_4_places(training):
    critic = Discriminator(16, 4, 1).eval()
    images = to_images(training.images[:3])
    first = critic.layers[1](critic.layers[0](images))
    found = probes.critic_features(critic, images)
    assert found.shape == (3, 16 * (4 + 8))
    # Of the first layer's first unit, the upper left of 4 x 4 places: the most it says in its 2 x 2 pixels.
    torch.testing.assert_close(found[:, 0], first[:, 0, :2, :2].amax((1, 2)))


def test_features_in_a_file_are_standardised_in_any_chunks(features, training):
    x = torch.cat([x for x, _ in features])
    assert x.shape == (128, features.width)
    labels = torch.cat([label for _, label in features])
    assert torch.equal(labels, training.labels)
    alive = features.deviation > 1e-6
    torch.testing.assert_close(x.mean(0)[alive], torch.zeros(int(alive.sum())), atol=1e-3, rtol=0)
    torch.testing.assert_close(x.std(0, correction=0)[alive], torch.ones(int(alive.sum())), atol=1e-3, rtol=0)
    assert (x[:, ~alive] == 0).all()


def test_the_svm_minimises_its_loss(features):
    C = 1e-3
    x, label = (torch.cat(parts) for parts in zip(*features, strict=True))
    weights = torch.randn(2, features.width + 1, generator=torch.Generator().manual_seed(0)) / 10
    loss, gradient = probes.svm_loss(weights, features, C)

    def by_definition(weights):  # one SVM against the other class each, squared hinge, the bias not regularised
        margin = (2.0 * torch.nn.functional.one_hot(label, 2) - 1) * (x @ weights[:, :-1].T + weights[:, -1])
        return weights[:, :-1].square().sum() / 2 + C * (1 - margin).clamp(min=0).square().sum()

    weights.requires_grad_()
    expected = by_definition(weights)
    expected.backward()
    assert loss == pytest.approx(expected.item(), rel=1e-5)
    torch.testing.assert_close(gradient, weights.grad, rtol=1e-3, atol=1e-4)
    best = probes.fit_svm(features, 2, C)
    least, slope = probes.svm_loss(best, features, C)
    assert slope.norm() < 1e-2 * probes.svm_loss(torch.zeros_like(best), features, C)[1].norm()
    for seed in range(3):
        aside = best + 1e-2 * torch.randn(best.shape, generator=torch.Generator().manual_seed(seed))
        assert probes.svm_loss(aside, features, C)[0] > least


def test_the_svm_reads_the_classes_off_a_critic(training, test):
    torch.manual_seed(0)
    accuracy, C, width = probes.linear_svm(Discriminator(16, 4, 1), training, test[:32], test[32:], CPU)
    assert accuracy > 0.8
    assert C in probes.STRENGTHS
    assert width == 16 * 12
