"""The templates that come with the package, each taken by an open app."""

from __future__ import annotations

import re

import msgspec
import pytest

from aether_jupyter.kernel.catalog import Catalog
from aether_jupyter.model.access import Principal
from aether_jupyter.model.agent import Category, Limits
from aether_jupyter.model.errors import Forbidden
from tests.runtime.conftest import ANA, House


async def test_every_template_can_be_begun_from(house: House) -> None:
    templates = await house.app.catalog.templates(ANA)
    assert len(templates) >= 6
    for template in templates:
        spec = msgspec.structs.replace(template.spec, goal="do it", model="scripted:hello")
        process = await house.app.processes.spawn(ANA, spec)
        assert (await house.settled(process.pid)).exit is not None, template.name


async def test_templates_tell_what_they_are_and_leave_the_person_something_to_say() -> None:
    templates = await Catalog().templates(ANA)
    for template in templates:
        assert re.search(r"<[^<>\n]{1,80}>", template.spec.goal), template.name
        # What the form shows comes from the file, not from a default that may change.
        assert template.spec.system, template.name
        assert template.spec.role, template.name
        assert template.spec.limits != Limits(), template.name
        mounted = set(re.findall(r"/workspaces/([a-z]+)", template.spec.goal + template.spec.system))
        assert mounted == set(template.spec.workspaces), template.name
    assert len({template.title for template in templates}) == len(templates)
    assert [template.title for template in templates] == sorted(template.title for template in templates)
    assert {template.category for template in templates} == set(Category.__args__)


async def test_templates_are_for_those_who_may_see_the_server() -> None:
    with pytest.raises(Forbidden):
        await Catalog().templates(Principal(name="bare", owner="bare", scopes=frozenset()))
