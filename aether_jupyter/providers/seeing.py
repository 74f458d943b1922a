"""Which models take images, by name, as their makers say. What is not known here, `c.Aether.seeing_models` says."""

from __future__ import annotations

import fnmatch
from collections.abc import Sequence

OPENAI = (
    *("gpt-4o*", "chatgpt-4o*", "gpt-4.1*", "gpt-4.5*", "gpt-4-turbo*", "gpt-4-vision*", "gpt-5*", "gpt-6*"),
    *("o1", "o1-20*", "o1-pro*", "o3", "o3-20*", "o3-pro*", "o4-mini*", "computer-use*"),
    *("!*audio*", "!*realtime*", "!*search*", "!*transcribe*", "!*tts*", "!gpt-4-turbo-preview"),
)
ANTHROPIC = ("claude-*", "!claude-1*", "!claude-2*", "!claude-instant*")
GOOGLE = (
    *("gemini-*", "gemma-3-*", "gemma-4*"),
    *("!gemini-1.0*", "!gemini-pro", "!*embedding*", "!*tts*", "!gemma-3-1b*"),
)
OPEN = (
    *("*llava*", "*-vl*", "*vl:*", "*vl-*", "*[0-9]vl", "*vision*", "*pixtral*", "*minicpm-v*", "*moondream*"),
    *("*internvl*", "*idefics*", "*molmo*", "*gemma3*", "*gemma-3-*", "*gemma4*", "*llama4*", "*llama-4*", "*qwen3.5*"),
    *("*mistral-small3.[12]*", "*mistral-small-3.[12]*", "*mistral-medium-3*", "*phi-4-multimodal*", "*glm-4*v*"),
    *("!*gemma3:1b*", "!*gemma3:270m*", "!*gemma-3-1b*", "!*gemma-3-270m*", "!*gemma3n*"),
)
"""Models of open weights are called alike wherever they are served."""


def takes_images(name: str, patterns: Sequence[str]) -> bool:
    """Whether a model of this name does; of several patterns that fit, the last holds, and with ! it does not."""
    bare = name.lower().rpartition("/")[2]
    fitting = (line for line in reversed(patterns) if fnmatch.fnmatchcase(bare, line.removeprefix("!")))
    return not next(fitting, "!").startswith("!")
