#!/usr/bin/env bash
# Makes models/fashion-mnist from the data. Run it again after an interruption: every training goes on where it was.
# About 90 minutes on 2 CPU cores with bfloat16 instructions, minutes on a GPU.
set -euo pipefail
cd "$(dirname "$0")/.."
gan=runs/clothes-gan dcnn=runs/clothes-dcnn referee=runs/clothes-referee

python -m dcgan.train_gan --data fashion-mnist --out $gan --steps 12500 --width 96 --precision bf16
python -m dcgan.train_dcnn --data fashion-mnist --gan $gan --out $dcnn --steps 10000 --precision bf16
python -m dcgan.train_dcnn --data fashion-mnist --out $referee --steps 5000 --precision bf16

python -m dcgan.evaluate $gan --referee $referee
python -m dcgan.evaluate $dcnn
python -m dcgan.evaluate $referee

# One real test picture of each class, for visitors to try.
python - <<'EOF'
from pathlib import Path
from PIL import Image
from dcgan.config import RunConfig
from dcgan.data import load
test = load(RunConfig(data="fashion-mnist"), "test")
folder = Path("runs/clothes-examples")
folder.mkdir(parents=True, exist_ok=True)
for k, name in enumerate(test.classes):
    first = (test.labels == k).nonzero()[0, 0]
    Image.fromarray(test.images[first, 0].numpy()).save(folder / f"{name.split('/')[0].lower().replace(' ', '-')}.png")
EOF

python -m export.to_onnx $gan $dcnn $referee --examples runs/clothes-examples --out models/fashion-mnist
