"""Measure pictures, and what made them: python -m dcgan.evaluate models/fashion-mnist a-folder --data fashion-mnist

A target is a run, a bundle, or a folder or zip of pictures from anywhere. Of pictures: how far they are from real ones
that no training saw, in the features of a referee (a DCNN of real pictures alone), each distance beside its floor and
ceilings; how many are right and how much is covered; whether they are copies; how often the referee recognises the
class that was asked for. Of a DCNN: how often it knows the class, and real from fake, clean and degraded, on pictures
and seeds that no training used; how far its probabilities come true (dcgan/verdicts.py).
Every figure is a row: what, value, n, on which pictures, by which command. A run keeps its rows in metrics.json, from
where the export takes them.
"""

import argparse
import dataclasses
import functools
import json
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dcgan import checkpoint, probes, verdicts
from dcgan.config import DcnnConfig, GanConfig, RunConfig, TrainingError
from dcgan.data import Pictures, hold_out, load
from dcgan.eyes import as_pixels, find_eyes, has_eyes, in_batches
from dcgan.models import make_gan
from dcgan.players import (
    Player,
    as_pictures,
    draw,
    draw_evenly,
    form,
    labels_like,
    load_fitting,
    load_generator,
    onnx_player,
    seeds_of,
    torch_player,
)
from dcgan.run import pick_device
from dcgan.unseen import MEMORY, config_of, data_of, load_target, load_training, load_unseen
from dcgan.yardstick import Yardstick, make_row, rounded, sample
from export.card import measured
from export.runtime import MANIFEST, SENTENCES, Bundle

MOST = 10_000  # pictures of each set that are compared, where --n does not say
JUDGED = 2_500  # real pictures that a DCNN tells from as many fakes, where --n does not say
TAUGHT = 50_000  # fakes at most that a DCNN learns from, for --cas
PROBES = {"cas": "classification_accuracy_score", "svm": "linear_svm_accuracy"}
# Options that not every target has a use for, each with the figure that shows that it had; and those for runs alone.
SHOWN_BY = PROBES | {
    "known": verdicts.metric_name("real_or_fake_auc", verdicts.KNOWN),
    "bundled": verdicts.metric_name("real_or_fake_auc", verdicts.BUNDLED),
    "held_out": verdicts.metric_name("real_or_fake_auc", verdicts.HELD_OUT),
    "unlike": "typical_auc",
}
OF_RUNS = ("known", "bundled")


# --- measuring ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Verdicts:
    """What a DCNN says of pictures that training has not seen: of their classes, and of real against fake."""

    rows: list[dict]
    said: dict[tuple[str, str], verdicts.Said]
    classes: dict


def measure_dcnn(
    of: str, dcnn: Player, unseen: Pictures, fakes_of: dict[str, list[Player]], others: dict[str, Pictures], n: int
) -> Verdicts:
    """Classes of all the unseen pictures; up to n of them against as many fakes, equally of each generator, of those
    that are known to the DCNN and of those held out from it; and against pictures of other things, by name.
    """
    name, judge = unseen.facts["name"], dcnn.judge or dcnn.call
    rows, said, classes = [], {}, {}
    if dcnn.classes and tuple(dcnn.classes) == tuple(unseen.classes):
        seen, labels = classes_of(dcnn.call, unseen), unseen.labels.numpy()
        rows += verdicts.class_rows(of, seen, labels, name)
        classes = verdicts.by_class(seen, labels, dcnn.classes)
        if dcnn.recognise:
            rows.append(verdicts.recogniser_row(of, classes_of(dcnn.recognise, unseen), labels, name))
        if of == "dcnn":
            rows += verdicts.worn_class_rows(of, dcnn.call, as_pixels(unseen), labels, unseen.images.shape[1], name)
    if of == "dcnn" and fakes_of:
        some = sample(unseen, n)
        real = as_pixels(some)
        fakes = {whose: draw_evenly(players, len(some)) for whose, players in fakes_of.items()}
        said = verdicts.judge_tiers(judge, real, fakes, dcnn.limits.threshold, unseen.images.shape[1])
        rows += verdicts.rows_of(of, said, name)
        rows += verdicts.answer_rows(of, judge, real, fakes, dcnn.limits, name)
        rows.append(measure_evidence(of, judge, dcnn.limits.threshold, real, *next(iter(fakes.items())), name))
    if of == "dcnn" and others and dcnn.limits.atypical_below is not None:
        others = {each: as_pixels(sample(pictures, n)) for each, pictures in others.items()}
        rows += verdicts.typical_rows(of, judge, as_pixels(sample(unseen, n)), others, name)
    return Verdicts(rows, said, classes)


