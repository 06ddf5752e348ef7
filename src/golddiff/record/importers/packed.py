"""A list whose older items lie compressed, so that a session of gigabytes fits in memory.

Transcripts compress well, and what an importer still changes is nearly always what it entered last. The chunks that
were used last lie open, so an ordinary session is never packed at all. Nothing is written to the disk: what is held
here is not redacted yet.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from typing import Any, Generic, TypeVar

import msgspec

from golddiff.store.codec import compress, decompress

ItemT = TypeVar("ItemT")

CHUNK_ITEMS = 64
OPEN_CHUNKS = 128


class Packed(Generic[ItemT]):
    """A list of items that msgspec can write as JSON and read again as they were."""

    def __init__(self, item_type: Any) -> None:
        """`item_type` is what the items are decoded as."""
        self._encoder = msgspec.json.Encoder()
        self._decoder: msgspec.json.Decoder[list[ItemT]] = msgspec.json.Decoder(list[item_type])
        self._chunks: list[list[ItemT] | bytes] = []
        self._open: OrderedDict[int, None] = OrderedDict()
        """Chunks that lie open, the one used longest ago first."""
        self._length = 0

    @property
    def is_open(self) -> bool:
        """Nothing was packed so far."""
        return not any(isinstance(chunk, bytes) for chunk in self._chunks)

    def __len__(self) -> int:
        return self._length

    def append(self, item: ItemT) -> None:
        """Add an item at the end."""
        if self._length % CHUNK_ITEMS == 0:
            self._chunks.append([])
            self._use(len(self._chunks) - 1)
        self._chunk(self._length // CHUNK_ITEMS).append(item)
        self._length += 1

    def __getitem__(self, index: int) -> ItemT:
        return self._chunk(index // CHUNK_ITEMS)[index % CHUNK_ITEMS]

    def __setitem__(self, index: int, item: ItemT) -> None:
        self._chunk(index // CHUNK_ITEMS)[index % CHUNK_ITEMS] = item

    def __iter__(self) -> Iterator[ItemT]:
        """Yield every item; chunks stay packed."""
        for chunk in self._chunks:
            yield from self._unpacked(chunk)

    def drain(self) -> Iterator[ItemT]:
        """Yield every item and let go of what was yielded; the list must not be used afterwards."""
        for index, chunk in enumerate(self._chunks):
            self._chunks[index] = b""
            yield from self._unpacked(chunk)

    def truncate(self, length: int) -> None:
        """Remove every item from `length` on."""
        whole, rest = divmod(length, CHUNK_ITEMS)
        if rest:
            del self._chunk(whole)[rest:]
            whole += 1
        del self._chunks[whole:]
        for index in [index for index in self._open if index >= whole]:
            del self._open[index]
        self._length = length

    def _chunk(self, index: int) -> list[ItemT]:
        chunk = self._chunks[index]
        if isinstance(chunk, bytes):
            chunk = self._chunks[index] = self._unpacked(chunk)
            self._use(index)
        elif len(self._chunks) > OPEN_CHUNKS and index in self._open:
            self._open.move_to_end(index)
        return chunk

    def _use(self, index: int) -> None:
        self._open[index] = None
        while len(self._open) > OPEN_CHUNKS:
            oldest, _ = self._open.popitem(last=False)
            chunk = self._chunks[oldest]
            if not isinstance(chunk, bytes):
                try:
                    # Copied: the compressor shrinks a block of the size that it might have needed, and no such block
                    # fits into the hole behind it again.
                    self._chunks[oldest] = memoryview(compress(self._encoder.encode(chunk))).tobytes()
                except UnicodeEncodeError:  # half of a surrogate pair, which no encoding holds: it stays open
                    continue

    def _unpacked(self, chunk: list[ItemT] | bytes) -> list[ItemT]:
        return self._decoder.decode(decompress(chunk)) if isinstance(chunk, bytes) else chunk
