"""The pages of a document as pictures: nothing in a picture can be clicked, run or loaded."""

from __future__ import annotations

import struct
import threading
import zlib

import pypdfium2

WIDTH = 1000  # pixels; sharp on a telephone, readable on a wide screen
MOST_PAGES = 30
# PDFium is not made for several threads at a time.
_one_at_a_time = threading.Lock()


class NotADocumentError(ValueError):
    """The bytes are no PDF that can be read, or it has no such page."""


def count(document: bytes) -> int:
    """How many pages there are. Raises NotADocumentError."""
    with _one_at_a_time:
        try:
            opened = pypdfium2.PdfDocument(document)
        except pypdfium2.PdfiumError as error:
            raise NotADocumentError(str(error)) from None
        try:
            return len(opened)
        finally:
            opened.close()


def picture(document: bytes, number: int) -> bytes:
    """Page `number` (the first is 1) as a PNG, WIDTH pixels wide. Raises NotADocumentError."""
    with _one_at_a_time:
        try:
            opened = pypdfium2.PdfDocument(document)
        except pypdfium2.PdfiumError as error:
            raise NotADocumentError(str(error)) from None
        try:
            if not 1 <= number <= min(len(opened), MOST_PAGES):
                raise NotADocumentError(f"no page {number}")
            page = opened[number - 1]
            # A page that claims to be a thin strip must not become a picture of a hundred thousand lines.
            scale = min(WIDTH / max(page.get_width(), 1), 2 * WIDTH / max(page.get_height(), 1))
            bitmap = page.render(scale=scale, rev_byteorder=True, draw_annots=True)
            return _png(bitmap.width, bitmap.height, bitmap.n_channels, bitmap.stride, bytes(bitmap.buffer))
        except pypdfium2.PdfiumError as error:
            raise NotADocumentError(str(error)) from None
        finally:
            opened.close()


def _png(width: int, height: int, channels: int, stride: int, pixels: bytes) -> bytes:
    """A PNG of 8-bit grey, RGB or RGBA pixels; `stride` is the length of a line in bytes."""
    colour = {1: 0, 3: 2, 4: 6}[channels]
    lines = b"".join(b"\0" + pixels[row * stride : row * stride + width * channels] for row in range(height))
    head = struct.pack(">IIBBBBB", width, height, 8, colour, 0, 0, 0)
    chunks = ((b"IHDR", head), (b"IDAT", zlib.compress(lines, 6)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )
