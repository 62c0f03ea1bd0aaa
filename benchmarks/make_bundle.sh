#!/usr/bin/env bash
# Makes a bundle from the data: bash benchmarks/make_bundle.sh fashion-mnist|cifar10|faces [further options of train_gan]
#
# Run it again after an interruption: every training goes on where it was. How long the shipped ones took, and on what,
# is on their cards. A shorter or narrower one: add, say, --steps 5000 --width 48. Five generators are trained: the
# bundle's own, two more whose fakes its DCNN learns, of another seed and of the recipe of 2015, and two that it never
# meets, of another game and of another architecture, to measure it by.
# cifar10 and faces are looked for in the folder DATA (cifar10.zip, celeba64.zip); CIFAR-10 is else downloaded.
# KEEP=1 keeps the bundle's generator and referee, and makes a DCNN for them: the generator is among those it learns from.
# UNLIKE, if set, is a folder of other things, which the DCNN is to know as such. That of cifar10 was shown twelve squares
# of each of 527 photographs of github.com/EliSchwartz/imagenet-sample-images, all but animals and vehicles.
# The shipped DCNN of cifar10 (checkpoint 3de99ca6552f, on an H200) had been made as below for an earlier generator; then it
# met the present one, on two CPU cores (hinge and hourglass, by which it is measured: --width 32 --steps 6000, --width 8):
#   python -m dcgan.train_gan --data cifar10 --out runs/cifar10-paper --preset paper --width 32 --steps 4000
#   python -m dcgan.train_dcnn --data cifar10 --gan models/cifar10 runs/cifar10-paper --out runs/cifar10-dcnn \
#     --start models/cifar10 --teacher models/cifar10 --unlike photographs --width 32 --blocks 3 --batch 256 --steps 1800 \
#     --lr 5e-4 --weight-decay 0.05 --augment cut --ema 0.995 --smoothing 0.05 --degrade 0.5
# That of faces (checkpoint 0196df309ab5) likewise (hinge: --width 32 --steps 2500, stopped at 2000; hourglass: --width 8
# --steps 3000):
#   python -m dcgan.train_gan --data celeba64 --out runs/faces-paper --preset paper --width 32 --steps 1200
#   python -m dcgan.train_dcnn --data celeba64 --gan models/faces runs/faces-paper --out runs/faces-mean \
#     --start models/faces --start-share 0.5 --width 24 --blocks 1 --batch 256 --steps 1300 --lr 1e-3 \
#     --weight-decay 0.05 --augment cut --ema 0.995 --smoothing 0.05 --degrade 1
# And that of fashion-mnist (checkpoint c1df433a9550; hinge: --width 32 --steps 3500; hourglass: --width 8 --steps 5000):
#   python -m dcgan.train_gan --data fashion-mnist --out runs/fashion-mnist-paper --preset paper --width 32 --steps 2500
#   python -m dcgan.train_gan --data fashion-mnist --out runs/fashion-mnist-seed-1 --seed 1 --width 32 --batch 64 \
#     --steps 2500
#   python -m dcgan.train_dcnn --data fashion-mnist --gan models/fashion-mnist runs/fashion-mnist-paper \
#     runs/fashion-mnist-seed-1 --out runs/fashion-mnist-dcnn --start models/fashion-mnist --start-share 0.5 \
#     --teacher models/fashion-mnist --width 32 --blocks 2 --batch 256 --steps 2400 --lr 5e-4 --weight-decay 0.05 \
#     --augment cut --ema 0.995 --smoothing 0.05 --degrade 0.6
set -euo pipefail
cd "$(dirname "$0")/.."
name=$1 && shift
case $name in
  fashion-mnist) data=fashion-mnist others="cifar10 celeba64" gan="--steps 48000" dcnn="--width 32 --blocks 2" lessons=7000 ;;
  cifar10) data=cifar10 others="fashion-mnist celeba64" gan="--steps 60000 --width 96 --critic-width 64" dcnn="--width 32 --blocks 3" lessons=8000 ;;
  faces) data=celeba64 others="fashion-mnist cifar10" gan="--steps 56000 --critic-width 48" dcnn="--width 24 --degrade 1" lessons=2000 ;;
  *) echo "There is no bundle $name; there are fashion-mnist, cifar10 and faces." >&2 && exit 2 ;;
esac
runs=runs/$name place=(${DATA:+--data-dir "$DATA"})
own=$([ -n "${KEEP:-}" ] && echo "models/$name" || echo "$runs-gan") # whose generator the bundle has
has_classes=$([ "$name" = faces ] || echo yes)                       # for a referee to learn, and a teacher to teach
learn=(--data "$data" "${place[@]}")
hard="--batch 512 --lr 3e-3 --weight-decay 0.05 --augment cut --ema 0.999 --smoothing 0.05"

draw() { # one generator: draw RUN OPTIONS...
  python -m dcgan.train_gan "${learn[@]}" --out "$runs-$1" "${@:2}"
}

[ -n "${KEEP:-}" ] || draw gan $gan "$@"
draw seed-1 --steps 20000 --seed 1 "$@"
draw paper --preset paper --steps 8000 "$@"
draw hinge --loss hinge --critic-norm spectral --r1 0 --r2 0 --batch 64 --steps 8000 --no-conditional "$@"
draw hourglass --architecture hourglass --critic-norm spectral --width 16 --steps 8000 --no-conditional "$@"
known=("$own" "$runs-seed-1" "$runs-paper") held_out=("$runs-hinge" "$runs-hourglass")

bundle=("$runs-dcnn") teacher=() options=()
if [ -n "${KEEP:-}" ]; then
  options=(--keep)
  for file in generator.onnx critic.onnx referee.onnx neighbours.npz; do
    [ ! -f "$own/$file" ] || options+=("$file")
  done
else
  bundle+=("$own")
  # Of what would be too much to carry, the critic's second opinion is left out first.
  [ "$name" = fashion-mnist ] || options=(--without critic.onnx)
  if [ "$has_classes" ]; then
    python -m dcgan.train_dcnn "${learn[@]}" --out "$runs-referee" --steps 5000 --blocks 0 --augment none
    bundle+=("$runs-referee")
  fi
fi
if [ "$has_classes" ]; then
  python -m dcgan.train_dcnn "${learn[@]}" --out "$runs-teacher" --steps 8000 --width 64 --blocks 3 $hard
  teacher=(--teacher "$runs-teacher")
fi
# The faces were kept as JPEG, which no fake was: all pictures are re-encoded, so that this does not tell them apart.
python -m dcgan.train_dcnn "${learn[@]}" --gan "${known[@]}" --out "$runs-dcnn" --steps $lessons --degrade 0.4 \
  $hard $dcnn "${teacher[@]}" ${UNLIKE:+--unlike "$UNLIKE"}
python -m dcgan.evaluate "$runs-dcnn" "${place[@]}" --held-out "${held_out[@]}" --unlike $others
if [ -z "${KEEP:-}" ]; then
  python -m dcgan.evaluate "$own" "${place[@]}" ${has_classes:+--referee "$runs-referee"}
  [ -z "$has_classes" ] || python -m dcgan.evaluate "$runs-referee" "${place[@]}"
fi

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
python -m export.to_onnx "${bundle[@]}" --out "models/$name" --weights fp16 "${examples[@]}" "${options[@]}"
# So that anyone can ask whether a picture is a copy; the training pictures travel along where their licence lets them.
[ "$name" != fashion-mnist ] || [ -n "${KEEP:-}" ] || python -m export.add_neighbours "models/$name" "${place[@]}"
