"""The tab that plays: real or fake, a visitor against the DCNN, ten rounds.

Nobody's game is stored here. A game's name is a random word with a mark of this process, and from the word and a secret
the process works out what each round shows: so it can be asked for a picture and later for the truth, and the truth is
not in the page before. Scores are kept by the visitor's browser alone.

The DCNN has to decide, as the visitor has: what counts is on which side of its threshold a picture lies. Of many fakes
it would rather say that it is unsure, and a game of half points is none.
"""

import hashlib
import hmac
import random
import secrets
from dataclasses import dataclass

import gradio as gr
import numpy as np

from export import verdict
from export.latents import SEED_MAX
from export.runtime import Bundle, ModelError
from export.verdict import FAKE, REAL
from ui.choosing import begin, choose_bundle
from ui.evidence import enlarge, paint
from ui.reals import has_reals, real_pictures
from ui.sentences import SENTENCES, GameError, speaks, whole
from ui.sheets import chosen, ran
from ui.shelf import names_with, notice_of, shelf, take
from ui.texts import say
from ui.widgets import QUIET, Footer, Game, png_url

ROUNDS = 10
SECRET = secrets.token_bytes(32)  # of this process; another one does not know its games
MARK = 12  # characters
SIDE = 336  # pixels, about


@speaks
def game_round(bundle: str | None = None, game: str | None = None, round: float | None = 1) -> dict:
    """Get the picture of a round of the game: is it real, or did the generator draw it?

    bundle: a name of /bundles (empty: the first that brings real pictures). game: its name, as this call gave it
    (empty: a new game). round: 1 to 10.
    Returns bundle, game, round, of (how many rounds there are), png, and notice (what the licence asks to be said, or
    null). Only /game_answer knows what the picture is.
    """
    shelved = take_playable(bundle)
    game = new_game(shelved) if not game else str(game)
    number = whole(round, 1, 1, ROUNDS, "game.rounds")
    return as_shown(shelved, game, number, pixels_of(shelved, draw_of(shelved, game, number)))


@speaks
def game_answer(game: str, round: float, answer: str, bundle: str | None = None) -> tuple[dict, dict]:
    """Say whether the picture of a round is real or fake, and learn the truth.

    game, round, bundle: those of /game_round. answer: real or fake.
    Returns what /game_round does, with answer, truth (real or fake), seed and label of a fake, and dcnn: what it said
    of the picture (answer: real or fake, as it has to decide here; verdict: what it says where it has not, such as
    unsure; why; real: the probability; label; map: its evidence over the picture); and what ran. Nothing is kept, so an
    answer can be given again.
    """
    shelved = take_playable(bundle)
    number = whole(round, 1, 1, ROUNDS, "game.rounds")
    draw = draw_of(shelved, str(game), number)
    if answer not in (REAL, FAKE):
        raise GameError(say("game.answers", given=repr(str(answer)[:40])))
    pixels = pixels_of(shelved, draw)
    judgement = verdict.judge(shelved.dcnn, pixels)
    what_ran = ran(shelved, shelved.dcnn)
    said, evidence = judgement.verdict, judgement.verdict.evidence
    machine = {
        "answer": judgement.side,
        "verdict": judgement.answer,
        "why": verdict.why(judgement, shelved.dcnn.facts),
        "real": said.real,
        "label": said.label,
        "map": None if evidence is None else png_url(paint(pixels, evidence, SIDE)),
    }
    told = {"answer": answer, "truth": draw.truth, "dcnn": machine, "seed": draw.seed, "label": label_of(shelved, draw)}
    return as_shown(shelved, str(game), number, pixels) | told, what_ran


# --- what is played -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Draw:
    """What a round shows: a real picture of the bundle, by its number, or the fake of a seed."""

    real: int | None = None
    seed: int | None = None

    @property
    def truth(self) -> str:
        return FAKE if self.real is None else REAL


def playable() -> list[str]:
    """The bundles that can be played with: they draw, judge, and bring real pictures."""
    return [n for n, bundle in shelf().items() if bundle.has("generator") and bundle.has("dcnn") and has_reals(bundle)]


