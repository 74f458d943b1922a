"""`spawn` and `Run` in an event loop, over the shared feed of a real server."""

from __future__ import annotations

import asyncio
import dataclasses
import typing
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pydantic
import pydantic.dataclasses
import pytest
from PIL import Image as Pillow

from aether_jupyter.client.client import AsyncAether
from aether_jupyter.client.feed import Hub
from aether_jupyter.client.outputs import output_of
from aether_jupyter.client.run import attach, make_spec, spawn
from aether_jupyter.model.agent import SandboxSpec
from aether_jupyter.model.errors import BadRequest, Conflict, ProcessFailed, ProcessNotFound
from aether_jupyter.model.events import MessageSent, ProcessExited, ProcessSpawned, TextDelta
from aether_jupyter.model.process import State
from tests.drawn import drawn
from tests.faces import Server

pytestmark = pytest.mark.anyio


@pytest.fixture
async def client(server: Server) -> AsyncIterator[AsyncAether]:
    async with AsyncAether(server.url, server.token) as found:
        yield found


async def test_a_run_is_awaited_for_its_answer(client: AsyncAether) -> None:
    run = await spawn("say hello", model="scripted:hello", on=client)
    assert run.state is State.READY
    assert "Hello" in await run
    assert (run.done, run.state, run.step) == (True, State.ZOMBIE, 1)
    assert "Hello" in await run, "a second await gives the same"


async def test_a_run_is_iterated_without_gaps(client: AsyncAether) -> None:
    run = await spawn("write", model="scripted:echo-file", sandbox="bubblewrap", on=client)
    records = [record async for record in run]
    assert [record.n for record in records] == list(range(1, len(records) + 1))
    assert isinstance(records[0].event, ProcessSpawned)
    assert isinstance(records[-1].event, ProcessExited)
    assert run.done
    again = [record.n async for record in await attach(run.pid, on=client)]
    assert again == [record.n for record in records], "what is over can be read again"


async def test_what_a_run_learnt_is_awaited_after_its_end(client: AsyncAether) -> None:
    run = await spawn("say hello", model="scripted:apprentice", mode="plan", steps=10, reflect=True, on=client)
    assert run.state is not State.ZOMBIE
    learnt = await run.reflection(timeout_s=60)
    assert learnt is not None
    assert (run.done, learnt.rating, run.process.rating) == (True, 5, 5)
    assert await run.reflection() == learnt, "what is over can be asked again"
    silent = await spawn("say hello", model="scripted:hello", reflect=False, on=client)
    assert await silent.reflection(timeout_s=0.5) is None


async def test_a_step_of_a_run_is_judged(client: AsyncAether) -> None:
    run = await spawn("say hello", model="scripted:hello", name="judged run", on=client)
    await run
    given = await run.feedback(1, "up", "Friendly.")
    assert (given.thumb, given.comment, given.agent) == ("up", "Friendly.", "judged run")
    assert await client.feedback(run.pid) == [given]
    assert (await client.profile("judged run")).feedback == (given,)
    assert (await client.profile(run.pid)).thumbs_up == 1
    assert "judged run" in [standing.agent for standing in await client.profiles()]


async def test_many_runs_share_one_connection(client: AsyncAether) -> None:
    runs = await asyncio.gather(*[spawn(f"say {n}", model="scripted:hello", on=client) for n in range(20)])
    answers = await asyncio.gather(*runs)
    assert len(answers) == 20
    sockets = [task for task in asyncio.all_tasks() if task.get_name() == "aether feed"]
    assert len(sockets) == 1


async def test_a_failure_is_raised_with_its_status(client: AsyncAether) -> None:
    run = await spawn("x", model="scripted:fail", on=client)
    with pytest.raises(ProcessFailed) as caught:
        await run
    assert caught.value.details["pid"] == run.pid
    assert caught.value.details["code"] != 0
    assert caught.value.details["error"] == "model_refused"


async def test_words_arrive_before_the_record_and_a_signal_needs_no_await(client: AsyncAether) -> None:
    # It speaks in twenty steps: who connects late hears the next one.
    run = await spawn("x", model="scripted:slow", mode="autonomous", sandbox="bubblewrap", on=client)
    async for thing in run.live():
        if isinstance(thing, TextDelta):
            run.signal("KILL")
            break
    else:
        pytest.fail("no words came")
    with pytest.raises(ProcessFailed, match="killed"):
        await run


async def test_pause_and_go_on(client: AsyncAether) -> None:
    run = await spawn("x", model="scripted:slow", sandbox="bubblewrap", on=client)
    await run.signal("STOP")
    async with client.hub.follow(run.pid) as follower:
        await client.hub.until(follower, lambda p: p.state is State.STOPPED)
    await run.signal("KILL")


async def test_it_waits_for_a_person_and_goes_on_after_the_decision(client: AsyncAether) -> None:
    run = await spawn("x", model="scripted:risky", sandbox="bubblewrap", on=client)
    assert (await run.wait(person=True)).needs_person
    assert "rm -r build" in run._repr_mimebundle_()["text/markdown"]
    await run.approve()
    await run.wait(person=True)
    assert run.done, "the state from before the decision is not taken for a new question"
    with pytest.raises(BadRequest, match="asks for nothing"):
        await run.approve()


async def test_a_question_is_answered(client: AsyncAether) -> None:
    run = await spawn("x", model="scripted:ask", on=client)
    await run.wait(person=True)
    await run.answer("blue, please")
    assert "blue, please" in await run


async def test_more_steps_let_it_go_on(client: AsyncAether) -> None:
    run = await spawn("x", model="scripted:echo-file", steps=1, sandbox="bubblewrap", on=client)
    await run.wait(person=True)
    await run.extend(steps=10)
    assert "written by an agent" in await run


