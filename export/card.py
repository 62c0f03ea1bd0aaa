"""The card of a bundle: its README.md, made from the facts of its files. Everything in it comes from them."""

import json

WHAT = {
    "generator.onnx": "draws pictures",
    "critic.onnx": "the discriminator that the generator learnt against",
    "dcnn.onnx": "real or fake, why, and which class",
    "referee.onnx": "the class alone, learnt from real pictures only: measures the generator",
}
DULL = ("image_size", "channels", "steps", "tick", "device", "tensorboard")  # settings said elsewhere, or of no effect


def write_card(name: str, facts: dict[str, dict], sizes: dict[str, int], metrics: list[dict]) -> str:
    """A model card in Markdown, with the front matter that model hubs read. facts and sizes (bytes): by file name."""
    some = next(iter(facts.values()))
    data, classes = some["data"], some["classes"]
    parts = [
        front_matter(name, data),
        f"# {name}",
        f"Small ONNX models of {data['name']}, {some['image_size']} x {some['image_size']} pixels. "
        f"Licence of the pictures: {data['licence']}." + (f" Source: {data['source']}." if "source" in data else ""),
        f"Classes: {', '.join(classes)}." if classes else "The pictures have no classes.",
        "![Unpicked samples of the first seeds](samples.png)" if "generator.onnx" in facts else "",
        "## Files",
        table(
            ("file", "what", "size", "takes", "gives"), [file_row(file, f, sizes[file]) for file, f in facts.items()]
        ),
        "`manifest.json` holds the sha256 of each file; each `.onnx` holds its facts as JSON in its metadata. "
        "`examples/`, where it is there, holds real pictures of the same data to try.",
        "## Use",
        use(name, facts, classes),
        "## Measured",
        measured(metrics),
        "## Made",
        table(
            ("file", "from", "real pictures shown", "seconds", "on", "torch", "date", "settings"),
            [made_row(*f) for f in facts.items()],
        ),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def front_matter(name: str, data: dict) -> str:
    licence = data["licence"].split()[0].lower()
    known = licence if licence in ("mit", "apache-2.0", "cc0-1.0", "cc-by-4.0") else "other"
    lines = ["---", f"license: {known}", "library_name: onnx", "pipeline_tag: unconditional-image-generation"]
    return "\n".join([*lines, "tags: [dcgan, gan, onnx, onnxruntime]", f"model_name: {json.dumps(name)}", "---"])


def table(head: tuple[str, ...], rows: list[tuple]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |" for line in lines)


def file_row(file: str, facts: dict, size: int) -> tuple:
    def say(sides: dict[str, str]) -> str:
        return "<br>".join(f"`{key}` {value}" for key, value in sides.items())

    return f"`{file}`", WHAT[file], f"{size / 1e6:.1f} MB", say(facts["inputs"]), say(facts["outputs"])


def made_row(file: str, facts: dict) -> tuple:
    made, n = facts["made"], facts["data"]["pictures"]
    n -= round(n * facts["config"]["validation"])
    shown = f"{facts['images']:,} ({facts['images'] / n:.1f} epochs of {n:,})"
    used = {key: value for key, value in facts["config"].items() if value not in ("", 0, False) and key not in DULL}
    settings = ", ".join(
        f"{key} {value:.4g}" if isinstance(value, float) else f"{key} {value}" for key, value in used.items()
    )
    return (
        f"`{file}`",
        f"step {facts['step']} of checkpoint {facts['checkpoint_sha256'][:12]}",
        shown,
        f"{made['seconds']:.0f}",
        made["device"],
        made["torch"],
        made.get("date", ""),
        settings,
    )


def measured(metrics: list[dict]) -> str:
    if not metrics:
        return "Nothing yet: run `python -m dcgan.evaluate RUN` on each run, then export again."
    rows = [(m["of"], m["metric"], f"{m['value']:.4f}", m["n"], m["on"], f"`{m['command']}`") for m in metrics]
    return table(("of", "metric", "value", "n", "on", "command"), rows)


def use(name: str, facts: dict[str, dict], classes: list[str]) -> str:
    lines = ["from export.runtime import Bundle", "", f'bundle = Bundle("models/{name}")']
    label = f', "{classes[0]}"' if classes else ""
    if "generator.onnx" in facts:
        lines.append(f"pixels = bundle.generator.draw([1, 2, 3]{label})  # uint8 3,S,S,3")
    if "dcnn.onnx" in facts:
        lines.append('verdict = bundle.dcnn.judge("photo.jpg")  # verdict.real, verdict.label, verdict.evidence')
    option = f' --label "{classes[0]}"' if classes else ""
    shell = []
    if "generator.onnx" in facts:
        shell.append(f"python -m export.generate models/{name} --seeds 1-16{option} --out sheet.png")
    if "dcnn.onnx" in facts:
        shell.append(f"python -m export.judge models/{name} photo.jpg")
    return "\n".join(["```python", *lines, "```", "", "```sh", *shell, "```"])
