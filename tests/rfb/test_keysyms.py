"""Keys by the names that agents, people and providers use."""

from __future__ import annotations

import pytest

from aether_jupyter.rfb.keysyms import is_text, keysym, of_character


@pytest.mark.parametrize(
    ("names", "symbol"),
    [
        (("Return", "Enter", "enter"), 0xFF0D),
        (("ctrl", "Control", "Control_L", "CONTROL"), 0xFFE3),
        (("Page_Down", "PageDown", "pgdn", "Next"), 0xFF56),
        (("super", "cmd", "Meta", "win"), 0xFFEB),
        (("F1", "f1"), 0xFFBE),
        (("F24",), 0xFFD5),
        (("KP_Enter",), 0xFF8D),
        (("ArrowLeft", "left"), 0xFF51),
        (("a",), 0x61),
        (("€",), 0x010020AC),
        (("+", "plus"), 0x2B),
    ],
)
def test_a_key_is_found_under_all_its_names(names: tuple[str, ...], symbol: int) -> None:
    assert {keysym(name) for name in names} == {symbol}


def test_what_is_no_key_is_none() -> None:
    assert keysym("hyper_drive") is None
    assert keysym("") is None


def test_characters_are_typed_as_the_protocol_says() -> None:
    assert [of_character(each) for each in "Aß漢\n\t"] == [0x41, 0xDF, 0x01006F22, 0xFF0D, 0xFF09]
    assert all(is_text(of_character(each)) for each in "Aß漢 7")
    assert not any(is_text(of_character(each)) for each in "\n\t")
