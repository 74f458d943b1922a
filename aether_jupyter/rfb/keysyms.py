"""Names of keys and their X11 key symbols (keysymdef.h), as agents, people and model providers write them."""

from __future__ import annotations

SHIFT, CONTROL, ALT, SUPER = 0xFFE1, 0xFFE3, 0xFFE9, 0xFFEB
UNICODE = 0x01000000
FUNCTION = 0xFD00
"""From here to 0xFFFF lie keys that write nothing; below, characters, some by numbers older than Unicode."""

NAMED: dict[str, int] = {
    "backspace": 0xFF08,
    "tab": 0xFF09,
    "return": 0xFF0D,
    "pause": 0xFF13,
    "scrolllock": 0xFF14,
    "escape": 0xFF1B,
    "home": 0xFF50,
    "left": 0xFF51,
    "up": 0xFF52,
    "right": 0xFF53,
    "down": 0xFF54,
    "pageup": 0xFF55,
    "pagedown": 0xFF56,
    "end": 0xFF57,
    "print": 0xFF61,
    "insert": 0xFF63,
    "menu": 0xFF67,
    "numlock": 0xFF7F,
    "capslock": 0xFFE5,
    "delete": 0xFFFF,
    "shift": SHIFT,
    "shiftright": 0xFFE2,
    "ctrl": CONTROL,
    "ctrlright": 0xFFE4,
    "alt": ALT,
    "altgr": 0xFE03,
    "super": SUPER,
    "superright": 0xFFEC,
    "space": 0x20,
    "plus": 0x2B,
    "minus": 0x2D,
    **{f"f{number}": 0xFFBD + number for number in range(1, 25)},
    **{f"kp{digit}": 0xFFB0 + digit for digit in range(10)},
    "kpenter": 0xFF8D,
    "kpadd": 0xFFAB,
    "kpsubtract": 0xFFAD,
    "kpmultiply": 0xFFAA,
    "kpdivide": 0xFFAF,
    "kpdecimal": 0xFFAE,
    "volumemute": 0x1008FF12,
    "volumedown": 0x1008FF11,
    "volumeup": 0x1008FF13,
    "browserback": 0x1008FF26,
    "browserforward": 0x1008FF27,
}

ALIASES = {
    "enter": "return",
    "esc": "escape",
    "del": "delete",
    "ins": "insert",
    "bksp": "backspace",
    "prior": "pageup",
    "pgup": "pageup",
    "next": "pagedown",
    "pgdn": "pagedown",
    "pgdown": "pagedown",
    "arrowleft": "left",
    "arrowright": "right",
    "arrowup": "up",
    "arrowdown": "down",
    "control": "ctrl",
    "controll": "ctrl",
    "controlleft": "ctrl",
    "ctrll": "ctrl",
    "controlr": "ctrlright",
    "controlright": "ctrlright",
    "shiftl": "shift",
    "shiftleft": "shift",
    "shiftr": "shiftright",
    "altl": "alt",
    "altleft": "alt",
    "option": "alt",
    "altr": "altgr",
    "altright": "altgr",
    "isolevel3shift": "altgr",
    "win": "super",
    "windows": "super",
    "meta": "super",
    "cmd": "super",
    "command": "super",
    "superl": "super",
    "superleft": "super",
    "metal": "super",
    "superr": "superright",
    "printscreen": "print",
    "contextmenu": "menu",
    "spacebar": "space",
    "audiovolumemute": "volumemute",
    "xf86audiomute": "volumemute",
}


def keysym(name: str) -> int | None:
    """The symbol of a key by its name in any of the usual spellings, or of one character; None if it is no key."""
    if len(name) == 1:
        return of_character(name)
    plain = name.strip().lower().replace("_", "").replace("-", "").replace(" ", "")
    return NAMED.get(ALIASES.get(plain, plain))


def of_character(character: str) -> int:
    """The symbol that types one character: Latin 1 as it is, all else by Unicode's range; lines and tabs as keys."""
    if character in "\n\r":
        return NAMED["return"]
    if character == "\t":
        return NAMED["tab"]
    if character == "\b":
        return NAMED["backspace"]
    point = ord(character)
    return point if 0x20 <= point <= 0x7E or 0xA0 <= point <= 0xFF else UNICODE | point


def is_text(symbol: int) -> bool:
    """Whether a symbol writes a character, so that it may be part of a password."""
    return 0x20 <= symbol < FUNCTION or symbol >= UNICODE or 0xFFAA <= symbol <= 0xFFB9
