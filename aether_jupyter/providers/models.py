"""Models of providers one reaches over the network: `openai:`, `ollama:`, `anthropic:` and `google:`.

OpenAI-compatible servers are asked by the lean client of `openai_http`, Anthropic and Google through pydantic-ai over
their own SDKs, whose retries are switched off because `runtime.language` does them for all. Keys and base URLs have
the SDKs' own names; they come with the settings and go nowhere but to the client.
"""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from ..abc import Availability, ModelInfo, ModelProvider
from ..config import Settings
from ..plugins import hookimpl
from .seeing import ANTHROPIC, GOOGLE, OPEN, OPENAI, takes_images

if TYPE_CHECKING:
    import aiohttp
    from pydantic_ai.models import Model

Progress = Callable[[str, float | None], None]

OPENAI_URL = "https://api.openai.com/v1"
ANTHROPIC_URL = "https://api.anthropic.com"
KEYLESS = "no-key"
"""Sent to servers of one's own where an SDK insists on a key."""


class _Networked:
    """What all have in common: names on offer, and whether a key or a server of one's own is set."""

    short = False
    serial = False

    def __init__(
        self,
        prefix: str,
        label: str,
        offered: Sequence[str],
        *,
        key: str,
        own_server: bool,
        fix: str,
        context: int,
        seeing: Sequence[str],
    ) -> None:
        self.prefix = prefix
        self._label = label
        self._offered = offered
        self._key = key
        self._own_server = own_server
        self._fix = fix
        self._context = context
        self._seeing = seeing

    def models(self) -> list[ModelInfo]:
        """The names a person may choose from; any other name of the provider works too.

        None for a server of one's own without a key: only its owner knows what it serves.
        """
        return [] if self._own_server and not self._key else [self.info(name) for name in self._offered]

    def info(self, name: str) -> ModelInfo:
        """Any name is taken; whether the provider has it shows when it is asked."""
        if self._key or self._own_server:
            available = Availability(True)
        else:
            available = Availability(False, f"no key for {self._label} is set", self._fix)
        return ModelInfo(
            id=f"{self.prefix}:{name}",
            label=f"{self._label} {name}",
            available=available,
            context_tokens=self._context,
            sees=takes_images(name, self._seeing),
        )


class OpenAICompatible(_Networked):
    """OpenAI, Ollama, or any server that speaks OpenAI's chat completions."""

    def __init__(self, prefix: str, label: str, offered: Sequence[str], *, base_url: str, **options: Any) -> None:
        super().__init__(prefix, label, offered, **options)
        self._base_url = base_url
        self._open: aiohttp.ClientSession | None = None

    async def create(self, name: str, progress: Progress) -> Model[Any]:
        """The model over the provider's one connection pool."""
        openai_http = await asyncio.to_thread(importlib.import_module, "aether_jupyter.providers.openai_http")
        model: Model[Any] = openai_http.OpenAIHTTPModel(
            self.prefix, name, base_url=self._base_url, api_key=self._key, session=self._session
        )
        return model

    def _session(self) -> aiohttp.ClientSession:
        if self._open is None or self._open.closed:
            import aiohttp

            self._open = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=60.0, ttl_dns_cache=300),
                headers={"User-Agent": "aether-jupyter"},
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        return self._open

    async def close(self) -> None:
        """Close the connections."""
        if self._open is not None:
            await self._open.close()
            self._open = None


class OverSDK(_Networked):
    """Anthropic or Google: `make` builds the model and gives what closes its client."""

    def __init__(
        self,
        prefix: str,
        label: str,
        offered: Sequence[str],
        *,
        make: Callable[[str], tuple[Model[Any], Callable[[], Awaitable[None]]]],
        modules: Sequence[str],
        **options: Any,
    ) -> None:
        super().__init__(prefix, label, offered, **options)
        self._make = make
        self._modules = modules
        self._closers: list[Callable[[], Awaitable[None]]] = []

    async def create(self, name: str, progress: Progress) -> Model[Any]:
        """The model over the provider's SDK, which is imported in a thread."""
        for module in self._modules:
            await asyncio.to_thread(importlib.import_module, module)
        model, closer = await asyncio.to_thread(self._make, name)
        self._closers.append(closer)
        return model

    async def close(self) -> None:
        """Close the SDK's connections."""
        while self._closers:
            await self._closers.pop()()


def _openai(environment: Mapping[str, str]) -> ModelProvider:
    base_url = environment.get("OPENAI_BASE_URL", "")
    return OpenAICompatible(
        "openai",
        "OpenAI",
        ("gpt-5-mini", "gpt-5.1", "gpt-5-nano", "gpt-4.1-mini"),
        base_url=base_url or OPENAI_URL,
        key=environment.get("OPENAI_API_KEY", ""),
        own_server=bool(base_url),
        fix="Set OPENAI_API_KEY, or OPENAI_BASE_URL for a compatible server of your own",
        context=400_000,
        seeing=(*OPEN, *OPENAI),
    )


