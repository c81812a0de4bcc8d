"""Pictures for the image tests: drawn, then written by Pillow in the formats that clients send."""
import numpy as np
from PIL import Image

PICTURES = ["wide.jpg", "grey.jpg", "tall.png", "palette.png", "alpha.png", "small.png"]


def draw(width, height):
    """Colours that change slowly, a disc, and some noise: what JPEG and resizing care about."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    noise = np.random.default_rng(10).uniform(-12, 12, (height, width))
    disc = (x - width / 3) ** 2 + (y - height / 2) ** 2 < (min(width, height) / 4) ** 2
    channels = [
        255 * x / width,
        255 * y / height,
        127 + 120 * np.sin(x / 9) * np.cos(y / 7),
    ]
    pixels = np.stack([np.where(disc, 255 - each, each) + noise for each in channels], axis=-1)
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8), "RGB")


def write_pictures(folder):
    draw(150, 90).save(folder / "wide.jpg", quality=85)
    draw(60, 60).convert("L").save(folder / "grey.jpg", quality=90, progressive=True)
    draw(40, 97).save(folder / "tall.png")
    draw(64, 48).quantize(16).save(folder / "palette.png")
    see_through = draw(50, 50)
    see_through.putalpha(Image.linear_gradient("L").resize((50, 50)))
    see_through.save(folder / "alpha.png")
    draw(9, 7).save(folder / "small.png")
