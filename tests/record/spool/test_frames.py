"""A frame checks only in its own place, whole, and in its own segment."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from golddiff.errors import InputError
from golddiff.record.spool.frames import (
    FORMAT_VERSION,
    FRAME_BYTES,
    NEXT,
    Header,
    frame,
    header_frame,
    payload_length,
    read_frame,
    read_header,
)


@given(st.binary(max_size=200), st.integers(0, 2**32 - 1), st.integers(0, 2**40), st.data())
def test_a_changed_bit_an_other_place_or_an_other_salt_is_noticed(
    payload: bytes, salt: int, offset: int, data: st.DataObject
) -> None:
    written = frame(NEXT, payload, salt, offset)
    assert read_frame(written, 0, salt, offset) == (NEXT, payload)
    assert payload_length(written) == len(payload)
    assert read_frame(written, 0, salt, offset + 1) is None
    assert read_frame(written, 0, salt ^ 1, offset) is None
    assert read_frame(written[:-1], 0, salt, offset) is None
    damaged = bytearray(written)
    damaged[data.draw(st.integers(0, len(written) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    assert read_frame(bytes(damaged), 0, salt, offset) is None


def test_a_header_names_its_version_and_a_newer_one_is_refused() -> None:
    header = Header(FORMAT_VERSION, "w", 3, 9, 10, "w-1.spool")
    found = read_frame(header_frame(header), 0, 0, 0)
    assert found is not None
    assert read_header(found[1], "x") == header
    newer = header_frame(Header(FORMAT_VERSION + 1, "w", 3, 9, 10))[FRAME_BYTES:]
    with pytest.raises(InputError, match="Update golddiff"):
        read_header(newer, "x")
    with pytest.raises(InputError, match="not readable"):
        read_header(b"\xc1", "x")