def classes_of(call: verdicts.Judge, pictures: Pictures) -> np.ndarray:
    """The probabilities of classes, N,K."""
    return np.concatenate([call(np.ascontiguousarray(pixels))["classes"] for pixels in in_batches(pictures)])


def measure_evidence(
    of: str, judge: verdicts.Judge, threshold: float, real: np.ndarray, whose: str, fakes: np.ndarray, name: str
) -> dict:
    half = verdicts.PROBED // 2
    pixels = np.concatenate([real[:half], fakes[:half]])
    value = verdicts.deletion_ratio(judge, pixels, threshold)
    metric = verdicts.metric_name("deletion_ratio", whose)
    return make_row(of, metric, value, len(pixels), f"{name}, and fakes of {whose}")


def met(learnt_from: list[str], data: dict) -> set[str]:
    """The sha256 of all generators that had a say in a DCNN: facts of its data tell those that it was calibrated on."""
    return {*learnt_from, *data.get("calibrated_on", [])}


class Evaluation:
    """Measures targets with the same options `o`; those of the same pictures share the floor and the ceilings."""

    def __init__(self, o: argparse.Namespace):
        if o.n is not None and o.n < 1:
            raise TrainingError(f"--n {o.n}: at least one picture is compared.")
        self.o = o
        self.find_eyes = functools.cache(find_eyes)
        self.yardstick = functools.lru_cache(1)(self.make_yardstick)

    def make_yardstick(self, c: RunConfig, referee: Path | None, n: int) -> Yardstick:
        eyes = self.find_eyes(c.data, referee, "--referee")
        yardstick = Yardstick(load_unseen(c), load_training(c), eyes, n, self.o.quick)
        if self.o.n and yardstick.n < self.o.n:
            raise TrainingError(f"--n {self.o.n}: only {yardstick.n} pictures of each kind can be compared here.")
        return yardstick

    def measure(self, target: Path) -> list[dict]:
        """The rows of a run, a bundle, or a folder or zip of pictures."""
        if (target / checkpoint.NAME).is_file():
            return self.measure_run(checkpoint.load(target), target)
        if (target / MANIFEST).is_file():
            return self.measure_bundle(Bundle(target))
        if target.is_dir() or target.is_file():
            return self.measure_pictures(target)
        raise TrainingError(f"There is no {target}: a run, a bundle, or a folder or zip of pictures is measured.")

    def real(self, c: RunConfig) -> RunConfig:
        """The real pictures of a run or a bundle: named by --data, else its own, at its size."""
        sizes = {"image_size": c.image_size, "channels": c.channels, "validation": c.validation}
        return RunConfig(data=self.o.data or c.data, data_dir=self.o.data_dir, memory=MEMORY, **sizes)

    def measure_run(self, state: dict, folder: Path) -> list[dict]:
        player, c = torch_player(state), state["config"]
        if isinstance(c, GanConfig):
            rows = self.measure_generator(player, self.real(c), self.o.referee)
            return rows + ([self.measure_critic(state, self.real(c))] if self.o.svm else [])
        unseen = load_unseen(self.real(c))
        of, fakes_of = "dcnn" if c.gan else "referee", {}
        if of == "dcnn":
            fakes_of |= self.known(state) | self.bundled(unseen)
            fakes_of |= self.held_out(unseen, met(state["data"].get("fakes", []), state["data"]))
        found = measure_dcnn(of, player, unseen, fakes_of, self.others(of, unseen), self.o.n or JUDGED)
        verdicts.keep(folder, state["sha256"], found.said, found.classes)
        self.show(found)
        return found.rows

    def known(self, state: dict) -> dict[str, list[Player]]:
        """Those that a DCNN has learnt from, where they were then or where --known says that they are now."""
        sha256s = list(dict.fromkeys(state["data"].get("fakes", [])))
        places = self.o.known or tuple(dict.fromkeys(state["config"].gan))
        generators = [load_generator(place) for place in places]
        for place, (_, sha256) in zip(places, generators, strict=True):
            if self.o.known and sha256 not in sha256s:
                raise TrainingError(
                    f"--known {place}: the DCNN has learnt from another generator, or another step of it."
                )
        some = f"{len(places)} of {len(sha256s)} of " if len(places) < len(sha256s) else ""
        return {some + verdicts.KNOWN: [generator for generator, _ in generators]} if places else {}

    def others(self, of: str, unseen: Pictures) -> dict[str, Pictures]:
        """The pictures of --unlike, by name: none for a referee, which does not tell what it knows.

        Raises TrainingError where a name is not theirs alone.
        """
        found = {}
        for data in self.o.unlike if of == "dcnn" else ():
            pictures = load_unseen(RunConfig(data=data, data_dir=self.o.data_dir, memory=MEMORY))
            name = pictures.facts["name"]
            if name in found or name == unseen.facts["name"]:
                raise TrainingError(
                    f"--unlike {data}: other pictures here are {name}, too. Name other ones, or rename their folder."
                )
            found[name] = pictures
        return found

    def bundled(self, like: Pictures) -> dict[str, list[Player]]:
        """The generator of --bundled, of pictures like these. Raises TrainingError."""
        place = self.o.bundled
        return {verdicts.BUNDLED: [load_fitting("--bundled", place, form(like))[0]]} if place else {}

    def held_out(self, like: Pictures, known: set[str]) -> dict[str, list[Player]]:
        """The generators of --held-out, of pictures like these. Raises TrainingError for one that is known (sha256)."""
        players = []
        for place in self.o.held_out:
            generator, sha256 = load_fitting("--held-out", place, form(like))
            if sha256 in known:
                raise TrainingError(f"--held-out {place}: the DCNN has met this generator in its training.")
            players.append(generator)
        return {verdicts.HELD_OUT: players} if players else {}

    def show(self, found: Verdicts) -> None:
        """The verdicts at one glance, where a person looks on."""
        if self.o.table and found.said:
            print(f"{verdicts.table(found.said)}\n", flush=True)

    def measure_bundle(self, bundle: Bundle) -> list[dict]:
        """The same rows for the exported files, by onnxruntime."""
        data, rows = self.o.data or data_of(bundle), []
        referee = bundle.referee if bundle.has("referee") else None
        generators = [bundle.generator] if bundle.has("generator") else []
        players = [onnx_player(generator) for generator in generators]
        for generator, player in zip(generators, players, strict=True):
            own = referee.path if referee and not has_eyes(data) else None
            rows += self.measure_generator(player, self.real(config_of(generator, data)), self.o.referee or own)
        for of, model in (("dcnn", bundle.dcnn if bundle.has("dcnn") else None), ("referee", referee)):
            if model is not None:
                unseen = load_unseen(self.real(config_of(model, data)))
                fakes_of = {verdicts.BUNDLED: players} if players else {}
                fakes_of |= self.held_out(unseen, met(model.facts.get("learnt_from", []), model.facts["data"]))
                others = self.others(of, unseen)
                found = measure_dcnn(of, onnx_player(model), unseen, fakes_of, others, self.o.n or JUDGED)
                self.show(found)
                rows += found.rows
        return rows

    def measure_generator(self, generator: Player, c: RunConfig, referee: Path | None) -> list[dict]:
        yardstick = self.yardstick(c, referee, self.o.n or MOST)
        classes = tuple(generator.classes)
        label = labels_like(generator, yardstick.unseen)
        batches = draw(generator, seeds_of("test", yardstick.n), label)
        asked = label if classes == yardstick.unseen.classes else None
        rows = yardstick.measure("generator", "fakes of unused seeds", batches, asked)
        if self.o.cas:
            check_classes(classes, yardstick)
            fakes = as_pictures(generator, sample(yardstick.training, TAUGHT))
            rows.append(self.measure_learning("generator", "fakes of unused seeds", fakes, yardstick))
        return rows

    def measure_pictures(self, path: Path) -> list[dict]:
        """The rows of pictures from anywhere. Their class folders count where they have the real pictures' names."""
        if not self.o.data:
            raise TrainingError(
                f"{path} is neither a run nor a bundle. If it holds pictures, name with --data the real ones that they "
                "are to be compared with."
            )
        c = RunConfig(data=self.o.data, data_dir=self.o.data_dir, image_size=self.o.image_size, memory=MEMORY)
        like = load_unseen(c)
        pictures = load_target(path, like)
        c = dataclasses.replace(c, image_size=like.images.shape[2], channels=like.images.shape[1])
        yardstick = self.yardstick(c, self.o.referee, min(self.o.n or MOST, len(pictures)))
        some, what = sample(pictures, yardstick.n), f"pictures of {path.resolve().stem}"
        asked = some.labels.numpy() if pictures.classes and pictures.classes == like.classes else None
        rows = yardstick.measure("pictures", what, in_batches(some), asked)
        if self.o.cas:
            check_classes(pictures.classes, yardstick)
            rows.append(self.measure_learning("pictures", what, pictures, yardstick))
        return rows

    def measure_learning(self, of: str, what: str, fakes: Pictures, yardstick: Yardstick) -> dict:
        """How well a DCNN that has learnt from fakes alone recognises real pictures."""
        channels, size = fakes.images.shape[1:3]
        c = DcnnConfig(out="-", image_size=size, channels=channels, steps=self.o.cas_steps)
        value = probes.classification_accuracy(fakes, yardstick.unseen, c, pick_device("auto"))
        on = f"{yardstick.name}; learnt in {c.steps:,} steps from {len(fakes):,} {what}"
        more = {"real": rounded(yardstick.accuracy)} if yardstick.knows_classes else {}
        return make_row(of, PROBES["cas"], value, yardstick.n, on, **more)

    def measure_critic(self, state: dict, c: RunConfig) -> dict:
        """Radford, Metz and Chintala 2015, section 5.1."""
        test = load(c, "test")
        training, validation = hold_out(load(c), c.validation)
        if test is None or test.labels is None or not len(validation):
            raise TrainingError(f"--svm needs classes, a test split and held-back pictures; --data {c.data} lacks one.")
        classes = state["data"]["classes"]
        critic = make_gan(state["config"], len(classes))[1]
        critic.load_state_dict(state["D"])
        value, C, width = probes.linear_svm(critic, training, validation, test, pick_device("auto"))
        on = (
            f"{test.facts['name']} test; the SVM learnt from {len(training):,} training pictures, with C = {C:g}, "
            f"the best of {len(probes.STRENGTHS)} on {len(validation):,} held back"
        )
        seen = f"{width:,} features of all layers of the critic, which learnt {'with' if classes else 'without'} labels"
        return make_row("critic", PROBES["svm"], value, len(test), on, **{"in": seen})


