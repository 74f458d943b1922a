"""What one agent asks of another: a task or a review that is answered, refused or timed out, and never lost.

A request is a row, as an approval is: it outlives both servers, and the kernel moves it. Its `id` is the correlation
that every message about it carries.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from .process import Pid

RequestKind = Literal["task", "review"]
RequestStatus = Literal["open", "accepted", "answered", "refused", "timed_out", "abandoned", "withdrawn"]
UNSETTLED: tuple[RequestStatus, ...] = ("open", "accepted")
"""Abandoned: the agent that was asked ended without success. Withdrawn: the one that asked has ended."""

RequestVerdict = Literal["accept", "answer", "refuse"]
NoteKind = Literal["note", "status", "knowledge"]
"""The kinds of message that expect no answer."""


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """One request from agent `sender` to agent `receiver`. Times are seconds since the epoch."""

    id: str
    kind: RequestKind
    owner: str
    sender: Pid
    receiver: Pid
    text: str
    created_at: float
    due_at: float
    status: RequestStatus = "open"