class Model(pydantic.BaseModel):
    answer: int


@dataclasses.dataclass
class Data:
    answer: int


class Struct(msgspec.Struct):
    answer: int


class Words(typing.TypedDict):
    answer: int


@dataclasses.dataclass
class Outer:
    inner: Model


@pydantic.dataclasses.dataclass
class Checked:
    answer: int = pydantic.Field(gt=3)


@pytest.mark.parametrize(
    ("kind", "result"),
    [
        (Model, Model(answer=42)),
        (Data, Data(42)),
        (Struct, Struct(42)),
        (Words, {"answer": 42}),
        (Checked, Checked(42)),
        (dict[str, int], {"answer": 42}),
        ({"type": "object", "properties": {"answer": {"type": "integer"}}}, {"answer": 42}),
    ],
    ids=["pydantic", "dataclass", "struct", "typed-dict", "pydantic-dataclass", "annotation", "schema"],
)
async def test_results_have_the_type_that_was_asked_for(client: AsyncAether, kind: object, result: object) -> None:
    assert await (await spawn("x", model="scripted:result", output=kind, on=client)) == result


def test_a_schema_says_object_at_its_top() -> None:
    assert output_of(Struct).schema["type"] == "object"
    assert output_of(Data).schema["properties"] == {"answer": {"type": "integer"}}


def test_a_dataclass_may_hold_a_pydantic_model() -> None:
    assert output_of(Outer).read({"inner": {"answer": 1}}) == Outer(Model(answer=1))


async def test_a_result_that_only_its_type_refuses_is_told_as_ours(client: AsyncAether) -> None:
    def even(answer: int) -> int:
        raise ValueError("not even")

    kind = typing.Annotated[dict[str, int], pydantic.AfterValidator(even)]
    with pytest.raises(BadRequest, match="not even"):
        await (await spawn("x", model="scripted:result", output=kind, on=client))


async def test_what_is_not_there_is_said_at_once(client: AsyncAether) -> None:
    with pytest.raises(ProcessNotFound):
        await attach(999_999, on=client)


async def test_a_lost_connection_is_taken_up_again(client: AsyncAether, monkeypatch: pytest.MonkeyPatch) -> None:
    run = await spawn("x", model="scripted:risky", sandbox="bubblewrap", on=client)
    await run.wait(person=True)
    seen: list[int] = []

    async def read() -> None:
        async for record in run:
            seen.append(record.n)  # noqa: PERF401 (looked at while it grows)

    reading = asyncio.create_task(read())
    while len(seen) < run.process.head:
        await asyncio.sleep(0.02)
    await _cut(client.hub)
    await run.approve()
    await asyncio.wait_for(reading, 20)
    assert seen == list(range(1, len(seen) + 1))


async def _cut(hub: Hub) -> None:
    """End the connection as a network would: without a word."""
    assert hub._feed is not None
    assert hub._feed.socket is not None
    hub._feed.socket.transport.abort()
    await asyncio.sleep(0.1)


async def test_a_run_shows_its_plan_and_takes_another(client: AsyncAether) -> None:
    run = await spawn("x", model="scripted:ask", on=client)
    await run.wait(person=True)
    plan = await run.set_plan("- [x] read")
    await run.set_plan(f"{plan.outline}\n- [ ] Show it to Ana", seen=plan.n)
    assert (await run.plan()).outline == "- [x] read\n- [ ] Show it to Ana"
    with pytest.raises(Conflict, match="changed the plan"):
        await run.set_plan("- mine", seen=plan.n)
    await run.signal("KILL")


async def test_images_go_with_a_goal_and_with_words_however_python_has_them(
    client: AsyncAether, tmp_path: Path
) -> None:
    png = drawn("teal")
    (tmp_path / "a.png").write_bytes(png)
    picture = Pillow.new("CMYK", (10, 20))
    run = await spawn("look", model="scripted:ask", images=[tmp_path / "a.png", drawn("gold"), picture], on=client)
    spec = await client.spec(run.pid)
    assert [(image.width, image.height) for image in spec.images] == [(64, 48), (64, 48), (10, 20)]
    assert await client.image(spec.images[0].digest) == png
    await run.wait(person=True)
    await run.send("and this", images=str(tmp_path / "a.png"))
    [message] = [record.event for record in await client.records(run.pid) if isinstance(record.event, MessageSent)]
    assert message.images == spec.images[:1]
    before = len(await client.processes())
    for wrong, words in (
        ("nothing.png", "nothing.png cannot be read"),
        (b"hello", "no PNG"),
        (7, "int is no image"),
        ([png] * 21, "at most 20"),
    ):
        with pytest.raises(BadRequest, match=words):
            await spawn("look", model="scripted:hello", images=wrong, on=client)
    assert len(await client.processes()) == before, "nothing was begun"


def test_hosts_size_and_gpus_are_said_beside_the_sandbox() -> None:
    assert make_spec("x", desktop="xfce").sandbox == SandboxSpec(desktop="xfce")
    spec = make_spec("x", hosts=["pypi.org", "*.pythonhosted.org"], disk_mb=64, gpus=1)
    assert spec.sandbox == SandboxSpec(network="allowed", hosts=("pypi.org", "*.pythonhosted.org"), disk_mb=64, gpus=1)
    assert make_spec("x", sandbox="docker", network="host").sandbox == SandboxSpec(kind="docker", network="host")
    box = SandboxSpec(kind="docker", memory_mb=512, network="allowed", hosts=("a.org",))
    assert make_spec("x", sandbox=box).sandbox == box
    assert make_spec("x", sandbox={"kind": "docker"}, hosts=("a.org",)).sandbox.network == "allowed"
    with pytest.raises(BadRequest, match=r"sandbox\.hosts"):
        make_spec("x", hosts="pypi.org")
