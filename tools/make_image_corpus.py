#!/usr/bin/env python3
"""Makes tests/golden/corpus/: pictures as cameras, browsers, editors and scanners write them, and what Pillow makes of each.

    make_image_corpus.py

Needs Pillow 12 (JPEG, WebP, TIFF, AVIF), numpy, pillow-heif (HEIC), tifffile and imagecodecs, cjpeg of libjpeg-turbo, avifenc,
and ImageMagick's convert. The picture is made by formula, so no photo is committed. corpus.txt has one line a file:

    same NAME FRAME TOLERANCE WIDTH HEIGHT EXPECTED    decodes to expected/EXPECTED, every value within TOLERANCE
    srgb NAME TOLERANCE WIDTH HEIGHT EXPECTED          the same, its colours brought to sRGB by the profile in it
    refused NAME WORDS...                              is refused in a line that has these words
    frames NAME COUNT                                  has so many frames

The expectation is ImageOps.exif_transpose, transparent parts over white, unless a comment here says why not.
"""
import io
import pathlib
import struct
import subprocess
import sys
import tempfile
import zlib

import imagecodecs
import numpy as np
import pillow_heif
import tifffile
from PIL import Image, ImageChops, ImageCms, ImageOps

from make_image_goldens import chunk, over_white, png

pillow_heif.register_heif_opener()
OUT = pathlib.Path(__file__).resolve().parent.parent / "tests" / "golden" / "corpus"
WIDTH, HEIGHT = 36, 24
lines, pictures = [], {}


def smooth(width=WIDTH, height=HEIGHT):
    x, y = np.meshgrid(np.arange(width) / width, np.arange(height) / height)
    planes = [128 + 100 * np.sin(6 * x + 3 * y), 255 * x * (1 - y), 200 * (np.hypot(x - 0.5, y - 0.5) < 0.3) + 20]
    return Image.fromarray(np.stack(planes, -1).clip(0, 255).astype(np.uint8))


