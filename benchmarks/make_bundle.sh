#!/usr/bin/env bash
# Makes a bundle from the data: bash benchmarks/make_bundle.sh fashion-mnist|cifar10|faces [further options of train_gan]
#
# Run it again after an interruption: every training goes on where it was. How long the shipped ones took, and on what,
# is on their cards. A shorter or narrower one: add, say, --steps 5000 --width 48. Five generators are trained: the
# bundle's own, two more whose fakes its DCNN learns, of another seed and of the recipe of 2015, and two that it never
# meets, of another game and of another architecture, to measure it by.
# cifar10 and faces are looked for in the folder DATA (cifar10.zip, celeba64.zip); CIFAR-10 is else downloaded.
# KEEP=1 keeps the bundle's generator and referee, and makes a DCNN for them: the generator is among those it learns from.
# MORE=1 lets the bundle's DCNN learn on, too, from smaller generators, of clothes and of cifar10 from further ones as
# well, and from the bundle's own, but of clothes, twice as much as from another: all in an afternoon on two CPU cores.
# The networks for classes come before: cifar10's take an hour and a half, clothes', each taught by another, seven.
# The shipped ones were made as without, for earlier generators, on an H200, and have then learnt on so: that of clothes
# seven times, first without further ones, then with more and more of them, at last with those below; those of cifar10
# and faces twice, the first time without seed-1; that of cifar10 three times more, at last with its further ones below.
# UNLIKE, if set, is a folder of other things, which the DCNN is to know as such. That of cifar10 was shown twelve squares
# of each of 527 photographs of github.com/EliSchwartz/imagenet-sample-images, all but animals and vehicles.
set -euo pipefail
cd "$(dirname "$0")/.."
name=$1 && shift
# What a generator draws early in its training gives itself away in other ways than what it draws at the end.
further=() tells="" robust="" pupil="" thin="" twice=${MORE:-} spectral="--critic-norm spectral --r1 0 --r2 0"
case $name in
  fashion-mnist)
    data=fashion-mnist others="cifar10 celeba64" gan="--steps 48000"
    dcnn="--width 32 --blocks 2" lessons="--steps 7000 --degrade 0.4"
    small=(2500 2500 3500 5000) twice=""
    tells="--augment cut --smoothing 0.1 --ema 0.995 --tick 230"
    clean="--width 44 --steps 3910" robust="--width 44 --steps 1840 --lr 0.3 --degrade 0.2 --start-share 0.25"
    pupil="--width 32 --blocks 1 --steps 8280 --degrade 0.1 --teacher-share 0.5" # below a million weights
    thin="--architecture resnet --activation relu --width 16 --blocks 3 --batch 128 --weight-decay 0.0005 --ema 0.999"
    thin+=" --degrade 0.1 --teacher-share 0.5 --tick 460" # below a third of a million
    further=("squares --loss mse $spectral --no-conditional --seed 3 --steps 6000"
      "squares-early --loss mse $spectral --no-conditional --seed 3 --steps 3000"
      "seed-4 --no-conditional --seed 4 --steps 4500" "seed-4-early --no-conditional --seed 4 --steps 2000"
      "spectral --loss cross-entropy $spectral --no-conditional --seed 5 --steps 5000"
      "spectral-early --loss cross-entropy $spectral --no-conditional --seed 5 --steps 2000"
      "squares-2 --loss mse --no-conditional --seed 7 --steps 2500"
      "narrow --loss cross-entropy --no-conditional --seed 8 --steps 5000 --width 16")
    more="--steps 6500 --lr 1.5e-3 --degrade 0.85 --augment flip --teacher-share 0.3 --start-share 0.2" ;;
  cifar10)
    data=cifar10 others="fashion-mnist celeba64" gan="--steps 60000 --width 96 --critic-width 64"
    dcnn="--width 32 --blocks 3 --bits 8" lessons="--steps 8000 --degrade 0.4"
    small=(3000 4000 6000 8000)
    clean="--steps 2200" robust="--steps 800 --lr 0.15 --degrade 0.25 --start-share 0.5"
    further=("squares --loss mse $spectral --seed 2 --steps 6000"
      "squares-early --loss mse $spectral --seed 2 --steps 3000"
      "seed-4 --no-conditional --seed 4 --steps 6000" "seed-4-early --no-conditional --seed 4 --steps 2000"
      "spectral --loss cross-entropy $spectral --no-conditional --seed 5 --steps 6000"
      "spectral-early --loss cross-entropy $spectral --no-conditional --seed 5 --steps 2000")
    more="--steps 3000 --lr 1.5e-3 --degrade 0.65 --augment flip --teacher-share 0.3 --start-share 0.8" ;;
  faces) # were kept as JPEG, which no fake was: all are re-encoded, so that this does not tell them apart
    data=celeba64 others="fashion-mnist cifar10" gan="--steps 56000 --critic-width 48"
    dcnn="--width 24 --blocks 1" lessons="--steps 2000 --degrade 1"
    small=(1500 1200 2000 3000) more="--steps 800 --lr 1e-3 --degrade 1 --start-share 0.5" ;;
  *) echo "There is no bundle $name; there are fashion-mnist, cifar10 and faces." >&2 && exit 2 ;;
