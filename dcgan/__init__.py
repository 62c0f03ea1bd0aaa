"""Learning: the networks, their losses, their data and their training. Everything here may need torch."""

import importlib.util
import sys

if importlib.util.find_spec("torch") is None:
    sentence = "Training needs torch. Install it with: pip install -r requirements-train.txt"
    # While `python -m dcgan.something` imports this package, argv[0] is "-m": that is a person at a command line.
    raise SystemExit(sentence) if sys.argv[:1] == ["-m"] else ModuleNotFoundError(sentence, name="torch")