def _ollama(environment: Mapping[str, str]) -> ModelProvider:
    host = environment.get("OLLAMA_HOST", "")
    return OpenAICompatible(
        "ollama",
        "Ollama",
        ("qwen3", "llama3.2", "qwen2.5-coder"),
        base_url=f"{_ollama_url(host)}/v1",
        # Ollama takes any key; a set host is what says that it is wanted.
        key="ollama" if host else "",
        own_server=True,
        fix="Set OLLAMA_HOST, for example to 127.0.0.1:11434",
        context=32_000,
        seeing=OPEN,
    )


def _ollama_url(host: str) -> str:
    """Where Ollama listens if it was told so: it reads the same variable, and takes much for granted in it."""
    scheme, given, rest = host.strip().rpartition("://")
    split = urlsplit(f"//{rest}")
    try:
        port = split.port
    except ValueError:
        port = None
    if port is None:
        port = {"http": 80, "https": 443}.get(scheme, 11434)
    name = split.hostname or "127.0.0.1"
    # Where it listens everywhere, it is to be found here.
    name = "127.0.0.1" if name in ("0.0.0.0", "::") else f"[{name}]" if ":" in name else name  # noqa: S104 not bound
    login = f"{split.netloc.rpartition('@')[0]}@" if "@" in split.netloc else ""
    return f"{scheme if given else 'http'}://{login}{name}:{port}{split.path.rstrip('/')}"


def _anthropic(environment: Mapping[str, str], timeout_s: float) -> ModelProvider:
    key = environment.get("ANTHROPIC_API_KEY", "")
    base_url = environment.get("ANTHROPIC_BASE_URL", "")

    def make(name: str) -> tuple[Model[Any], Callable[[], Awaitable[None]]]:
        from anthropic import AsyncAnthropic, DefaultAsyncHttpxClient
        from pydantic_ai.models.anthropic import AnthropicModel
        from pydantic_ai.providers.anthropic import AnthropicProvider

        client = AsyncAnthropic(
            api_key=key or KEYLESS,
            base_url=base_url or ANTHROPIC_URL,
            max_retries=0,
            timeout=timeout_s,
            # The key is in a header that goes along to wherever an answer would send us.
            http_client=DefaultAsyncHttpxClient(follow_redirects=False),
        )
        return AnthropicModel(name, provider=AnthropicProvider(anthropic_client=client)), client.close

    return OverSDK(
        "anthropic",
        "Anthropic",
        ("claude-sonnet-4-5", "claude-haiku-4-5", "claude-opus-4-6"),
        make=make,
        modules=("anthropic", "pydantic_ai.models.anthropic"),
        key=key,
        own_server=bool(base_url),
        fix="Set ANTHROPIC_API_KEY",
        context=200_000,
        seeing=ANTHROPIC,
    )


def _google(environment: Mapping[str, str], timeout_s: float) -> ModelProvider:
    key = environment.get("GEMINI_API_KEY") or environment.get("GOOGLE_API_KEY", "")
    base_url = environment.get("GEMINI_BASE_URL", "")

    def make(name: str) -> tuple[Model[Any], Callable[[], Awaitable[None]]]:
        from google.genai import Client
        from google.genai.types import HttpOptions, HttpRetryOptions
        from pydantic_ai.models.google import GoogleModel
        from pydantic_ai.providers.google import GoogleProvider

        options = HttpOptions(
            base_url=base_url or None,
            api_version=environment.get("GEMINI_API_VERSION") or None,
            timeout=int(timeout_s * 1000),
            retry_options=HttpRetryOptions(attempts=1),
            client_args={"follow_redirects": False},
            async_client_args={"follow_redirects": False},
        )
        client = Client(api_key=key or KEYLESS, vertexai=False, http_options=options)
        return GoogleModel(name, provider=GoogleProvider(client=client)), client.aio.aclose

    return OverSDK(
        "google",
        "Google",
        ("gemini-2.5-flash", "gemini-2.5-pro", "gemini-2.5-flash-lite"),
        make=make,
        modules=("google.genai", "pydantic_ai.models.google"),
        key=key,
        own_server=bool(base_url),
        fix="Set GEMINI_API_KEY",
        context=1_000_000,
        seeing=GOOGLE,
    )


@hookimpl
def register_models(settings: Settings) -> list[ModelProvider]:
    """The four providers."""
    environment = settings.environment
    return [
        _openai(environment),
        _anthropic(environment, settings.model_timeout_s),
        _google(environment, settings.model_timeout_s),
        _ollama(environment),
    ]
