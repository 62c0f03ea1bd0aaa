#!/usr/bin/env bash
# Makes a bundle from the data: bash benchmarks/make_bundle.sh fashion-mnist|cifar10|faces [further options of train_gan]
#
# Run it again after an interruption: every training goes on where it was. On a GPU the three take less than an hour
# together; on 2 CPU cores a night. A shorter or narrower one: add, say, --steps 5000 --width 48.
# cifar10 and faces are looked for in the folder DATA (cifar10.zip, celeba64.zip); CIFAR-10 is else downloaded.
set -euo pipefail
cd "$(dirname "$0")/.."
name=$1 && shift
case $name in
  fashion-mnist) data=fashion-mnist steps=48000 weights=fp32 ;;
  cifar10) data=cifar10 steps=96000 weights=fp16 ;;
  faces) data=celeba64 steps=96000 weights=fp16 ;;
  *) echo "There is no bundle $name; there are fashion-mnist, cifar10 and faces." >&2 && exit 2 ;;
esac
where=(--data "$data" ${DATA:+--data-dir "$DATA"})
gan=runs/$name-gan dcnn=runs/$name-dcnn referee=runs/$name-referee
runs=("$gan" "$dcnn")

python -m dcgan.train_gan "${where[@]}" --out "$gan" --steps $steps --precision bf16 "$@"
# The faces were kept as JPEG, which no fake was: all pictures are re-encoded, so that this does not tell them apart.
python -m dcgan.train_dcnn "${where[@]}" --gan "$gan" --out "$dcnn" --steps 10000 --precision bf16 \
  $([ "$name" = faces ] && echo "--degrade 1")
if [ "$name" != faces ]; then # faces have no classes for a referee to learn
  python -m dcgan.train_dcnn "${where[@]}" --out "$referee" --steps 5000 --precision bf16
  runs+=("$referee")
fi
python -m dcgan.evaluate "$gan" ${DATA:+--data-dir "$DATA"} $([ "$name" = faces ] || echo "--referee $referee")
for run in "${runs[@]:1}"; do python -m dcgan.evaluate "$run" ${DATA:+--data-dir "$DATA"}; done

examples=()
if [ "$name" = fashion-mnist ]; then # whose licence lets its pictures travel
  python - <<'EOF'
from pathlib import Path
from PIL import Image
from dcgan.config import RunConfig
from dcgan.data import load
test = load(RunConfig(data="fashion-mnist"), "test")
folder = Path("runs/fashion-mnist-examples")
folder.mkdir(parents=True, exist_ok=True)
for k, name in enumerate(test.classes):
    first = (test.labels == k).nonzero()[0, 0]
    Image.fromarray(test.images[first, 0].numpy()).save(folder / f"{name.split('/')[0].lower().replace(' ', '-')}.png")
EOF
  examples=(--examples runs/fashion-mnist-examples)
fi
python -m export.to_onnx "${runs[@]}" --out "models/$name" --weights $weights "${examples[@]}"
# So that anyone can ask whether a picture is a copy; the training pictures travel along where their licence lets them.
python -m export.add_neighbours "models/$name" ${DATA:+--data-dir "$DATA"}