esac
KEEP=${KEEP:-${MORE:-}}
runs=runs/$name place=(${DATA:+--data-dir "$DATA"})
own=$([ -n "$KEEP" ] && echo "models/$name" || echo "$runs-gan") # whose generator the bundle has
has_classes=$([ "$name" = faces ] || echo yes)                   # for a referee to learn, and a teacher to teach
learn=(--data "$data" "${place[@]}")
hard="--batch 512 --lr 3e-3 --ema 0.999"
always="--weight-decay 0.05 --augment cut --smoothing 0.05"

# How large each generator is, in the order in which they are drawn below.
sizes=("--steps 20000" "--steps 8000" "--steps 8000" "--steps 8000 --width 16")
if [ -n "${MORE:-}" ]; then
  sizes=("--width 32 --batch 64" "--width 32" "--width 32" "--width 8")
  for i in 0 1 2 3; do sizes[i]+=" --steps ${small[i]}"; done
fi

draw() { # one generator: draw RUN OPTIONS...
  python -m dcgan.train_gan "${learn[@]}" --out "$runs-$1" "${@:2}"
}

[ -n "$KEEP" ] || draw gan $gan "$@"
draw seed-1 --seed 1 ${sizes[0]} "$@"
draw paper --preset paper ${sizes[1]} "$@"
draw hinge --loss hinge $spectral --batch 64 --no-conditional ${sizes[2]} "$@"
draw hourglass --architecture hourglass --critic-norm spectral --no-conditional ${sizes[3]} "$@"
known=("$own" ${twice:+"$own"} "$runs-paper" "$runs-seed-1") held_out=("$runs-hinge" "$runs-hourglass")
for one in ${MORE:+"${further[@]}"}; do
  draw ${one%% *} --width 32 --batch 64 ${one#* } "$@"
  known+=("$runs-${one%% *}")
done

bundle=("$runs-dcnn") teacher=() recogniser=() options=()
if [ -n "$KEEP" ]; then
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
if [ -n "$robust" ]; then
  # First of pictures as they are; then of degraded ones, too, of which it would else know next to nothing.
  fast=(python -m dcgan.train_dcnn --preset fast "${learn[@]}" --validation 0.02 $tells)
  "${fast[@]}" --out "$runs-recogniser" $clean
  "${fast[@]}" --out "$runs-recogniser-more" --start "$runs-recogniser" $robust
  recogniser=(--recogniser "$runs-recogniser-more")
  if [ -n "$pupil" ]; then
    "${fast[@]}" --out "$runs-recogniser-deep" --teacher "$runs-recogniser-more" $pupil
    fast+=(--teacher "$runs-recogniser-deep" $thin)
    "${fast[@]}" --out "$runs-resnet" --lr 0.2 --steps 23000 --seed 1
    "${fast[@]}" --out "$runs-resnet-mix" --start "$runs-resnet" --augment mix --lr 0.15 --steps 34500 --seed 2
    recogniser=(--recogniser "$runs-resnet-mix")
  fi
fi
if [ -n "${MORE:-}" ]; then
  teacher=(${has_classes:+--teacher "$own"})
  lessons="$more --batch 256 --ema 0.995 --start $own"
  # Of this generator visitors ask most, and once passed on its pictures are the hardest to tell.
  [ "$name" != fashion-mnist ] || lessons+=" --calibrate-on $own $own $own"
else
  lessons+=" $hard"
  if [ "$has_classes" ]; then
    python -m dcgan.train_dcnn "${learn[@]}" --out "$runs-teacher" --steps 8000 --width 64 --blocks 3 $hard $always
    teacher=(--teacher "$runs-teacher")
  fi
fi
python -m dcgan.train_dcnn "${learn[@]}" --gan "${known[@]}" --out "$runs-dcnn" $dcnn $always $lessons \
  "${teacher[@]}" "${recogniser[@]}" ${UNLIKE:+--unlike "$UNLIKE"}
python -m dcgan.evaluate "$runs-dcnn" "${place[@]}" --bundled "$own" --held-out "${held_out[@]}" --unlike $others
if [ -z "$KEEP" ]; then
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
[ "$name" != fashion-mnist ] || [ -n "$KEEP" ] || python -m export.add_neighbours "models/$name" "${place[@]}"