def see_through(width=WIDTH, height=HEIGHT):
    picture = smooth(width, height)
    picture.putalpha(Image.fromarray((np.arange(width * height).reshape(height, width) * 255 // (width * height)).astype(np.uint8)))
    return picture


def saved(image, kind, **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def upright(data, frame=0):
    image = Image.open(io.BytesIO(data))
    image.seek(frame)
    return over_white(ImageOps.exif_transpose(image))


def keep(picture):
    """The file that the picture is kept in; equal pictures share one."""
    key = (picture.size, picture.tobytes())
    if key not in pictures:
        pictures[key] = f"{len(pictures):03d}.png"
        (OUT / "expected").mkdir(exist_ok=True)
        picture.save(OUT / "expected" / pictures[key], optimize=True)
    return pictures[key]


def expect(name, picture, frame=0, tolerance=1):
    lines.append(f"same {name} {frame} {tolerance} {picture.width} {picture.height} {keep(picture)}")


def add(name, data, picture=None, tolerance=1):
    (OUT / name).write_bytes(data)
    expect(name, upright(data) if picture is None else picture, tolerance=tolerance)
    return data


def refuse(name, data, words):
    (OUT / name).write_bytes(data)
    lines.append(f"refused {name} {words}")


def run(command, picture, suffix=".png", out=".out"):
    """What a program makes of the picture: {in} and {out} are the files."""
    with tempfile.TemporaryDirectory() as folder:
        source, target = f"{folder}/in{suffix}", f"{folder}/out{out}"
        picture.save(source)
        subprocess.run([part.format(**{"in": source, "out": target}) for part in command], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return pathlib.Path(target).read_bytes()


def exif(turn, big=False):
    order = ">" if big else "<"
    return (b"MM" if big else b"II") + struct.pack(order + "HIHHHIHHI", 42, 8, 1, 0x0112, 3, 1, turn, 0, 0)


def xmp(turn, element=False):
    word = f"<tiff:Orientation>{turn}</tiff:Orientation>" if element else ""
    attribute = "" if element else f' tiff:Orientation="{turn}"'
    return (f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description '
            f'xmlns:tiff="http://ns.adobe.com/tiff/1.0/"{attribute}>{word}</rdf:Description></rdf:RDF></x:xmpmeta>').encode()


# ---- JPEG --------------------------------------------------------------------------------------------------------


def with_segments(data, *segments):
    """(marker, bytes) put behind SOI."""
    return data[:2] + b"".join(struct.pack(">BBH", 0xFF, m, len(b) + 2) + b for m, b in segments) + data[2:]


def make_jpegs():
    picture = smooth()
    plain = saved(picture, "JPEG", quality=85)
    for name, flags in (("arithmetic", ["-arithmetic"]), ("arithmetic_progressive", ["-arithmetic", "-progressive"]),
                        ("411", ["-sample", "4x1"]), ("440", ["-sample", "1x2"]), ("dct_float", ["-dct", "float"])):
        add(f"{name}.jpg", run(["cjpeg", "-quality", "85", *flags, "-outfile", "{out}", "{in}"], picture, ".ppm"))
    add("progressive_grey.jpg", saved(picture.convert("L"), "JPEG", quality=85, progressive=True))
    add("optimized.jpg", saved(picture, "JPEG", quality=60, optimize=True))
    add("cmyk_magick.jpg", run(["convert", "{in}", "-colorspace", "CMYK", "jpg:{out}"], picture))
    add("no_end.jpg", plain[:-2], upright(plain))
    progressive = saved(picture, "JPEG", quality=85, progressive=True)
    add("no_end_progressive.jpg", progressive[:-2], upright(progressive))
    add("garbage_before.jpg", b"\r\n\r\n" + plain, upright(plain))
    add("http_before.jpg", b"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\n\r\n" + plain, upright(plain))
    add("garbage_behind.jpg", plain + b"\0" * 100 + b"trailing")
    add("fill_bytes.jpg", plain[:2] + b"\xff\xff\xff" + plain[2:], upright(plain))
    mpo = add("stereo.mpo", saved(picture, "MPO", save_all=True, append_images=[picture.transpose(Image.Transpose.ROTATE_180)]))
    assert Image.open(io.BytesIO(mpo)).n_frames == 2
    for turn in range(1, 9):
        add(f"xmp{turn}.jpg", with_segments(plain, (0xE1, b"http://ns.adobe.com/xap/1.0/\0" + xmp(turn, turn % 2 == 0))))
    add("exif_big_endian.jpg", with_segments(plain, (0xE1, b"Exif\0\0" + exif(6, True))))
    add("exif_over_xmp.jpg", with_segments(plain, (0xE1, b"http://ns.adobe.com/xap/1.0/\0" + xmp(3)), (0xE1, b"Exif\0\0" + exif(6))))
    add("exif_without_turn.jpg", with_segments(plain, (0xE1, b"Exif\0\0MM\0\x2a\0\0\0\x08\0\0\0\0\0\0"), (0xE1, b"http://ns.adobe.com/xap/1.0/\0" + xmp(8))))
    twelve = imagecodecs.jpeg_encode((np.asarray(picture.convert("L")).astype(np.uint16) << 4), bitspersample=12)
    refuse("twelve_bits.jpg", twelve, "12 bits a sample")
    refuse("lossless.jpg", plain.replace(b"\xff\xc0", b"\xff\xc3", 1), "of a kind that libjpeg does not decode")


# ---- PNG ---------------------------------------------------------------------------------------------------------


def raw_profile(kind, data):
    digits = data.hex()
    rows = "\n".join(digits[i : i + 72] for i in range(0, len(digits), 72))
    return f"\n{kind}\n{len(data):8d}\n{rows}\n".encode()


def make_pngs():
    samples = np.asarray(smooth())
    text = {
        "raw_exif6_ztxt": (b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(raw_profile("exif", b"Exif\0\0" + exif(6)))),
        "raw_exif3_text": (b"tEXt", b"Raw profile type exif\0" + raw_profile("exif", b"Exif\0\0" + exif(3, True))),
        "xmp6": (b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + xmp(6)),
        "xmp5_element": (b"iTXt", b"XML:com.adobe.xmp\0\0\0en\0\0" + xmp(5, True)),
        "xmp8_deflated": (b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(xmp(8))),
    }
    for name, (kind, data) in text.items():
        add(f"{name}.png", png(samples, 2, 8, before=[(kind, data)]))
    # ImageMagick's older name for the same block, which Pillow does not look for.
    app1 = (b"zTXt", b"Raw profile type APP1\0\0" + zlib.compress(raw_profile("generic profile", b"Exif\0\0" + exif(8))))
    add("raw_app1_8.png", png(samples, 2, 8, before=[app1]), smooth().transpose(Image.Transpose.ROTATE_90))
    add("exif7_behind.png", png(samples, 2, 8, after=[(b"eXIf", exif(7))]))
    add("exif_over_xmp.png", png(samples, 2, 8, before=[text["xmp6"], (b"eXIf", exif(3))]))
    add("gamma.png", png(samples, 2, 8, before=[(b"gAMA", struct.pack(">I", 45455))]))
    whole = png(samples, 2, 8)
    at = whole.index(b"IDAT")
    length = struct.unpack(">I", whole[at - 4 : at])[0]
    body = whole[at + 4 : at + 4 + length]
    add("many_idat.png", whole[: at - 4] + b"".join(chunk(b"IDAT", body[i : i + 7]) for i in range(0, length, 7)) + whole[at + 8 + length :])
    frames = [smooth(), smooth().transpose(Image.Transpose.ROTATE_180)]
    add("animated.png", saved(frames[0], "PNG", save_all=True, append_images=frames[1:], duration=100))
    add("alpha.png", saved(see_through(), "PNG"))
    add("grey_alpha.png", saved(see_through().convert("LA"), "PNG"))
    palette = smooth().quantize(16)
    add("palette_one_clear.png", saved(palette, "PNG", transparency=3))
    add("grey_key.png", saved(smooth().convert("L"), "PNG", transparency=20))
    add("magick48.png", run(["convert", "{in}", "-depth", "16", "-define", "png:bit-depth=16", "-define", "png:exclude-chunk=date,time", "png:{out}"], smooth()))
    apple = whole[:8] + chunk(b"CgBI", b"\x50\0\x20\x06") + whole[8:]
    refuse("iphone.png", apple, "made for iPhone programs")


# ---- GIF, WebP ---------------------------------------------------------------------------------------------------


def shift(picture, by):
    return ImageChops.offset(picture, by, by)


def film(name, kind, frames, **options):
    data = add(name, saved(frames[0], kind, save_all=True, append_images=frames[1:], duration=100, **options))
    image = Image.open(io.BytesIO(data))
    lines.append(f"frames {name} {image.n_frames}")
    for i in range(1, image.n_frames):
        expect(name, upright(data, i), i)


def make_films():
    frames = [shift(smooth(), 5 * i).quantize(32) for i in range(4)]
    film("film.gif", "GIF", frames)
    clear = []
    for i in range(4):
        frame = see_through()
        frame.putalpha(shift(frame.getchannel("A"), 7 * i).point(lambda v: 255 if v > 100 else 0))
        clear.append(frame)
    for disposal in (0, 1, 2, 3):
        film(f"clear_disposal{disposal}.gif", "GIF", clear, disposal=disposal)
    film("film.webp", "WEBP", [shift(smooth(), 5 * i) for i in range(3)], quality=80)
    film("clear_film.webp", "WEBP", clear, lossless=True)
    add("gif87a.gif", saved(smooth().quantize(8), "GIF").replace(b"GIF89a", b"GIF87a", 1))
    add("lossless_alpha.webp", saved(see_through(), "WEBP", lossless=True, exact=True))
    add("lossy_alpha.webp", saved(see_through(), "WEBP", quality=70))
    add("xmp6.webp", saved(smooth(), "WEBP", quality=80, xmp=xmp(6)))
    add("exif5.webp", saved(smooth(), "WEBP", quality=80, exif=b"Exif\0\0" + exif(5, True)))
    pages = [smooth(), shift(smooth(), 9), smooth().convert("L").convert("RGB")]
    film("pages.tif", "TIFF", pages, compression="tiff_lzw")


# ---- TIFF --------------------------------------------------------------------------------------------------------


def tiff(samples, **options):
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, samples, metadata=None, software=False, **options)
    return buffer.getvalue()


def make_tiffs():
    large = np.asarray(smooth(60, 50))
    picture = smooth()
    samples = np.asarray(picture)
    rgb = {"photometric": "rgb"}
    add("tiles48.tif", tiff(large, tile=(48, 48), **rgb), Image.fromarray(large))
    add("tiles48_deflate.tif", tiff(large, tile=(48, 48), compression="zlib", **rgb), Image.fromarray(large))
    add("tiles16_lzw_planar.tif", tiff(np.moveaxis(large, -1, 0), tile=(16, 16), compression="lzw", planarconfig="separate", **rgb), Image.fromarray(large))
    add("planar.tif", tiff(np.moveaxis(samples, -1, 0), planarconfig="separate", **rgb), picture)
    add("predictor.tif", tiff(samples, compression="lzw", predictor=True, **rgb), picture)
    add("zstd.tif", tiff(samples, compression="zstd", **rgb), picture)
    add("lzma.tif", tiff(samples, compression="lzma", **rgb), picture)
    add("big_endian.tif", tiff(samples, byteorder=">", **rgb), picture)
    add("bigtiff.tif", tiff(samples, bigtiff=True, **rgb), picture)
    add("bigtiff_turn6.tif", tiff(samples, bigtiff=True, extratags=[(274, 3, 1, 6, True)], **rgb), picture.transpose(Image.Transpose.ROTATE_270))
    add("one_row_strips.tif", tiff(samples, rowsperstrip=1, **rgb), picture)
    add("white_is_zero.tif", tiff(255 - samples[..., 0], photometric="miniswhite"), Image.fromarray(samples[..., 0]).convert("RGB"))
    add("grey16.tif", tiff(samples[..., 0].astype(np.uint16) * 257, photometric="minisblack"), Image.fromarray(samples[..., 0]).convert("RGB"))
    add("rgb16.tif", tiff(samples.astype(np.uint16) * 257, **rgb), picture)
    add("cmyk.tif", saved(picture.convert("CMYK"), "TIFF"))
    add("cmyk_magick.tif", run(["convert", "{in}", "-colorspace", "CMYK", "-compress", "lzw", "tiff:{out}"], picture))
    add("jpeg.tif", saved(picture, "TIFF", compression="jpeg", quality=85))
    add("fax3.tif", saved(picture.convert("1"), "TIFF", compression="group3"))
    add("fax4_magick.tif", run(["convert", "{in}", "-monochrome", "-compress", "Group4", "tiff:{out}"], picture))
    add("palette.tif", run(["convert", "{in}", "-colors", "16", "-type", "Palette", "tiff:{out}"], picture))
    add("clear.tif", saved(see_through(), "TIFF"))
    rgba = np.asarray(see_through())
    premultiplied = rgba.copy()
    premultiplied[..., :3] = (rgba[..., :3].astype(int) * rgba[..., 3:] + 127) // 255
    white = over_white(see_through())
    add("clear_premultiplied.tif", tiff(premultiplied, extrasamples=["assocalpha"], **rgb), white)
    add("clear16.tif", tiff(rgba.astype(np.uint16) * 257, extrasamples=["unassalpha"], **rgb), white, 2)
    add("extra_channel.tif", tiff(rgba, extrasamples=["unspecified"], **rgb), picture)
    for turn in range(1, 9):
        add(f"turn{turn}.tif", saved(picture, "TIFF", tiffinfo={274: turn}))
    add("xmp6.tif", tiff(samples, extratags=[(700, 1, len(xmp(6)), xmp(6), True)], **rgb), picture.transpose(Image.Transpose.ROTATE_270))
    refuse("float.tif", tiff(samples[..., 0].astype(np.float32), photometric="minisblack"), "holds measurements (32 bits a sample, floating point)")


# ---- HEIC and AVIF -----------------------------------------------------------------------------------------------


def make_heifs():
    picture = smooth(64, 48)
    for chroma in (420, 422, 444):
        add(f"chroma{chroma}.heic", saved(picture, "HEIF", quality=80, chroma=chroma))
    add("odd_sides.heic", saved(smooth(37, 25), "HEIF", quality=80))
    add("clear.heic", saved(see_through(64, 48), "HEIF", quality=90, chroma=444))
    add("grey.heic", saved(picture.convert("L"), "HEIF", quality=80))
    for turn in (2, 3, 6, 8):
        add(f"turn{turn}.heic", saved(picture, "HEIF", quality=80, exif=b"Exif\0\0" + exif(turn)))
    deep = pillow_heif.from_bytes(mode="RGB;16", size=(64, 48), data=(np.asarray(picture).astype(np.uint16) * 257).tobytes())
    buffer = io.BytesIO()
    deep.save(buffer, quality=80, chroma=444, bit_depth=10)
    add("ten_bits.heic", buffer.getvalue())
    two = pillow_heif.from_pillow(picture)
    two.add_from_pillow(picture.transpose(Image.Transpose.ROTATE_180))
    buffer = io.BytesIO()
    two.save(buffer, quality=80)
    data = add("two.heic", buffer.getvalue())
    lines.append("frames two.heic 2")
    expect("two.heic", upright(data, 1), 1)


def make_avifs():
    picture = smooth(64, 48)
    for chroma in ("4:2:0", "4:2:2", "4:4:4", "4:0:0"):
        add(f"chroma{chroma.replace(':', '')}.avif", saved(picture, "AVIF", quality=80, subsampling=chroma))
    add("odd_sides.avif", saved(smooth(37, 25), "AVIF", quality=80))
    add("limited.avif", saved(picture, "AVIF", quality=80, range="limited"))
    add("clear.avif", saved(see_through(64, 48), "AVIF", quality=90))
    for turn in (2, 3, 5, 6, 8):
        add(f"turn{turn}.avif", saved(picture, "AVIF", quality=80, exif=exif(turn)))
    for name, flags in (("ten_bits", ["-d", "10"]), ("twelve_bits444", ["-d", "12", "-y", "444"]), ("bt709", ["--cicp", "1/13/1"]),
                        ("bt2020", ["--cicp", "9/16/9", "-d", "10"]), ("lossless", ["-l"])):
        # How libavif brings more bits down to 8 differs by as much between its versions 0.11 and 1.4.
        add(f"{name}.avif", run(["avifenc", "-s", "8", *flags, "{in}", "{out}"], picture, out=".avif"), tolerance=3 if "-d" in flags else 1)


# ---- camera raw --------------------------------------------------------------------------------------------------


def directory(out, tags):
    """Appends a TIFF directory of (tag, type, values) and what does not fit into it; returns where it begins."""
    codes = {3: "<H", 4: "<I", 5: "<II", 10: "<ii"}
    body = b""
    for tag, kind, values in sorted(tags):
        data = bytes(values) if kind < 3 else b"".join(struct.pack(codes[kind], *(v if isinstance(v, tuple) else (v,))) for v in values)
        if len(data) > 4:
            data = struct.pack("<I", put(out, data))
        body += struct.pack("<HHI", tag, kind, len(values)) + data.ljust(4, b"\0")
    return put(out, struct.pack("<H", len(tags)) + body + bytes(4))


def put(out, data):
    at = len(out)
    out.extend(data + b"\0" * (len(data) % 2))
    return at


def make_raws():
    """A DNG as cameras write it: a thumbnail in front, the sensor's values, and the preview that is wanted."""
    picture = smooth()
    preview = saved(picture, "JPEG", quality=90)
    out = bytearray(b"II*\0" + bytes(4))
    parts = [np.asarray(picture.resize((16, 12))).tobytes(), (np.asarray(picture.convert("L")).astype("<u2") * 64).tobytes(), preview]

    def strip(part, size, bits, compression, kind, first):
        return [(254, 4, [first]), (256, 4, [size[0]]), (257, 4, [size[1]]), (258, 3, bits), (259, 3, [compression]), (262, 3, [kind]),
                (273, 4, [put(out, part)]), (277, 3, [len(bits)]), (278, 4, [size[1]]), (279, 4, [len(part)])]

    sensor = directory(out, strip(parts[1], (WIDTH, HEIGHT), [16], 1, 32803, 0) + [(33421, 3, [2, 2]), (33422, 1, [0, 1, 1, 2])])
    small = directory(out, strip(parts[2], (WIDTH, HEIGHT), [8, 8, 8], 7, 6, 1))
    identity = [(1, 1), (0, 1), (0, 1), (0, 1), (1, 1), (0, 1), (0, 1), (0, 1), (1, 1)]
    first = directory(out, strip(parts[0], (16, 12), [8, 8, 8], 1, 2, 1) + [
        (271, 2, b"Test\0"), (272, 2, b"Model\0"), (274, 3, [6]), (330, 4, [sensor, small]), (50706, 1, [1, 4, 0, 0]),
        (50708, 2, b"Test Model\0"), (50721, 10, identity), (50728, 5, [(1, 1)] * 3), (50778, 3, [21])])
    out[4:8] = struct.pack("<I", first)
    add("turned.dng", bytes(out), upright(preview).transpose(Image.Transpose.ROTATE_270))
    # Make and SubIFDs, and yet no camera's: LibRaw knows it not, and it is read as the TIFF that it is.
    samples, buffer = np.asarray(smooth()), io.BytesIO()
    with tifffile.TiffWriter(buffer) as writer:
        writer.write(samples, photometric="rgb", metadata=None, subifds=1, extratags=[(271, 2, 8, "Scanner", True)])
        writer.write(samples[::2, ::2], photometric="rgb", metadata=None)
    add("make_and_subifds.tif", buffer.getvalue(), smooth())


# ---- colour profiles ---------------------------------------------------------------------------------------------


def profile(space):
    """A profile that swaps and bends colours, so that following it shows: curves of their own on primaries of their own."""
    xyz = {b"rXYZ": (0.5151, 0.2412, -0.0011), b"gXYZ": (0.2919, 0.6922, 0.0419), b"bXYZ": (0.1572, 0.0666, 0.7841)}  # Display P3
    fixed = lambda v: struct.pack(">i", round(v * 65536))
    curve = b"curv" + struct.pack(">IIH", 0, 1, round(1.8 * 256))
    text = lambda t: b"mluc" + struct.pack(">IIIHHII", 0, 1, 12, 0x656E, 0x5553, 2 * len(t), 28) + t.encode("utf-16-be")
    tags = {b"desc": text("made for a test"), b"cprt": text("none"), b"wtpt": b"XYZ \0\0\0\0" + b"".join(map(fixed, (0.9642, 1, 0.8249)))}
    if space == b"GRAY":
        tags[b"kTRC"] = curve
    else:
        tags |= {key: b"XYZ \0\0\0\0" + b"".join(map(fixed, value)) for key, value in xyz.items()}
        tags |= {b"rTRC": curve, b"gTRC": curve, b"bTRC": curve}
    table, data, at = b"", b"", 128 + 4 + 12 * len(tags)
    for key, value in tags.items():
        value += b"\0" * (-len(value) % 4)
        table += key + struct.pack(">II", at + len(data), len(value))
        data += value
    size = at + len(data)
    head = struct.pack(">I4sI4s4s4s12s4s", size, b"lcms", 0x04300000, b"mntr", space, b"XYZ ", bytes(12), b"acsp") + bytes(28)
    head += b"".join(map(fixed, (0.9642, 1, 0.8249)))
    return head + bytes(128 - len(head)) + struct.pack(">I", len(tags)) + table + data


def make_profiles():
    rgb, grey = profile(b"RGB "), profile(b"GRAY")
    for name, kind, options in (("profile.jpg", "JPEG", {"quality": 90}), ("profile.png", "PNG", {}), ("profile.webp", "WEBP", {"lossless": True}),
                                ("profile.tif", "TIFF", {}), ("profile.avif", "AVIF", {"quality": 90, "subsampling": "4:4:4"}),
                                ("profile.heic", "HEIF", {"quality": 90, "chroma": 444}), ("profile_grey.png", "PNG", {}), ("profile_grey.jpg", "JPEG", {"quality": 90})):
        icc = grey if "grey" in name else rgb
        picture = smooth().convert("L") if "grey" in name else smooth()
        data = add(name, saved(picture, kind, icc_profile=icc, **options))
        image = Image.open(io.BytesIO(data))
        result = ImageCms.profileToProfile(image, io.BytesIO(icc), ImageCms.createProfile("sRGB"), outputMode="RGB")
        lines.append(f"srgb {name} 2 {result.width} {result.height} {keep(result)}")


# ---- the small ones ----------------------------------------------------------------------------------------------


def make_pnms():
    picture = smooth()
    samples = np.asarray(picture)
    size = f"{WIDTH} {HEIGHT}"
    add("p6.ppm", saved(picture, "PPM"))
    add("p5.pgm", saved(picture.convert("L"), "PPM"))
    add("p4.pbm", saved(picture.convert("1"), "PPM"))
    bits = np.asarray(picture.convert("1"))
    add("p1.pbm", f"P1\n# no spaces\n{size}\n".encode() + b"\n".join(b"".join(b"0" if v else b"1" for v in row) for row in bits) + b"\n")
    add("p2.pgm", f"P2 # grey\n{size}\n100\n".encode() + " ".join(str(int(v) * 100 // 255) for v in samples[..., 0].ravel()).encode() + b"\n")
    add("p3.ppm", f"P3\n{size} 255\n".encode() + "\n".join(str(v) for v in samples.ravel()).encode() + b"\n")
    add("p6_maxval100.ppm", f"P6 {size} 100\n".encode() + (samples.astype(int) * 100 // 255).astype(np.uint8).tobytes())
    add("p6_16bit.ppm", f"P6 {size} 65535\n".encode() + (samples.astype(int) * 257).astype(">u2").tobytes())
    # Pillow reads no PAM.
    rgba = np.asarray(see_through())
    head = f"P7\nWIDTH {WIDTH}\nHEIGHT {HEIGHT}\nDEPTH %d\nMAXVAL 255\nTUPLTYPE %s\nENDHDR\n"
    add("rgb_alpha.pam", (head % (4, "RGB_ALPHA")).encode() + rgba.tobytes(), over_white(see_through()))
    add("grey.pam", (head % (1, "GRAYSCALE")).encode() + samples[..., 1].tobytes(), Image.fromarray(samples[..., 1]).convert("RGB"))


def make_icons():
    icon = see_through(32, 32)
    add("png.ico", saved(icon, "ICO", sizes=[(16, 16), (32, 32)]))
    add("bmp32.ico", saved(icon, "ICO", sizes=[(16, 16), (32, 32)], bitmap_format="bmp"))
    for colours, name in ((256, "colours256"), (16, "colours16"), (2, "colours2")):
        sharp = icon.copy()
        sharp.putalpha(icon.getchannel("A").point(lambda v: 255 if v > 100 else 0))
        add(f"{name}.ico", run(["convert", "{in}", "-colors", str(colours), "ico:{out}"], sharp))
    add("pointer.cur", b"\0\0\2\0" + saved(icon, "ICO", sizes=[(32, 32)], bitmap_format="bmp")[4:])


def make_bmps():
    add("alpha_v4.bmp", run(["convert", "{in}", "bmp:{out}"], see_through()))
    add("v3.bmp", run(["convert", "{in}", "-type", "truecolor", "bmp3:{out}"], smooth()))
    samples = np.asarray(smooth())[::-1, :, ::-1]
    core = struct.pack("<IHHHH", 12, WIDTH, HEIGHT, 1, 24)
    add("os2_core.bmp", b"BM" + struct.pack("<IHHI", 26 + samples.nbytes, 0, 0, 26) + core + samples.tobytes())


def main():
    if int(Image.__version__.split(".")[0]) >= 13:
        sys.exit("Pillow 13 and later resize in another order; use one before it")
    (OUT / "expected").mkdir(parents=True, exist_ok=True)
    for old in [*OUT.glob("*.*"), *OUT.glob("expected/*")]:
        old.unlink()
    for make in (make_jpegs, make_pngs, make_films, make_tiffs, make_heifs, make_avifs, make_raws, make_profiles, make_pnms, make_icons, make_bmps):
        make()
    (OUT / "corpus.txt").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
