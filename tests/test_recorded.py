"""A step that was recorded computes what it computes unrecorded. Only where there is a CUDA device to record on."""

import pytest
import torch

from dcgan.config import TrainingError
from dcgan.recorded import WARM_UP, Recorded

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="records on CUDA devices alone")


def test_a_replayed_call_computes_on_its_own_inputs_and_changes_what_stays():
    total = torch.zeros((), device="cuda")

    def add(kind: str, some: torch.Tensor, none: None) -> dict[str, torch.Tensor]:
        total.add_(some.sum() * (2 if kind == "twice" else 1))
        return {"total": total.clone()}

    recorded, expected = Recorded(add), 0.0
    for call in range(2 * WARM_UP + 3):
        kind = "twice" if call % 2 else "once"
        expected += 3 * call * (2 if kind == "twice" else 1)
        assert recorded(kind, torch.full((3,), float(call), device="cuda"), None)["total"].item() == expected


def test_random_numbers_are_those_of_the_seed():
    recorded = Recorded(lambda kind: {"noise": torch.randn(4, device="cuda")})
    for _ in range(WARM_UP):
        recorded("one")
    drawn = []
    for seed in (1, 2, 1):
        torch.manual_seed(seed)
        drawn.append(recorded("one")["noise"])
    assert torch.equal(drawn[0], drawn[2])
    assert not torch.equal(drawn[0], drawn[1])


def test_what_waits_for_the_device_cannot_be_recorded():
    recorded = Recorded(lambda kind, some: {"value": some * some.sum().item()})
    some = torch.ones(3, device="cuda")
    for _ in range(WARM_UP):
        recorded("one", some)
    with pytest.raises(TrainingError, match=r"cannot be recorded on this GPU .* --no-record trains without"):
        recorded("one", some)
