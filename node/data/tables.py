"""Data sets in CSV files: a line of column names, numeric features, one column of labels."""

import csv
from array import array
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from node.data.arrays import MAX_CLASSES
from node.data.dataset import Dataset
from node.errors import DataError

_FLOAT32_MAX = float(np.finfo(np.float32).max)


def load_csv(path: Path, label: str | None = None) -> Dataset:
    """Reads a table of labelled samples, line by line.

    Args:
        path: a .csv file in UTF-8, with commas. Every cell but the label is a finite number.
        label: name of the column with the labels; the last column when None.

    Raises:
        DataError: names the file, the line, and what is wrong with it.
    """

    def target(names: list[str]) -> int:
        if label is not None and label not in names:
            raise DataError(f"{path}: no column {label!r}; it has {', '.join(names[:12])}; set data.label")
        if len(names) < 2:
            raise DataError(f"{path}: line 1: one column; give at least one feature and a label")
        return names.index(label) if label is not None else len(names) - 1

    x, labels, column = _read(path, target)
    classes = _ordered(set(labels))
    if not 2 <= len(classes) <= MAX_CLASSES:
        raise DataError(
            f"{path}: column {column!r} holds {len(classes)} different labels; "
            f"2 to {MAX_CLASSES} are allowed: set data.label to the column of the classes"
        )
    position = {name: index for index, name in enumerate(classes)}
    return Dataset(x, np.array([position[name] for name in labels], dtype=np.int64), classes)


def load_features(path: Path, features: int, label: str | None = None) -> NDArray[np.float32]:
    """Reads a table of samples that need no labels, as float32 ``[n, features]``.

    A column named ``label``, or without one a column after the features, is skipped. Raises as `load_csv`.
    """

    def target(names: list[str]) -> int | None:
        if label in names:
            return names.index(label)
        return len(names) - 1 if label is None and len(names) == features + 1 else None

    x, _, _ = _read(path, target)
    return x


def _read(
    path: Path, target_of: Callable[[list[str]], int | None]
) -> tuple[NDArray[np.float32], list[str], str]:
    """Features ``[n, columns]``, labels (none without a label column), and the label column's name."""
    rows = _rows(path)
    names = _header(path, rows)
    target = target_of(names)
    numeric = [column for column in range(len(names)) if column != target]
    values, labels = array("f"), []
    count = 0
    for line, cells in rows:
        count += 1
        if len(cells) != len(names):
            raise DataError(f"{path}: line {line}: {len(cells)} cells, where line 1 has {len(names)}")
        for column in numeric:
            value = _number(cells[column])
            if value is None or not abs(value) <= _FLOAT32_MAX:
                cell, name = cells[column][:40], names[column]
                raise DataError(f"{path}: line {line}: {cell!r} in column {name!r} is not a finite number")
            values.append(value)
        if target is not None:
            labels.append(cells[target].strip())
            if not labels[-1]:
                raise DataError(f"{path}: line {line}: no label in column {names[target]!r}")
    if not count:
        raise DataError(f"{path}: no line after the column names; give a line per sample")
    x = np.frombuffer(values, dtype=np.float32).reshape(count, len(numeric))
    return x, labels, "" if target is None else names[target]


def _header(path: Path, rows: Iterator[tuple[int, list[str]]]) -> list[str]:
    _, header = next(rows, (0, []))
    names = [name.strip() for name in header]
    if not names:
        raise DataError(f"{path}: empty; give a line of column names and a line per sample")
    if all(_number(name) is not None for name in names):
        raise DataError(f"{path}: line 1 holds numbers; begin with a line of column names")
    if len(set(names)) != len(names):
        raise DataError(f"{path}: line 1: two columns have one name")
    return names


def _rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Line numbers (of a row's last line) and cells, blank lines left out."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            try:
                for cells in reader:
                    if cells:
                        yield reader.line_num, cells
            except csv.Error as error:
                raise DataError(f"{path}: line {reader.line_num}: {error}") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not UTF-8 text: {error.reason}; save it as UTF-8") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error


def _number(cell: str) -> float | None:
    try:
        return float(cell)
    except ValueError:
        return None


def _ordered(names: set[str]) -> tuple[str, ...]:
    """Names sorted, as numbers when all of them are."""
    if all(_number(name) is not None for name in names):
        return tuple(sorted(names, key=lambda name: (float(name), name)))
    return tuple(sorted(names))
