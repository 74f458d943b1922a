"""Ranges of characters, as they stand in a regular expression between brackets."""

UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff"
    "\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff"
)
"""Letters of scripts that put no blank between words, or hang much onto one: Thai, Burmese, Khmer, Japanese, Chinese,
Korean.
"""
SIGNS = "\u2600-\u27bf\U0001f000-\U0001faff"
"""Emoji and the like: one sign is a word."""
