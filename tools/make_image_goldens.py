#!/usr/bin/env python3
"""Makes tests/golden/image/: tiny pictures of every format and kind, and what Pillow makes of them.

    make_image_goldens.py [PHOTOS]

Needs Pillow before version 13 (which resizes down before across where the height shrinks more) and numpy. The pictures are
made by formula here, so no photo is committed. expected.txt holds one line a result: size and CRC-32 of the RGB bytes, of
transparent pictures over white. Where Pillow clips 16-bit grey instead of scaling it, the expectation is the samples' high
byte. PHOTOS (the folder of fetched
photos) adds photos.txt: the CRCs of Pillow's results on real ones.
"""
import io
import pathlib
import struct
import sys
import zlib

import numpy as np
from PIL import Image, ImageOps, __version__

OUT = pathlib.Path(__file__).resolve().parent.parent / "tests" / "golden" / "image"
FILTERS = {"bilinear": Image.BILINEAR, "bicubic": Image.BICUBIC, "nearest": Image.NEAREST}


def texture(width, height):
    """The same formula is in tests/golden/test_image_golden.c."""
    x, y, c = np.meshgrid(np.arange(width), np.arange(height), np.arange(3), indexing="xy")
    value = ((x * (3 + c)) ^ (y * (5 - c))) + (x * y >> 3)
    return Image.fromarray((value & 255).astype(np.uint8))


def smooth(width, height):
    """A picture that compresses like a photo."""
    x, y = np.meshgrid(np.arange(width) / width, np.arange(height) / height)
    planes = [128 + 100 * np.sin(6 * x + 3 * y), 255 * x * (1 - y), 200 * (np.hypot(x - 0.5, y - 0.5) < 0.3) + 20]
    return Image.fromarray(np.stack(planes, -1).clip(0, 255).astype(np.uint8))


def crc(image):
    return f"{image.width} {image.height} {zlib.crc32(image.tobytes()):08x}"


