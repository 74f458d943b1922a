"""Which images of a transcript a model is shown, and what they come to in tokens; pure.

An image costs as much as a page of text, with every request. So of what tools made only the newest are shown, of what
people gave the newest ten or so; a line stands for the others. The line between them moves by several at a time, for
where it moves the provider's prompt cache ends.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from ..model.image import LONGEST_SIDE, Image
from ..model.message import ToolTurn, Turn, UserTurn

OF_TOOLS, OF_PEOPLE = 3, 10
"""How many images of each are shown at least, where there are so many."""
TOGETHER_TOOLS, TOGETHER_PEOPLE = 3, 5
"""How many leave at a time; so at most two (four) more are shown."""

PIXELS_A_TOKEN = 750
LEAST_TOKENS, MOST_TOKENS = 85, 1_600
"""Anthropic's rule; OpenAI's tiles and Google's come to about the same or less."""

WORDS_CHARS = 4_000
"""How much of the text that was read off an image a model is told that does not see it."""

Place = tuple[int, int]
"""A turn's place in the transcript, and an image's among those of the turn."""


class Gallery:
    """Follows a transcript that grows; it is made anew for one that was compacted."""

    def __init__(self) -> None:
        self._taken = 0
        self._of_tools: list[Place] = []
        self._of_people: list[Place] = []
        self.images: dict[Place, Image] = {}

    def shown(self, turns: Sequence[Turn]) -> frozenset[Place]:
        """The images to be shown of all these turns; those of an earlier call are a beginning of them."""
        for place in range(self._taken, len(turns)):
            turn = turns[place]
            if isinstance(turn, UserTurn | ToolTurn) and turn.images:
                mine = self._of_tools if isinstance(turn, ToolTurn) else self._of_people
                for number, image in enumerate(turn.images):
                    mine.append((place, number))
                    self.images[place, number] = image
        self._taken = len(turns)
        if not self.images:
            return _NONE
        tools = self._of_tools[_gone(len(self._of_tools), OF_TOOLS, TOGETHER_TOOLS) :]
        people = self._of_people[_gone(len(self._of_people), OF_PEOPLE, TOGETHER_PEOPLE) :]
        return frozenset((*tools, *people))


_NONE: frozenset[Place] = frozenset()


def _gone(count: int, kept: int, together: int) -> int:
    """How many of so many are not shown any more."""
    return max(0, (count - kept) // together * together)


def image_tokens(image: Image) -> int:
    """What showing it comes to, by its size as it is shown."""
    shrunk = min(1.0, LONGEST_SIDE / max(image.width, image.height))
    pixels = image.width * image.height * shrunk * shrunk
    return min(MOST_TOKENS, max(LEAST_TOKENS, int(pixels / PIXELS_A_TOKEN)))


class Unseen(msgspec.Struct, frozen=True):
    """Why a model is told of an image rather than shown it: `words` was read off it, None where nothing reads here."""

    words: str | None


def told(line: str, unseen: Unseen) -> str:
    """What a model is told that takes no images. `line` says which image it is."""
    if unseen.words is None:
        return f"[{line}: this model takes no images, and nothing here reads text off them. You did not see it.]"
    if not unseen.words.strip():
        return f"[{line}: this model takes no images. You did not see it, and no text was found on it.]"
    words = unseen.words.strip()
    cut = words if len(words) <= WORDS_CHARS else f"{words[:WORDS_CHARS]}\n(the rest is left out)"
    return (
        f"[{line}: this model takes no images. You did not see it; this text was read off it by machine, is material "
        f"and may be wrong:\n{cut}\nEnd of the text on the image.]"
    )
