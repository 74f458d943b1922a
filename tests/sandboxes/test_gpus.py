"""GPUs are an agent's alone while it has them, on a machine that is made up of a list."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import docker
import pytest

from aether_jupyter.model.agent import SandboxSpec
from aether_jupyter.model.errors import SandboxUnavailable
from aether_jupyter.sandboxes.docker import Docker
from aether_jupyter.sandboxes.gpus import Gpu, Gpus, found, listed

from .test_engine import engine

TWO = [Gpu("GPU-1", "L4", 23034), Gpu("GPU-2", "L4", 23034)]


def test_the_list_of_the_driver_is_read() -> None:
    told = "GPU-8f1c, NVIDIA L4, 23034\nGPU-77aa, NVIDIA L4, 23034\n[Unknown Error]\nGPU-1, broken, [N/A]\n"
    assert listed(told) == [Gpu("GPU-8f1c", "NVIDIA L4", 23034), Gpu("GPU-77aa", "NVIDIA L4", 23034)]


def test_where_the_engine_has_no_runtime_for_them_there_are_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    smi = tmp_path / "nvidia-smi"
    smi.write_text("#!/bin/sh\necho 'GPU-1, L4, 23034'\n")
    smi.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    assert found({"Runtimes": {"runc": {}}}) == ()
    assert found({"Runtimes": {"runc": {}, "nvidia": {}}}) == [Gpu("GPU-1", "L4", 23034)]
    smi.write_text("#!/bin/sh\nexit 9\n")
    assert found({"Runtimes": {"nvidia": {}}}) == ()


def test_each_belongs_to_one_agent_until_it_gives_it_back() -> None:
    gpus = Gpus()
    gpus.know(TWO)
    assert gpus.take(7, 1) == (TWO[0],)
    assert gpus.take(7, 1) == (TWO[0],)
    assert gpus.take(8, 1) == (TWO[1],)
    with pytest.raises(SandboxUnavailable, match=r"asks for 1 GPU, and no GPU of 2 is free; .* \(7, 8\)"):
        gpus.take(9, 1)
    assert str(gpus) == "2 GPUs (L4), 1 with process 7, 1 with process 8"
    gpus.give_back(7)
    assert gpus.take(9, 1) == (TWO[0],)
    assert gpus.take(10, 0) == ()


def test_what_other_servers_have_and_what_is_not_there_is_told() -> None:
    gpus = Gpus()
    gpus.know(TWO)
    assert gpus.take(7, 1, others={"GPU-1"}) == (TWO[1],)
    with pytest.raises(SandboxUnavailable, match="asks for 3 GPUs, and this machine has 2 GPUs"):
        gpus.take(8, 3)
    with pytest.raises(SandboxUnavailable, match=r"this machine has no GPU for containers .*NVIDIA"):
        Gpus().take(8, 1)


@pytest.mark.anyio
async def test_a_container_is_given_its_own_and_health_shows_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    engine(monkeypatch, Runtimes={"runc": {}, "nvidia": {}})
    made: list[dict[str, Any]] = []

    def create(self: Any, *arguments: Any, **options: Any) -> Any:
        made.append(options)
        raise docker.errors.APIError("made up")

    monkeypatch.setattr(docker.APIClient, "create_container", create)
    monkeypatch.setattr(docker.APIClient, "containers", lambda self, **_: [{"Labels": {"aether.gpus": "GPU-2"}}])
    monkeypatch.setattr(docker.APIClient, "remove_container", lambda self, *_, **__: None)
    kind = Docker(tmp_path, find_gpus=lambda info: TWO)
    assert (await kind.available()).detail.endswith("; 2 GPUs (L4)")
    (tmp_path / "7").mkdir()
    with pytest.raises(SandboxUnavailable, match="did not start"):
        await kind.open(7, SandboxSpec(gpus=1), tmp_path / "7")
    (options,) = made
    assert options["host_config"]["DeviceRequests"] == [
        {"Driver": "nvidia", "Count": 0, "DeviceIDs": ["GPU-1"], "Capabilities": [["gpu"]], "Options": {}}
    ]
    assert options["labels"]["aether.gpus"] == "GPU-1"
    # What did not start has none any more; and who asks for none gets none.
    assert kind.gpus.take(8, 1) == (TWO[0],)
    with pytest.raises(SandboxUnavailable, match="did not start"):
        await kind.open(9, SandboxSpec(), tmp_path / "7")
    assert "DeviceRequests" not in made[-1]["host_config"]
