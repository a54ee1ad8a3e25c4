# SPDX-License-Identifier: MIT
"""Pillow: making, changing, drawing, encoding and decoding pictures, pixels from Python."""
import io

from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageOps
import pyperf

RGB = Image.merge("RGB", [Image.linear_gradient("L")] * 3)
GREY = Image.radial_gradient("L")


def encode(fmt, image=RGB):
    out = io.BytesIO()
    image.save(out, fmt)
    return out.getvalue()


PNG, JPEG, BMP = encode("PNG"), encode("JPEG"), encode("BMP")


def decode(data):
    im = Image.open(io.BytesIO(data))
    im.load()
    return im


def save_png():
    return encode("PNG")


def save_jpeg():
    return encode("JPEG")


def open_png():
    return decode(PNG)


def open_jpeg():
    return decode(JPEG)


def open_bmp():
    return decode(BMP)


def resize():
    return RGB.resize((100, 100), Image.Resampling.LANCZOS)


def rotate():
    return RGB.rotate(33)


def convert():
    return RGB.convert("L").convert("RGB")


def blur():
    return RGB.filter(ImageFilter.GaussianBlur(2))


def crop_paste():
    im = RGB.copy()
    for i in range(50):
        im.paste(im.crop((i, i, i + 20, i + 20)), (0, 0))


def getpixel():
    for i in range(200):
        RGB.getpixel((i, i))


def pixel_access():
    px = GREY.load()
    n = 0
    for x in range(50):
        for y in range(10):
            n += px[x, y]
    return n


def point_table():
    return GREY.point(lambda v: 255 - v)


def histogram():
    return RGB.histogram()


def draw():
    im = Image.new("RGB", (200, 200))
    d = ImageDraw.Draw(im)
    for i in range(50):
        d.line((0, i, 199, 199 - i), fill=(i, 0, 255))
        d.rectangle((i, i, i + 5, i + 5), outline="red")


def chops():
    return ImageChops.difference(RGB, ImageChops.offset(RGB, 3))


def ops():
    return ImageOps.autocontrast(ImageOps.mirror(GREY))


def tobytes_frombytes():
    return Image.frombytes("RGB", RGB.size, RGB.tobytes())


def small_images():
    for i in range(50):
        Image.new("L", (8, 8), i).resize((4, 4))


runner = pyperf.Runner()
for f in (save_png, save_jpeg, open_png, open_jpeg, open_bmp, resize, rotate, convert, blur,
          crop_paste, getpixel, pixel_access, point_table, histogram, draw, chops, ops,
          tobytes_frombytes, small_images):
    runner.bench_func(f"pillow_{f.__name__}", f)
