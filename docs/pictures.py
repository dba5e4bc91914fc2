"""Makes pictures of pages small: PNG of at most 256 colours, without a library."""

import struct
import zlib
from collections import Counter

_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def smaller(png: bytes) -> bytes:
    """Return a picture of 8-bit RGB or RGBA, as a browser writes it, with a palette."""
    width, height, pixels = _decoded(png)
    found = Counter(pixels)
    palette = [colour for colour, _ in found.most_common(256)]
    places = {colour: number for number, colour in enumerate(palette)}
    for colour in found:
        if colour not in places:
            places[colour] = min(
                range(len(palette)),
                key=lambda n: sum((a - b) ** 2 for a, b in zip(palette[n], colour, strict=True)),
            )
    rows = b"".join(
        b"\0" + bytes(places[colour] for colour in pixels[row * width : (row + 1) * width])
        for row in range(height)
    )
    header = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    return b"".join(
        [
            _SIGNATURE,
            chunk(b"IHDR", header),
            chunk(b"PLTE", b"".join(map(bytes, palette))),
            chunk(b"IDAT", zlib.compress(rows, 9)),
            chunk(b"IEND", b""),
        ]
    )


def chunk(kind: bytes, data: bytes) -> bytes:
    """Return a part of a PNG file, with its length and its checksum."""
    checked = kind + data
    return struct.pack(">I", len(data)) + checked + struct.pack(">I", zlib.crc32(checked))


def _decoded(png: bytes) -> tuple[int, int, list[tuple[int, int, int]]]:
    """Return width, height and the pixels, rounded to five bits a colour."""
    data, place = b"", len(_SIGNATURE)
    while place < len(png):
        (length,) = struct.unpack(">I", png[place : place + 4])
        kind, body = png[place + 4 : place + 8], png[place + 8 : place + 8 + length]
        if kind == b"IHDR":
            width, height, depth, colours = struct.unpack(">IIBB", body[:10])
            assert (depth, colours) in {(8, 2), (8, 6)}, "not a picture of a browser"
        elif kind == b"IDAT":
            data += body
        place += length + 12
    size = 3 if colours == 2 else 4
    raw, before, pixels = zlib.decompress(data), bytes(width * size), []
    for row in range(height):
        start = row * (width * size + 1)
        before = _unfiltered(raw[start], raw[start + 1 : start + 1 + width * size], before, size)
        line = bytes(min(255, (value + 2) // 5 * 5) for value in before)
        pixels += zip(line[0::size], line[1::size], line[2::size], strict=True)
    return width, height, pixels


def _unfiltered(kind: int, line: bytes, above: bytes, size: int) -> bytes:
    """Return the bytes of a row, from those that PNG's filters have made of it."""
    found = bytearray(line)
    for place in range(len(found)):
        left = found[place - size] if place >= size else 0
        up, corner = above[place], above[place - size] if place >= size else 0
        if kind == 1:
            found[place] = (found[place] + left) & 255
        elif kind == 2:
            found[place] = (found[place] + up) & 255
        elif kind == 3:
            found[place] = (found[place] + (left + up) // 2) & 255
        elif kind == 4:
            near = min((left, up, corner), key=lambda value: abs(left + up - corner - value))
            found[place] = (found[place] + near) & 255
    return bytes(found)