def take_playable(name: str | None) -> Bundle:
    """The bundle of this name, or the first that can be played with. Raises ModelError, PictureError."""
    if not name and not playable():
        raise ModelError(say("game.nobody"))
    bundle = take(take(name or playable()[0]).name, "dcnn")
    if not has_reals(bundle) or not len(real_pictures(bundle)):
        raise ModelError(say("game.no_reals", bundle=bundle.name))
    return bundle


def new_game(bundle: Bundle) -> str:
    """The name of a game that was not played before."""
    word = secrets.token_hex(8)
    return f"{word}-{secret_of(bundle, word).hex()[:MARK]}"


def secret_of(bundle: Bundle, word: str) -> bytes:
    """What only this process can make of a game's word. A part of it is the mark; the rest decides what is shown."""
    return hmac.digest(SECRET, f"{bundle.name} {word}".encode(), hashlib.sha512)


def draw_of(bundle: Bundle, game: str, round: int) -> Draw:
    """What a round shows. Raises GameError where the game is not one of ours."""
    word, _, mark = game.partition("-")
    secret = secret_of(bundle, word)
    if not hmac.compare_digest(mark.encode(), secret.hex()[:MARK].encode()):
        raise GameError(say("game.unknown"))
    return draws_of(secret[MARK:], len(real_pictures(bundle)))[round - 1]


def draws_of(secret: bytes, N: int) -> list[Draw]:
    """What the rounds of a game show; in each a coin decides between a real picture and a fake.

    The N real pictures come in an order of the game's own, and again only where there are fewer than rounds.
    """
    rng = random.Random(secret)
    order = rng.sample(range(N), N)
    coins = [(rng.random() < 0.5, rng.randint(0, SEED_MAX)) for _ in range(ROUNDS)]
    return [Draw(real=order[i % N]) if real else Draw(seed=seed) for i, (real, seed) in enumerate(coins)]


def pixels_of(bundle: Bundle, draw: Draw) -> np.ndarray:
    """The picture uint8 S,S,3. Something is drawn in any case: the time that it takes tells nothing."""
    drawn = bundle.generator.draw([draw.seed or 0])[0]
    return drawn if draw.real is None else real_pictures(bundle)[draw.real]


def label_of(bundle: Bundle, draw: Draw) -> str | None:
    """The class that the generator was told to draw; nobody has told us that of real pictures."""
    return None if draw.seed is None else bundle.generator.recipes([draw.seed])[0].label


def as_shown(bundle: Bundle, game: str, round: int, pixels: np.ndarray) -> dict:
    """A round's picture; its PNG holds pixels and nothing else."""
    png = png_url(enlarge(pixels, SIDE))
    return {"bundle": bundle.name, "game": game, "round": round, "of": ROUNDS, "png": png, "notice": notice_of(bundle)}


# --- the page -----------------------------------------------------------------------------------------------------


def first_round(bundle: str | None) -> dict:
    """The first round of a new game, or why there is none."""
    try:
        shelved = take_playable(bundle)
        game = new_game(shelved)
        return as_shown(shelved, game, 1, pixels_of(shelved, draw_of(shelved, game, 1)))
    except SENTENCES as error:
        return {"unable": str(error)}


def next_round(event: gr.EventData) -> dict:
    """`game_round`, of a game on the page."""
    asked = chosen(event)
    return game_round(asked.get("bundle"), asked.get("game"), asked.get("round"))


def answer_round(event: gr.EventData) -> tuple[dict, dict]:
    """`game_answer`, of a game on the page."""
    asked = chosen(event)
    return game_answer(asked.get("game"), asked.get("round"), asked.get("answer"), asked.get("bundle"))


def build(footer: Footer) -> None:
    """Lays out the tab."""
    names, some = names_with("generator"), playable()
    gr.Markdown(say("game.introduction"), elem_classes="hint")
    bundle = choose_bundle(names, (some or names)[0], elem_classes="narrow")
    view = Game(None if some else {"unable": say("game.nobody")}, label=say("game.tab"), elem_id="game")

    lost = {"fn": lambda: {"unable": say("game.lost_game"), "again": True}, "outputs": view} | QUIET
    gr.api(game_round, api_name="game_round")
    gr.api(game_answer, api_name="game_answer")
    for event in (begin(view, bundle, among=some).then, view.again, bundle.input):
        event(first_round, bundle, view, **QUIET)
    view.next(next_round, None, view, **QUIET).failure(**lost)
    view.answer(answer_round, None, [view, footer], **QUIET).failure(**lost)
