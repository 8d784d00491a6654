"""The epochs of a search as scalars for TensorBoard, which NNI's web UI opens from ``<trial>/tensorboard``.

An event file is a run of framed records (TFRecord), each one protocol buffer ``Event``. Both are so simple that a
trial needs none of the viewer's fifteen packages to write them.
It must not know what is measured.
"""

import struct
import time
from collections.abc import Callable, Mapping
from pathlib import Path

NAME = "events.out.tfevents.search"  # TensorBoard looks for "tfevents"
_POLYNOMIAL = 0x82F63B78  # of CRC-32C, reflected
_VARINT, _DOUBLE, _BYTES, _FLOAT = 0, 1, 2, 5  # wire types


def epoch_scalars(folder: Path) -> Callable[[int, Mapping[str, float]], None]:
    """A function that writes an epoch's numbers; the first call begins the file anew.

    A resumed search reports its earlier epochs again, so that nothing is there twice.

    Args:
        folder: where the event file goes; made at the first call.

    Returns:
        Takes the epoch, from 0, and its numbers by name, each finite.
    """
    path, begun = folder / NAME, False

    def write(epoch: int, metrics: Mapping[str, float]) -> None:
        nonlocal begun
        now, data = time.time(), b""
        if not begun:
            folder.mkdir(parents=True, exist_ok=True)
            data = record(_field(1, _DOUBLE, now) + _field(3, _BYTES, b"brain.Event:2"))
        data += record(scalars(epoch, metrics, now))
        with path.open("ab" if begun else "wb") as file:  # appended: a viewer keeps it open
            file.write(data)
        begun = True

    return write


def scalars(step: int, metrics: Mapping[str, float], now: float) -> bytes:
    """An ``Event`` of one value a metric, under ``search/<name>``."""
    values = [
        _field(1, _BYTES, f"search/{name}".encode()) + _field(2, _FLOAT, value)
        for name, value in metrics.items()
    ]
    summary = b"".join(_field(1, _BYTES, value) for value in values)
    return _field(1, _DOUBLE, now) + _field(2, _VARINT, step) + _field(5, _BYTES, summary)


def record(data: bytes) -> bytes:
    """``data`` as one TFRecord: length, its checksum, data, its checksum."""
    length = struct.pack("<Q", len(data))
    return length + struct.pack("<I", _masked(length)) + data + struct.pack("<I", _masked(data))


def crc32c(data: bytes) -> int:
    """The Castagnoli checksum of ``data``, 32 bits."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (_POLYNOMIAL & -(crc & 1))
    return crc ^ 0xFFFFFFFF


def _masked(data: bytes) -> int:
    """The checksum as TFRecord has it: rotated by 15 bits, plus a constant."""
    crc = crc32c(data)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def _field(number: int, wire: int, value: float | bytes) -> bytes:
    """One field of a protocol buffer; ``number`` < 16."""
    tag = bytes([number << 3 | wire])
    if isinstance(value, bytes):
        return tag + _varint(len(value)) + value
    if wire == _VARINT:
        return tag + _varint(int(value))
    return tag + struct.pack("<d" if wire == _DOUBLE else "<f", value)


def _varint(value: int) -> bytes:
    """A whole number >= 0, seven bits a byte, the lowest first."""
    *low, last = [value >> shift & 0x7F for shift in range(0, max(value.bit_length(), 1), 7)]
    return bytes([*(byte | 0x80 for byte in low), last])
