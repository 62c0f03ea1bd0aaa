"""The card of a bundle: its README.md, made from the facts of its files. Everything in it comes from them."""

import json
import re
from collections import Counter

from export.runtime import forbids_commerce

WHAT = {
    "generator.onnx": "draws pictures",
    "critic.onnx": "the discriminator that the generator learnt against",
    "dcnn.onnx": "real or fake, why, and which class",
    "referee.onnx": "the class alone, learnt from real pictures only: measures the generator",
}
HUB_LICENCES = ("mit", "apache-2.0", "cc0-1.0", "cc-by-4.0")  # those that model hubs know, as they write them


def write_card(
    name: str,
    facts: dict[str, dict],
    sizes: dict[str, int],
    metrics: list[dict],
    progress: dict | None = None,
    neighbours: dict | None = None,
) -> str:
    """A model card in Markdown, with the front matter that model hubs read.

    facts and sizes (bytes): by file name; progress, neighbours: the facts of progress.webp and of neighbours.npz, where
    they are there.
    """
    some = next(iter(facts.values()))
    data, classes = some["data"], some["classes"]
    parts = [
        front_matter(name, facts),
        f"# {name}",
        warning(data["licence"]),
        f"Small ONNX models of {data['name']}, {some['image_size']} x {some['image_size']} pixels. "
        f"Licence of the pictures: {data['licence']}." + (f" Source: {data['source']}." if "source" in data else ""),
        f"Classes: {', '.join(classes)}." if classes else "They know no classes.",
        "![Unpicked samples of the first seeds](samples.png)" if "generator.onnx" in facts else "",
        learning(progress) if progress else "",
        "## Files",
        table(
            ("file", "what", "size", "takes", "gives"), [file_row(file, f, sizes[file]) for file, f in facts.items()]
        ),
        halves(facts),
        levels(facts),
        "`manifest.json` holds the sha256 of each file; each `.onnx` holds its facts as JSON in its metadata. "
        "`examples/`, where it is there, holds real pictures of the same data to try.",
        use(name, facts, classes),
        copies(name, neighbours) if neighbours else "",
        "## Measured",
        measured(metrics),
        "## Made",
        *[made_sentence(file, f) for file, f in facts.items() if file != "critic.onnx"],
        *[recogniser_sentence(file, f["recogniser"]) for file, f in facts.items() if "recogniser" in f],
        UNMET if is_unmet(facts) else "",
        table(
            ("file", "checkpoint", "step", "real pictures shown", "seconds", "on", "torch", "date", "settings"),
            [made_row(f"`{file}`", f) for file, f in facts.items()]
            + [made_row(f"`{file}`: classes", f["recogniser"]) for file, f in facts.items() if "recogniser" in f],
        ),
        "Settings are those that differ from the preset, or without one from the defaults.",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def front_matter(name: str, facts: dict[str, dict]) -> str:
    """The licence is that of the pictures, which binds what has learnt from them."""
    licence = next(iter(facts.values()))["data"]["licence"]
    short = licence.split()[0].lower()
    lines = ["---", f"license: {short if short in HUB_LICENCES else 'other'}"]
    if short not in HUB_LICENCES:
        lines.append(f"license_name: {re.sub(r'[^a-z0-9.]+', '-', licence.lower()).strip('-')}")
    task = "unconditional-image-generation" if "generator.onnx" in facts else "image-classification"
    lines += ["library_name: onnx", f"pipeline_tag: {task}", "tags: [dcgan, gan, onnx, onnxruntime]"]
    return "\n".join([*lines, f"model_name: {json.dumps(name)}", "---"])


def warning(licence: str) -> str:
    """What a person has to know before anything else."""
    if not forbids_commerce(licence):
        return ""
    return (
        f"> **Not for commercial use.** The pictures that these models learnt from are licensed for {licence}; "
        "so are the models, and the pictures that they draw."
    )


def learning(progress: dict) -> str:
    """The animation of the training, and when its frames were drawn."""
    first, last = progress["seeds"]
    seeds, steps = f"Seeds {first} to {last}", [f"{step:,}" for step in progress["steps"]]
    return (
        f"![{seeds} while the generator learns, from step {steps[0]} to step {steps[-1]}]({progress['file']})\n\n"
        f"{seeds} through training, at the steps {', '.join(steps)}."
    )


def copies(name: str, neighbours: dict) -> str:
    """What the index of training pictures is, what it finds, and how to ask it."""
    found = "; ".join(f"{how} {share:.4g}" for how, share in neighbours["found"].items())
    thumbnails = neighbours["thumbnails"]
    pictures = (
        f"`neighbours.zip` holds those pictures, in lossy WebP {thumbnails['quality']}, to look at."
        if thumbnails
        else "The pictures themselves stay away: their licence does not clearly let them travel."
    )
    return (
        "## Is it a copy?\n\n"
        f"`neighbours.npz` holds {neighbours['training']:,} training pictures of {neighbours['data']['name']}, reduced "
        f"to {neighbours['features']} numbers each, among which the nearest are found ({neighbours['recall']:.4g} of "
        "the exact nearest ones). A copy is far nearer to one of them than to the next few. How much nearer is usual "
        f"is told by {neighbours['unseen']:,} pictures of {neighbours['unseen_are']}, which no training saw. {pictures}"
        f"\n\nOf copies of training pictures, this share stands out more than 99 % of the unseen ones do: {found}.\n\n"
        "```python\nfrom export.neighbours import Neighbours\n\n"
        f'found = Neighbours("models/{name}").look(pixels)  # found.percentile: 0 for a copy, 50 for a usual picture\n'
        "```"
    )


def table(head: tuple[str, ...], rows: list[tuple]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |" for line in lines)


def file_row(file: str, facts: dict, size: int) -> tuple:
    def say(sides: dict[str, str]) -> str:
        return "<br>".join(f"`{key}` {value}" for key, value in sides.items())

    return f"`{file}`", WHAT[file], f"{size / 1e6:.1f} MB", say(facts["inputs"]), say(facts["outputs"])


def halves(facts: dict[str, dict]) -> str:
    """Whether files hold rounded weights, and how far that moves what a person sees: pixels, probabilities."""
    moved = [
        f"`{key}` of `{file}` by at most {most:g}" + (" of 255 levels" if key == "pixels" else "")
        for file, f in facts.items()
        for key, most in f.get("weights", {}).get("moved", {}).items()
        if key in ("pixels", "real", "classes")
    ]
    if not moved:
        return ""
    return (
        "Weights are stored as 16-bit floats and computed with in 32 bits. Over 64 examples this rounding moved "
        f"{', '.join(moved)}."
    )


def levels(facts: dict[str, dict]) -> str:
    """Which files compute in 8 bits, and what that means for who runs or measures them."""
    found = [f"`{file}`" for file, f in facts.items() if f["config"].get("bits") == 8]
    if not found:
        return ""
    return (
        f"Where most of its arithmetic is, {' and '.join(found)} computes in 8 bits, in which CPUs are two to three "
        "times as fast: numbers are rounded to 256 levels, weights to 127 multiples of a scale, stored as 8-bit "
        "integers. Of many numbers a few fall to the other side of a rounding elsewhere, so that probabilities may "
        "differ by a hundredth or two between runtimes. What is measured below is measured with these roundings."
    )


def real_pictures(facts: dict) -> int:
    """Those that were trained on: without those held back."""
    n = facts["data"]["pictures"]
    return n - round(n * facts["config"]["validation"])


def recogniser_sentence(file: str, facts: dict) -> str:
    """The same of the network within that helps to tell the classes."""
    learnt = made_sentence(file, facts).removeprefix(f"`{file}` ")
    return f"The part of `{file}` that tells the classes best, of {facts['parameters']:,} weights, {learnt}"


def made_sentence(file: str, facts: dict) -> str:
    """How one file came to be, for a person who skims."""
    seconds, n = facts["made"]["seconds"], real_pictures(facts)
    took = f"{seconds / 3600:.1f} hours" if seconds >= 7200 else f"{seconds / 60:.0f} minutes"
    best = facts.get("best")
    chosen = "" if best is None else f" The best of its steps, {best['step']:,}, is the one exported: {nearest(best)}."
    start, unlike = (facts["data"].get(name) for name in ("start", "unlike"))
    begun = f" It began with the weights of checkpoint {start[:12]}." if start else ""
    shown = f" It was shown as unlike all that it knows: {', '.join(unlike)}." if unlike else ""
    more = begun + chosen + shown + calibrated_sentence(facts["data"].get("calibrated_on", []))
    return (
        f"`{file}` learnt for {took if seconds >= 120 else f'{seconds:.0f} seconds'} on {facts['made']['device']}, "
        f"from {facts['images']:,} real pictures ({facts['images'] / n:.1f} epochs of {n:,}).{more}"
    )


def calibrated_sentence(generators: list[str]) -> str:
    """What --calibrate-on named, by the sha256 of checkpoints; empty where it named none."""
    often = Counter(sha256[:12] for sha256 in generators)
    named = [each if times == 1 else f"{each} (counted {times} times)" for each, times in often.items()]
    return f" Its probabilities were calibrated on fakes of checkpoint {', '.join(named)}, too." if named else ""


UNMET = (
    "`dcnn.onnx` has not learnt from the `generator.onnx` beside it, or from an earlier step of it: it may be less "
    "sure of its pictures than of others."
)


def is_unmet(facts: dict[str, dict]) -> bool:
    """Whether the DCNN of a bundle is known not to have learnt from its generator, as that is now."""
    dcnn, generator = facts.get("dcnn.onnx", {}), facts.get("generator.onnx", {})
    told = "learnt_from" in dcnn and "checkpoint_sha256" in generator  # older files do not tell
    return told and generator["checkpoint_sha256"] not in dcnn["learnt_from"]


def nearest(best: dict) -> str:
    """Why a step is the best one."""
    if "loss" in best:
        return f"its loss on real pictures and fakes that it had not learnt from was the smallest ({best['loss']:.4g})"
    on = best.get("on", "real pictures that were held back")
    return f"its pictures had the smallest Fréchet distance to {on} ({best['distance']:.4g})"


def in_words(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def made_row(what: str, facts: dict) -> tuple:
    made = facts["made"]
    settings = facts.get("settings", facts["config"])  # older files list all of them
    return (
        what,
        facts["checkpoint_sha256"][:12],
        f"{facts.get('best', facts)['step']:,} of {facts['step']:,}",
        f"{facts['images']:,}",
        f"{made['seconds']:.0f}",
        made["device"],
        made["torch"],
        made.get("date", ""),
        ", ".join(f"{key} {in_words(value)}" for key, value in settings.items() if value != ""),
    )


def measured(metrics: list[dict]) -> str:
    if not metrics:
        return "Nothing yet: run `python -m dcgan.evaluate RUN` on each run, then export again."
    figures = [
        f"{m['value']:.4g}"
        + (f" ± {m['standard_error']:.2g}" if "standard_error" in m else "")
        + (" [{:.4g}, {:.4g}]".format(*m["interval"]) if "interval" in m else "")
        for m in metrics
    ]
    rows = [
        (m["of"], m["metric"], figure, beside(m), m["n"], m["on"], m.get("in", ""), f"`{m['command']}`")
        for m, figure in zip(metrics, figures, strict=True)
    ]
    return table(("of", "metric", "value", "beside", "n", "on", "in", "command"), rows)


def beside(row: dict) -> str:
    """What a figure is to be read against: what real pictures have, and the same pictures after a known harm."""
    said = {"floor": "real pictures", "real": "real pictures"} | {"ceilings": "after", "harmed": "after"}
    figures = {said[key]: value for key, value in row.items() if key in said}
    harms = figures.pop("after", {})
    parts = [f"{name} {value:.4g}" for name, value in figures.items()]
    return "; ".join(parts + [f"after {harm} {value:.4g}" for harm, value in harms.items()])


def use(name: str, facts: dict[str, dict], classes: list[str]) -> str:
    """How to call what is there, from Python and from a shell; a referee alone is for measuring, not for use."""
    label = f', "{classes[0]}"' if classes else ""
    option = f' --label "{classes[0]}"' if classes else ""
    lines, shell = [], []
    if "generator.onnx" in facts:
        lines.append(f"pixels = bundle.generator.draw([1, 2, 3]{label})  # uint8 3,S,S,3")
        shell.append(f"python -m export.generate models/{name} --seeds 1-16{option} --out sheet.png")
    if "dcnn.onnx" in facts:
        lines.append('verdict = bundle.dcnn.judge("photo.jpg")  # verdict.real, verdict.label, verdict.evidence')
        shell.append(f"python -m export.judge models/{name} photo.jpg")
    if not lines:
        return ""
    head = ["## Use", "", "```python", "from export.runtime import Bundle", "", f'bundle = Bundle("models/{name}")']
    return "\n".join([*head, *lines, "```", "", "```sh", *shell, "```"])