def over_white(picture):
    """RGB of any picture, its transparent parts over white; rounded once."""
    if not picture.has_transparency_data:
        return picture.convert("RGB")
    rgba = np.asarray(picture.convert("RGBA")).astype(int)
    alpha = rgba[..., 3:]
    return Image.fromarray(((rgba[..., :3] * alpha + 255 * (255 - alpha) + 127) // 255).astype(np.uint8))


files = {}


def add(name, data, expected=None):
    """Without `expected`, what Pillow makes of the bytes."""
    if expected is None:
        expected = over_white(ImageOps.exif_transpose(Image.open(io.BytesIO(data))))
    (OUT / name).write_bytes(data)
    files[name] = expected


def saved(image, kind, **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


# ---- JPEG --------------------------------------------------------------------------------------------------------


def make_jpegs():
    picture = smooth(43, 29)
    add("jpeg_420.jpg", saved(picture, "JPEG", quality=85))
    add("jpeg_422.jpg", saved(picture, "JPEG", quality=85, subsampling=1))
    add("jpeg_444.jpg", saved(picture, "JPEG", quality=85, subsampling=0))
    add("jpeg_progressive.jpg", saved(picture, "JPEG", quality=85, progressive=True))
    add("jpeg_restarts.jpg", saved(picture, "JPEG", quality=85, restart_marker_blocks=2))
    add("jpeg_grey.jpg", saved(picture.convert("L"), "JPEG", quality=85))
    add("jpeg_cmyk.jpg", saved(picture.convert("CMYK"), "JPEG", quality=85))
    add("jpeg_rgb.jpg", saved(picture, "JPEG", quality=85, keep_rgb=True))
    for turn in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = turn
        add(f"jpeg_turn{turn}.jpg", saved(smooth(20, 12), "JPEG", quality=70, exif=exif))
    # Four components by Adobe's transform 2, YCCK: the same data, another colour space.
    data = bytearray(saved(picture.convert("CMYK"), "JPEG", quality=85))
    adobe = data.index(b"Adobe")
    data[adobe + 11] = 2
    add("jpeg_ycck.jpg", bytes(data))


# ---- PNG, written by hand: Pillow writes neither every depth nor interlace -------------------------------------


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def pack_rows(samples, depth):
    """Rows of samples [h, w * channels] to PNG's bytes, filter 0."""
    rows = b""
    for row in samples:
        if depth == 16:
            packed = row.astype(">u2").tobytes()
        elif depth == 8:
            packed = row.astype(np.uint8).tobytes()
        else:
            bits = ((row[:, None] >> np.arange(depth - 1, -1, -1)) & 1).ravel().astype(np.uint8)
            packed = np.packbits(bits).tobytes()
        rows += b"\0" + packed
    return rows


def png(samples, colour, depth, interlace=False, before=(), after=()):
    """samples: [h, w, channels]."""
    height, width, channels = samples.shape
    flat = samples.reshape(height, width * channels)
    if interlace:
        raw = b""
        for x0, y0, dx, dy in ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)):
            part = samples[y0::dy, x0::dx]
            if part.size:
                raw += pack_rows(part.reshape(part.shape[0], -1), depth)
    else:
        raw = pack_rows(flat, depth)
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, int(interlace))
    chunks = [(b"IHDR", header), *before, (b"IDAT", zlib.compress(raw, 9)), *after, (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(k, d) for k, d in chunks)


def make_pngs():
    generator = np.random.default_rng(5)
    width, height = 19, 11
    palette = generator.integers(0, 256, (256, 3), np.uint8)
    channels = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
    for colour, depths in ((0, (1, 2, 4, 8, 16)), (2, (8, 16)), (3, (1, 2, 4, 8)), (4, (8, 16)), (6, (8, 16))):
        for depth in depths:
            samples = generator.integers(0, 1 << depth, (height, width, channels[colour]))
            before = [(b"PLTE", palette[: 1 << min(depth, 8)].tobytes())] if colour == 3 else []
            for interlace in (False, True):
                expected = None
                if depth == 16:
                    high = (samples >> 8).astype(np.uint8)
                    rgb = high[..., :3] if colour in (2, 6) else np.repeat(high[..., :1], 3, -1)
                    alpha = high[..., -1:] if colour in (4, 6) else np.full_like(high[..., :1], 255)
                    expected = over_white(Image.fromarray(np.concatenate([rgb, alpha], -1)))
                name = f"png_type{colour}_{depth}{'_interlaced' if interlace else ''}.png"
                add(name, png(samples, colour, depth, interlace, before), expected)
    samples = generator.integers(0, 16, (height, width, 1))
    before = [(b"PLTE", palette[:16].tobytes()), (b"tRNS", bytes(range(0, 256, 16)))]
    add("png_palette_transparent.png", png(samples, 3, 4, before=before))
    samples = generator.integers(0, 4, (height, width, 3)) * 60
    add("png_rgb_transparent.png", png(samples, 2, 8, before=[(b"tRNS", struct.pack(">HHH", 60, 120, 0))]))
    exif = b"MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"
    add("png_exif6.png", png(samples, 2, 8, before=[(b"eXIf", exif)]))


# ---- the others --------------------------------------------------------------------------------------------------


def make_webps():
    picture = smooth(41, 27)
    add("webp_lossy.webp", saved(picture, "WEBP", quality=80))
    add("webp_lossless.webp", saved(smooth(20, 14), "WEBP", lossless=True))
    alpha = picture.copy()
    alpha.putalpha(Image.fromarray((np.arange(27 * 41).reshape(27, 41) % 256).astype(np.uint8)))
    add("webp_alpha.webp", saved(alpha, "WEBP", quality=80, exact=True))
    exif = Image.Exif()
    exif[0x0112] = 8
    add("webp_exif8.webp", saved(picture, "WEBP", quality=80, exif=exif))
    frames = [smooth(24, 16), smooth(24, 16).rotate(180)]
    add("webp_animated.webp", saved(frames[0], "WEBP", save_all=True, append_images=frames[1:], quality=80))


def gif(width, height, frame, palette, indices, transparent=None, interlace=False):
    """One frame (x, y, w, h) by hand: codes of 9 bits with a clear code often enough never to grow."""
    x, y, w, h = frame
    rows = list(range(h))
    if interlace:
        rows = [r for start, step in ((0, 8), (4, 8), (2, 4), (1, 2)) for r in range(start, h, step)]
    bits, n = 0, 0
    for i, value in enumerate(v for r in rows for v in indices[r]):
        for code in ((256, int(value)) if i % 100 == 0 else (int(value),)):
            bits |= code << n
            n += 9
    bits |= 257 << n
    data = bits.to_bytes((n + 9 + 7) // 8, "little")
    out = b"GIF89a" + struct.pack("<HHBBB", width, height, 0xF7, 0, 0) + palette.tobytes()
    if transparent is not None:
        out += b"!\xf9\x04\x01\0\0" + bytes([transparent]) + b"\0"
    out += b"," + struct.pack("<HHHHB", x, y, w, h, 0x40 if interlace else 0) + b"\x08"
    for at in range(0, len(data), 255):
        out += bytes([len(data[at : at + 255])]) + data[at : at + 255]
    return out + b"\0;"


def make_gifs():
    generator = np.random.default_rng(7)
    palette = generator.integers(0, 256, (256, 3), np.uint8)
    indices = generator.integers(0, 256, (13, 17))
    add("gif_plain.gif", gif(17, 13, (0, 0, 17, 13), palette, indices))
    add("gif_interlaced.gif", gif(17, 13, (0, 0, 17, 13), palette, indices, interlace=True))
    add("gif_transparent.gif", gif(17, 13, (0, 0, 17, 13), palette, indices % 8, transparent=3))
    add("gif_partial.gif", gif(17, 13, (4, 2, 9, 6), palette, indices, transparent=7))
    add("gif_outside.gif", gif(10, 8, (0, 0, 17, 13), palette, indices))
    frames = [smooth(24, 16).quantize(32), smooth(24, 16).rotate(180).quantize(32)]
    add("gif_animated.gif", saved(frames[0], "GIF", save_all=True, append_images=frames[1:]))
    add("gif_grey.gif", saved(smooth(24, 16).convert("L"), "GIF"))


def make_bmps():
    picture = smooth(21, 13)
    add("bmp_24.bmp", saved(picture, "BMP"))
    add("bmp_8.bmp", saved(picture.quantize(200), "BMP"))
    add("bmp_4.bmp", bmp_indexed(4))
    add("bmp_1.bmp", saved(picture.convert("1"), "BMP"))
    rgba = picture.copy()
    rgba.putalpha(77)
    add("bmp_32.bmp", saved(rgba, "BMP"))
    add("bmp_565.bmp", bmp_16(3, struct.pack("<III", 0xF800, 0x7E0, 0x1F)))
    add("bmp_555.bmp", bmp_16(0, b""))
    for name, data in bmp_runs().items():
        add(name, data)
    # Rows from the top: a negative height.
    data = bytearray(saved(picture, "BMP"))
    data[22:26] = struct.pack("<i", -13)
    add("bmp_top_down.bmp", bytes(data))


def bmp(width, height, bits, compression, extra, rows):
    start = 14 + 40 + len(extra)
    colours = len(extra) // 4 if bits <= 8 else 0
    info = struct.pack("<IiiHHIIiiII", 40, width, height, 1, bits, compression, len(rows), 2835, 2835, colours, 0)
    return b"BM" + struct.pack("<IHHI", start + len(rows), 0, 0, start) + info + extra + rows


def bmp_indexed(bits):
    generator = np.random.default_rng(9)
    palette = generator.integers(0, 256, (16, 4), np.uint8)
    palette[:, 3] = 0
    return bmp(13, 7, bits, 0, palette.tobytes(), generator.integers(0, 256, 8 * 7, np.uint8).tobytes())


def bmp_16(compression, masks):
    generator = np.random.default_rng(10)
    return bmp(14, 6, 16, compression, masks, generator.integers(0, 1 << 16, (6, 14)).astype("<u2").tobytes())


def bmp_runs():
    generator = np.random.default_rng(11)
    palette = generator.integers(0, 256, (256, 4), np.uint8)
    palette[:, 3] = 0
    eight = b"\x05\x07\0\x03\x01\x02\x03\0\x02\x09\0\0" + b"\x0a\x11\0\0" + b"\0\x04\x05\x06\x07\x08\x06\x0c\0\1"
    # Pillow misreads literals of an odd number of pixels: test_image.c has one.
    four = b"\x04\x71\0\x06\x12\x34\x56\0\0\0" + b"\x0a\x1a\0\0" + b"\0\x04\x56\x78\x06\xcd\0\1"
    return {
        "bmp_rle8.bmp": bmp(10, 3, 8, 1, palette.tobytes(), eight),
        "bmp_rle4.bmp": bmp(10, 3, 4, 2, palette[:16].tobytes(), four),
    }


def make_tiffs():
    picture = smooth(23, 15)
    for compression in ("raw", "tiff_lzw", "tiff_adobe_deflate", "packbits"):
        add(f"tiff_{compression}.tif", saved(picture, "TIFF", compression=compression))
    add("tiff_grey.tif", saved(picture.convert("L"), "TIFF"))
    add("tiff_palette.tif", saved(picture.quantize(64), "TIFF"))
    add("tiff_bilevel.tif", saved(picture.convert("1"), "TIFF", compression="group4"))
    rgba = picture.copy()
    rgba.putalpha(Image.fromarray((np.arange(23 * 15).reshape(15, 23) % 256).astype(np.uint8)))
    add("tiff_alpha.tif", saved(rgba, "TIFF", compression="tiff_lzw"))
    for turn in (3, 6):
        add(f"tiff_turn{turn}.tif", saved(picture, "TIFF", tiffinfo={274: turn}))


# ---- results of resizing -----------------------------------------------------------------------------------------


def make_resizes():
    lines = []
    for width, height, to_width, to_height, box in (
        (64, 48, 32, 24, None), (64, 48, 33, 25, None), (61, 47, 100, 90, None), (500, 375, 341, 256, None),
        (37, 91, 5, 3, None), (1, 1, 7, 5, None), (3, 200, 64, 1, None), (200, 3, 1, 64, None), (90, 60, 31, 90, None),
        (90, 60, 90, 31, None), (90, 60, 45, 30, (10.25, 3.5, 77.75, 59.125)), (90, 60, 90, 60, (0.5, 0.25, 89.5, 60)),
        (1000, 30, 224, 224, None), (30, 1000, 17, 224, None), (257, 129, 256, 128, None),
    ):
        source = texture(width, height)
        for name, kind in FILTERS.items():
            result = source.resize((to_width, to_height), kind, box=box)
            corners = " ".join(repr(float(v)) for v in box or (0, 0, width, height))
            lines.append(f"resize {name} {width} {height} {corners} {crc(result)}")
    return lines


def center_crop_of(photo, resize, size):
    """torchvision's Resize(resize) and CenterCrop(size)."""
    short, long = min(photo.size), max(photo.size)
    scaled = int(resize * long / short)
    photo = photo.resize((resize, scaled) if photo.width <= photo.height else (scaled, resize), Image.BILINEAR)
    left, top = max((size - photo.width) // 2, 0), max((size - photo.height) // 2, 0)
    padded = Image.new("RGB", (max(photo.width, size), max(photo.height, size)))
    padded.paste(photo, (left, top))
    left, top = int(round((padded.width - size) / 2.0)), int(round((padded.height - size) / 2.0))
    return padded.crop((left, top, left + size, top + size))


def make_preprocesses():
    lines = []
    for width, height, resize, size in (
        (300, 200, 57, 48), (200, 300, 57, 48), (31, 17, 57, 48), (64, 64, 64, 64), (500, 90, 57, 48), (120, 80, 40, 48),
        (83, 120, 41, 48), (99, 100, 60, 31), (100, 99, 61, 31),
    ):
        result = center_crop_of(texture(width, height), resize, size)
        lines.append(f"preprocess {width} {height} {resize} {crc(result)}")
    return lines


def make_photos(folder):
    lines = []
    for path in (
        "pets/images/Abyssinian_34.jpg", "pets/images/Abyssinian_5.jpg", "pets/images/Birman_149.jpg",
        "pets/images/Egyptian_Mau_136.jpg", "pets/images/Egyptian_Mau_138.jpg", "cats-dogs/test/cat/cat.4006.jpg",
        "cats-dogs/test/dog/dog.4378.jpg", "imagenet/images/ILSVRC2012_val_00000347.JPEG",
    ):
        photo = ImageOps.exif_transpose(Image.open(folder / path)).convert("RGB")
        lines.append(f"{path} decode {crc(photo)}")
        lines.append(f"{path} bilinear {crc(photo.resize((199, 311), Image.BILINEAR))}")
        lines.append(f"{path} bicubic {crc(photo.resize((333, 250), Image.BICUBIC))}")
        lines.append(f"{path} preprocess {crc(center_crop_of(photo, 256, 224))}")
    return lines


def main():
    if int(__version__.split(".")[0]) >= 13:
        sys.exit("Pillow 13 and later resize in another order; use one before it")
    OUT.mkdir(parents=True, exist_ok=True)
    for make in (make_jpegs, make_pngs, make_webps, make_gifs, make_bmps, make_tiffs):
        make()
    lines = [f"file {name} {crc(image)}" for name, image in files.items()]
    lines += make_resizes() + make_preprocesses()
    (OUT / "expected.txt").write_text("\n".join(lines) + "\n")
    if len(sys.argv) > 1:
        (OUT / "photos.txt").write_text("\n".join(make_photos(pathlib.Path(sys.argv[1]))) + "\n")


if __name__ == "__main__":
    main()