def check_classes(classes: tuple[str, ...], yardstick: Yardstick) -> None:
    if not classes or classes != tuple(yardstick.unseen.classes):
        raise TrainingError(f"--cas needs pictures of the classes of {yardstick.name}: each must say what it shows.")


# --- rows ---------------------------------------------------------------------------------------------------------


def keep(run: Path, rows: list[dict]) -> None:
    """Puts the rows into the run's metrics.json, beside others of the same checkpoint."""
    path = run / "metrics.json"
    sha256 = checkpoint.load(run)["sha256"]
    new = {(row["of"], row["metric"]): row | {"checkpoint": sha256} for row in rows}
    old = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
    kept = {(row["of"], row["metric"]): row for row in old if row["checkpoint"] == sha256}
    checkpoint.write_aside(path, (json.dumps(list((kept | new).values()), indent=1) + "\n").encode())


def idle(o: argparse.Namespace, rows: list[dict], is_run: bool) -> list[str]:
    """The options that were given for nothing: a target with these rows has no use for them."""
    found = {row["metric"] for row in rows}
    given = [flag for flag in SHOWN_BY if getattr(o, flag)]
    return [flag for flag in given if SHOWN_BY[flag] not in found or (flag in OF_RUNS and not is_run)]


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m dcgan.evaluate", description=__doc__.split(":")[0] + ".")
    parser.add_argument(
        "targets",
        nargs="+",
        type=Path,
        metavar="TARGET",
        help="a run of train_gan or train_dcnn, a bundle, or a folder or zip of pictures",
    )
    parser.add_argument("--data", default="", help="real pictures, as in training (default: those it was trained on)")
    parser.add_argument("--data-dir", default="", help="folder in which a named set is looked for first")
    parser.add_argument("--image-size", type=int, default=0, help="of a folder's pictures (default: the real ones')")
    parser.add_argument(
        "--referee",
        type=Path,
        help="whose features distances are taken in: a run of train_dcnn without --gan, a bundle or a referee.onnx "
        "(default: models/DATA/referee.onnx, else CIFAR-10's)",
    )
    parser.add_argument(
        "--held-out",
        nargs="+",
        default=[],
        type=Path,
        metavar="RUN",
        help="of a DCNN with --gan: runs of train_gan, or bundles, that it has not learnt from, to be judged as well",
    )
    parser.add_argument(
        "--known",
        nargs="+",
        default=[],
        type=Path,
        metavar="RUN",
        help="of a DCNN with --gan: where the runs, or bundles, that it has learnt from are now, or those of them that "
        "are still there (default: where they were)",
    )
    parser.add_argument(
        "--bundled",
        type=Path,
        metavar="RUN",
        help="of a run of train_dcnn with --gan: the generator beside which it will be in a bundle, whose fakes are "
        "judged apart as well, as a bundle's own always are",
    )
    parser.add_argument(
        "--unlike",
        nargs="+",
        default=[],
        metavar="DATA",
        help="of a DCNN: pictures of other things, named as in --data, which it is to call unlike all that it knows",
    )
    parser.add_argument(
        "--n",
        type=int,
        help=f"pictures of each set (default: all unseen real ones, at most {MOST:,}; {JUDGED:,} to judge)",
    )
    parser.add_argument("--quick", action="store_true", help="distances alone: no neighbours, no search for copies")
    parser.add_argument("--cas", action="store_true", help="also train a DCNN on the fakes, to recognise real pictures")
    parser.add_argument("--cas-steps", type=int, default=DcnnConfig.steps, help="updates of it (default: %(default)s)")
    parser.add_argument("--svm", action="store_true", help="also fit a linear SVM to the features of a run's critic")
    parser.add_argument("--out", type=Path, help="append the rows to this file, as JSON lines")
    parser.add_argument(
        "--table",
        action=argparse.BooleanOptionalAction,
        default=sys.stdout.isatty(),
        help="a Markdown table instead of JSON lines (default: where a person looks on)",
    )
    return parser


def main(argv: list[str] | None = None) -> None:
    parser = make_parser()
    o = parser.parse_args(argv)
    command = shlex.join(["python", "-m", "dcgan.evaluate", *(sys.argv[1:] if argv is None else argv)])
    try:
        evaluation = Evaluation(o)
        for target in o.targets:
            rows = [row | {"command": command} for row in evaluation.measure(target)]
            is_run = (target / checkpoint.NAME).is_file()
            for flag in idle(o, rows, is_run):
                print(f"--{flag.replace('_', '-')} does not apply to {target}.", file=sys.stderr)
            if is_run:
                keep(target, rows)
            lines = [json.dumps({"target": str(target)} | row) for row in rows]
            print(f"{target}\n\n{measured(rows)}\n" if o.table else "\n".join(lines), flush=True)
            if o.out:
                with o.out.open("a", encoding="utf-8") as file:
                    file.writelines(line + "\n" for line in lines)
    except (TrainingError, *SENTENCES) as error:
        parser.exit(2, f"{parser.prog}: {error}\n")


if __name__ == "__main__":
    main()
