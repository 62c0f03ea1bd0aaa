"""How a bundle's models are run elsewhere: code in Python, in JavaScript and for a command line, ready to copy."""

from pathlib import Path

from export.neighbours import has_index
from export.runtime import Bundle, ModelError

DRAW = (Path(__file__).parent / "draw.mjs").read_text(encoding="utf-8")


def snippets(bundle: Bundle) -> dict[str, str]:
    """Name of the language -> code for what the bundle has; a generator that cannot be opened is left out."""
    folder, python, shell = f"models/{bundle.name}", [], []
    javascript = ""
    facts = generator_facts(bundle)
    if facts:
        label = f', "{facts["classes"][0]}"' if facts["classes"] else ""
        python.append(f"pixels = bundle.generator.draw([1, 2, 3]{label})  # uint8 3,S,S,3")
        option = f' --label "{facts["classes"][0]}"' if facts["classes"] else ""
        shell.append(f"python -m export.generate {folder} --seeds 1-16{option} --out sheet.png")
        javascript = javascript_of(facts)
    if bundle.has("dcnn"):
        python.append('verdict = bundle.dcnn.judge("photo.jpg")  # verdict.real, verdict.label, verdict.evidence')
        shell.append(f"python -m export.judge {folder} photo.jpg")
    lines = ["from export.runtime import Bundle", "", f'bundle = Bundle("{folder}")', *python] if python else []
    if has_index(bundle.manifest):
        lines += ["", "from export.neighbours import Neighbours", "from export.pictures import read_picture", ""]
        lines += [f'found = Neighbours("{folder}").look(read_picture("photo.jpg"))  # found.percentile: 0 for a copy']
    code = {"Python": "\n".join(lines), "JavaScript": javascript, "shell": "\n".join(shell)}
    return {language: text for language, text in code.items() if text}


def javascript_of(facts: dict) -> str:
    """draw.mjs for a generator of these facts."""
    sizes = {"__LATENT_DIM__": facts["latent_dim"], "__CLASSES__": len(facts["classes"])}
    text = DRAW
    for name, number in sizes.items():
        text = text.replace(name, str(number))
    return text


def generator_facts(bundle: Bundle) -> dict:
    try:
        return bundle.generator.facts if bundle.has("generator") else {}
    except ModelError:
        return {}  # the list of files shows what is wrong
