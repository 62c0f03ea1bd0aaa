"""The card says what a person must know: whose licence, which step, how long, how it looks."""

import re

import pytest

from export.card import write_card


def facts_of(licence: str = "CC0-1.0", **more) -> dict:
    return {
        "image_size": 64,
        "classes": [],
        "data": {"name": "Faces", "licence": licence, "pictures": 1200},
        "inputs": {"latents": "float32"},
        "outputs": {"pixels": "uint8"},
        "weights": {"stored": "float32"},
        "config": {"validation": 1 / 12},
        "settings": {"preset": "modern", "precision": "bf16", "width": 96, "lr_g": 0.0001},
        "step": 500,
        "images": 11_000,
        "checkpoint_sha256": "0123456789abcdef",
        "made": {"seconds": 4000.0, "device": "NVIDIA H100", "torch": "2.13.0", "date": "2026-11-22"},
    } | more


def card(licence: str = "CC0-1.0", progress: dict | None = None, **more) -> str:
    return write_card(
        "faces", {"generator.onnx": facts_of(licence, **more)}, {"generator.onnx": 7_200_000}, [], progress
    )


def front_matter(text: str) -> dict[str, str]:
    return dict(line.split(": ", 1) for line in text.split("---")[1].strip().splitlines())


def test_a_licence_against_commerce_stands_before_everything_else():
    text = card("non-commercial research only")
    assert front_matter(text)["license"] == "other"
    assert front_matter(text)["license_name"] == "non-commercial-research-only"
    assert text.index("Not for commercial use") < text.index("Small ONNX models")
    assert "licensed for non-commercial research only" in text


@pytest.mark.parametrize(
    ("licence", "short"), [("MIT (Zalando SE)", "mit"), ("CC0-1.0", "cc0-1.0"), ("CC BY-NC 4.0", "other")]
)
def test_model_hubs_read_the_licence(licence, short):
    head = front_matter(card(licence))
    assert head["license"] == short
    assert ("license_name" in head) == (short == "other")
    assert ("Not for commercial use" in card(licence)) == ("NC" in licence)


def test_it_says_on_what_and_how_long_and_from_how_many_pictures():
    text = card()
    assert (
        "`generator.onnx` learnt for 67 minutes on NVIDIA H100, from 11,000 real pictures (10.0 epochs of 1,100)."
        in text
    )
    assert "preset modern, precision bf16, width 96, lr_g 0.0001" in text
    assert "500 of 500" in text
    assert "7.2 MB" in text


def test_the_best_step_is_named_with_its_reason():
    text = card(best={"step": 400, "distance": 12.345}, images=8800)
    assert "The best of its steps, 400, is the one exported" in text
    assert "12.35" in text or "12.34" in text
    assert "400 of 500" in text
    assert "on the moon" in card(best={"step": 400, "distance": 1.0, "on": "pictures on the moon"})


def test_a_network_that_learnt_on_says_from_where():
    assert "began" not in card()
    text = card(data=facts_of()["data"] | {"start": "abcdef0123456789"})
    assert "It began with the weights of checkpoint abcdef012345." in text


def test_a_card_says_what_probabilities_were_calibrated_on_beside_what_was_learnt():
    data = facts_of()["data"] | {"calibrated_on": ["abcdef0123456789", "1234567890abcdef", "abcdef0123456789"]}
    said = "Its probabilities were calibrated on fakes of checkpoint abcdef012345 (counted 2 times), 1234567890ab, too."
    assert said in card(data=data)
    assert "calibrated" not in card()


def test_rounded_weights_are_told_of():
    assert "16-bit" not in card()
    text = card(weights={"stored": "float16", "moved": {"pixels": 1.0}})
    assert "`pixels` of `generator.onnx` by at most 1 of 255 levels" in text
    assert "8-bit" not in text


def test_older_files_have_a_card_too():
    facts = {name: value for name, value in facts_of().items() if name not in ("weights", "settings")}
    text = write_card(
        "faces", {"referee.onnx": facts | {"config": {"validation": 0.0, "width": 48}}}, {"referee.onnx": 9}, []
    )
    assert "width 48" in text
    assert "## Use" not in text


def test_the_training_is_shown_where_there_are_pictures_of_it():
    assert "progress.webp" not in card()
    text = card(progress={"file": "progress.webp", "seeds": [1, 64], "steps": [500, 1000, 12500]})
    alt = re.search(r"!\[([^\]]+)\]\(progress.webp\)", text)[1]
    assert alt == "Seeds 1 to 64 while the generator learns, from step 500 to step 12,500"
    assert "at the steps 500, 1,000, 12,500." in text
