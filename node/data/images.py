"""Data sets in folders of images, one folder per class."""

import warnings
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from node.data.arrays import MAX_CLASSES
from node.data.dataset import Dataset
from node.errors import DataError

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".pgm", ".ppm")
_FORMATS = ("PNG", "JPEG", "BMP", "GIF", "TIFF", "WEBP", "PPM")
MAX_FILE_BYTES = 64 << 20
MAX_PIXELS = 64 << 20


def load_folder(folder: Path, size: int, grayscale: bool) -> Dataset:
    """Reads ``folder/<class>/<image>``.

    Args:
        folder: its subfolders name the classes; hidden files and files not named as images are passed over.
        size: side in pixels that images are resized to.
        grayscale: one channel instead of three.

    Returns:
        x ``[n, 1 or 3, size, size]`` in 0 to 1, in the order of class and file names.

    Raises:
        DataError: fewer than two classes, a class without images, or an image that cannot be read (named).
    """
    try:
        classes = sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))
    except OSError as error:
        raise DataError(f"{folder}: cannot be read: {error.strerror}") from error
    if not 2 <= len(classes) <= MAX_CLASSES:
        raise DataError(f"{folder}: {len(classes)} folders; give one per class, 2 to {MAX_CLASSES}")
    samples: list[NDArray[np.float32]] = []
    labels: list[int] = []
    for index, class_folder in enumerate(classes):
        files = image_files(class_folder)
        if not files:
            raise DataError(f"{class_folder}: no image in it ({', '.join(SUFFIXES)})")
        for file in files:
            samples.append(load_image(file, size, grayscale))
            labels.append(index)
    return Dataset(np.stack(samples), np.array(labels, dtype=np.int64), tuple(p.name for p in classes))


def image_files(folder: Path) -> list[Path]:
    """The images of one folder by name, sorted."""
    return sorted(p for p in folder.iterdir() if p.suffix.lower() in SUFFIXES and not p.name.startswith("."))


def load_image(path: Path, size: int, grayscale: bool) -> NDArray[np.float32]:
    """One image as float32 ``[1 or 3, size, size]`` in 0 to 1; turned as its EXIF note says.

    Raises:
        DataError: too large on disk or in pixels (a decompression bomb), or not an image.
    """
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise DataError(f"{path}: larger than {MAX_FILE_BYTES >> 20} MiB; make it smaller")
        with warnings.catch_warnings(), Image.open(path, formats=_FORMATS) as image:
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            if image.width * image.height > MAX_PIXELS:
                raise DataError(f"{path}: {image.width}x{image.height} pixels are too many; make it smaller")
            upright = ImageOps.exif_transpose(image)
            pixels = upright.convert("L" if grayscale else "RGB").resize(
                (size, size), Image.Resampling.BILINEAR
            )
    except (
        OSError,
        ValueError,
        SyntaxError,
        Image.DecompressionBombError,
        Image.DecompressionBombWarning,
    ) as error:
        raise DataError(f"{path}: not an image that can be read; remove or repair it") from error
    values = np.asarray(pixels, dtype=np.float32) / np.float32(255)
    return values[None] if grayscale else np.ascontiguousarray(values.transpose(2, 0, 1))
