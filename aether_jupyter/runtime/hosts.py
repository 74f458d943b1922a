"""The hosts that an agent asks for, held against what the gate understands."""

from __future__ import annotations

from ..gate import pattern
from ..model.agent import SandboxSpec
from ..model.errors import BadRequest


def check_hosts(spec: SandboxSpec) -> None:
    """Raise `BadRequest` for a list of hosts that leads nowhere."""
    if spec.network != "allowed":
        if spec.hosts:
            raise BadRequest(f"sandbox.hosts: they count with network='allowed' only, and this is {spec.network!r}")
        return
    if not spec.hosts:
        raise BadRequest("sandbox.hosts: network='allowed' needs at least one host, such as 'pypi.org'")
    for each in spec.hosts:
        try:
            pattern(each)
        except ValueError as error:
            raise BadRequest(f"sandbox.hosts: {error}") from None
