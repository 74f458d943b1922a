"""What viewers send: told apart to the byte, whatever pieces it comes in, and told without what was typed."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aether_jupyter.engine.takeover import joined
from aether_jupyter.model.control import Act
from aether_jupyter.rfb.input import Message, Recorder, ViewerStream

HELLO = b"RFB 003.008\n\x01\x00"
FORMAT = struct.pack(">BxxxBBBBHHHBBBxxx", 0, 32, 24, 0, 1, 255, 255, 255, 16, 8, 0)
ENCODINGS = struct.pack(">BxH3i", 2, 3, 0, 1, -223)
REQUEST = struct.pack(">BBHHHH", 3, 1, 0, 0, 1280, 800)
KEY = struct.pack(">BBxxI", 4, 1, 0x61)
EXTENDED_KEY = struct.pack(">BBHII", 255, 0, 1, 0x61, 30)
POINTER = struct.pack(">BBHH", 5, 1, 10, 20)
CUT = struct.pack(">Bxxxi", 6, 3) + b"abc"
CAPS = struct.pack(">BxxxiII", 6, -8, 1 << 24 | 1, 0)
ASK = struct.pack(">BxxxiI", 6, -4, 1 << 25 | 1)
GIVE = struct.pack(">BxxxiI", 6, -8, 1 << 28 | 1) + b"zlib"
NOTIFY = struct.pack(">BxxxiI", 6, -4, 1 << 27 | 1)
FENCE = struct.pack(">BxxxIB", 248, 1, 4) + b"mark"
CONTINUOUS = struct.pack(">BBHHHH", 150, 1, 0, 0, 9, 9)
SIZE = struct.pack(">BxHHBxIHHHHI", 251, 900, 700, 1, 0, 0, 0, 900, 700, 0)
LOOKS = (FORMAT, ENCODINGS, REQUEST, CAPS, ASK, FENCE, CONTINUOUS)
ACTS = (KEY, EXTENDED_KEY, POINTER, CUT, GIVE, NOTIFY, SIZE)


@given(st.lists(st.sampled_from(LOOKS + ACTS), max_size=20), st.data())
def test_messages_come_out_whole_in_whatever_pieces_they_came(sent: list[bytes], data: st.DataObject) -> None:
    stream, whole = ViewerStream(), HELLO + b"".join(sent)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=10)))
    pieces = [whole[a:b] for a, b in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
    found = [message for piece in pieces for message in stream.feed(piece)]
    assert [message.raw for message in found[3:]] == sent
    assert [message.acts for message in found[3:]] == [each in ACTS for each in sent]


def test_a_viewer_cannot_send_the_others_away() -> None:
    assert [message.raw for message in ViewerStream().feed(HELLO)][-1] == b"\x01"


@pytest.mark.parametrize(
    "sent",
    [
        b"GET / HTTP/1.1\r\n",
        b"RFB 003.008\n\x02",
        HELLO + b"\x07",
        HELLO + b"\xfa\x00\x01\x02",
        HELLO + b"\xff\x01",
        HELLO + struct.pack(">Bxxxi", 6, 2_000_000),
        HELLO + struct.pack(">Bxxxi", 6, -2_000_000),
    ],
)
def test_what_is_no_message_ends_the_connection(sent: bytes) -> None:
    with pytest.raises(ValueError, match=r"no|not|without"):
        list(ViewerStream().feed(sent))


def key(symbol: int, *, down: bool = True) -> Message:
    return Message("key", struct.pack(">BBxxI", 4, down, symbol))


def pointer(buttons: int, x: int, y: int) -> Message:
    return Message("pointer", struct.pack(">BBHH", 5, buttons, x, y))


def told(*messages: Message) -> list[Act]:
    recorder, acts = Recorder(), list[Act]()
    for message in messages:
        if (act := recorder.hear(message, 1.0)) is not None:
            joined(acts, act)
    return acts


def test_typed_characters_are_counted_and_never_named() -> None:
    acts = told(*(key(ord(each)) for each in "secret"), key(0xFFE1), key(ord("S")), key(0xFFE1, down=False))
    assert acts == [Act(kind="type", at=1.0, count=7)]
    assert not any(word in repr(acts) for word in ("secret", "0x73", "115"))


def test_keys_that_type_nothing_are_named_with_what_was_held() -> None:
    acts = told(key(0xFFE3), key(ord("s")), key(ord("s"), down=False), key(0xFFE3, down=False), key(0xFF0D))
    assert [act.key for act in acts] == ["ctrl+s", "return"]


def test_characters_that_need_altgr_are_typed_like_others() -> None:
    acts = told(key(0xFE03), key(0x20AC), key(0x20AC, down=False), key(0xFE03, down=False), key(0x010020AC))
    assert acts == [Act(kind="type", at=1.0, count=2)]


def test_presses_are_clicks_unless_the_pointer_was_dragged() -> None:
    acts = told(pointer(1, 10, 20), pointer(0, 12, 20), pointer(1, 10, 20), pointer(1, 90, 20), pointer(0, 90, 20))
    assert [(act.kind, act.x, act.y) for act in acts] == [("click", 10, 20), ("drag", 10, 20)]


def test_turns_of_the_wheel_in_one_go_are_one_act() -> None:
    turns = [each for _ in range(4) for each in (pointer(16, 5, 5), pointer(0, 5, 5))]
    assert told(*turns) == [Act(kind="scroll", at=1.0, x=5, y=5, count=4)]
