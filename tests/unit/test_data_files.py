"""Data from files: what is read, and how each thing that can be wrong with a file is named."""

import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from node.data.arrays import load_npz, save_npz
from node.data.builtin import load_builtin
from node.data.images import load_folder
from node.data.sources import load_source
from node.data.tables import load_csv
from node.errors import DataError


@pytest.mark.parametrize(
    ("name", "shape", "classes"),
    [
        ("digits", (1797, 1, 8, 8), 10),
        ("breast_cancer", (569, 30), 2),
        ("wine", (178, 13), 3),
        ("iris", (150, 4), 3),
    ],
)
def test_built_in_data_has_its_shape_and_classes(name: str, shape: tuple[int, ...], classes: int) -> None:
    data = load_source(name)
    assert data.x.shape == shape
    assert len(data.classes) == classes
    assert min(data.counts()) > 0
    if name == "digits":
        assert (data.x.min(), data.x.max()) == (0.0, 1.0)


def test_csv_is_read_with_the_label_by_name_or_last(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("\ufeffkind,a,b\n10,1,2\n\n9,3.5,4e1\n10,5,6\n", encoding="utf-8")
    data = load_csv(path, "kind")
    assert data.classes == ("9", "10")
    assert data.y.tolist() == [1, 0, 1]
    assert data.x.tolist() == [[1, 2], [3.5, 40], [5, 6]]
    path.write_text("a,kind\n1,yes\n2,no\n")
    assert load_csv(path).classes == ("no", "yes")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "empty"),
        ("a,b\n", "no line after the column names"),
        ("1,2\n3,4\n", "line 1 holds numbers"),
        ("a,a,k\n1,2,x\n", "two columns have one name"),
        ("a,k\n1,x\n2\n3,y\n", "line 3: 1 cells, where line 1 has 2"),
        ("a,k\n1,x\n2,y,z\n", "line 3: 3 cells"),
        ("a,k\n1,x\nfoo,y\n", "line 3: 'foo' in column 'a' is not a finite number"),
        ("a,k\n1,x\n,y\n", "line 3: '' in column 'a'"),
        ("a,k\n1,x\ninf,y\n", "line 3: 'inf'"),
        ("a,k\n1,x\n1e39,y\n", "line 3: '1e39'"),
        ("a,k\n1,x\n2, \n", "line 3: no label in column 'k'"),
        ("a,k\n1,x\n2,x\n", "1 different labels"),
        ("k\nx\n", "one column"),
        ('a,k\n1,"x\n2,y\n', "line 3"),
    ],
)
def test_csv_when_malformed_says_the_line_and_what_is_wrong(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "t.csv"
    path.write_text(text)
    with pytest.raises(DataError) as error:
        load_csv(path)
    assert says in str(error.value)
    assert str(error.value).startswith(str(path))
    assert len(str(error.value).splitlines()) == 1


def test_csv_without_the_label_column_lists_what_it_has(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a,b\n1,2\n")
    with pytest.raises(DataError, match=r"no column 'kind'; it has a, b; set data.label"):
        load_csv(path, "kind")


def test_csv_whose_label_column_holds_measurements_says_so(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a,b\n" + "".join(f"1,{i / 7}\n" for i in range(1001)))
    with pytest.raises(DataError, match="1001 different labels"):
        load_csv(path)


def test_csv_that_is_not_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(b"a,k\n\xff\xfe,x\n")
    with pytest.raises(DataError, match="not UTF-8"):
        load_csv(path)


def test_npz_when_saved_and_read_is_the_same_data(tmp_path: Path) -> None:
    data = load_builtin("wine")
    save_npz(data, tmp_path / "w.npz")
    back = load_source(str(tmp_path / "w.npz"))
    assert np.array_equal(back.x, data.x)
    assert np.array_equal(back.y, data.y)
    assert back.classes == data.classes


def test_npz_with_images_of_two_axes_gets_a_channel_and_names_become_classes(tmp_path: Path) -> None:
    np.savez(tmp_path / "i.npz", x=np.zeros((3, 5, 6), np.uint8), y=np.array(["b", "a", "b"]))
    data = load_npz(tmp_path / "i.npz")
    assert data.input_shape == (1, 5, 6)
    assert data.classes == ("a", "b")
    assert data.y.tolist() == [1, 0, 1]


@pytest.mark.parametrize(
    ("arrays", "says"),
    [
        ({"x": np.zeros((2, 3))}, "no array 'y'"),
        ({"x": np.zeros((2, 3)), "y": np.zeros(3, int)}, "y has shape"),
        ({"x": np.zeros((2, 3)), "y": np.array([0.5, 1])}, "whole numbers or names"),
        ({"x": np.zeros((2, 3)), "y": np.array([-1, 1])}, "labels run from -1 to 1"),
        ({"x": np.zeros((2, 3)), "y": np.array([0, 2]), "classes": np.array(["a", "b"])}, "0 to 2"),
        ({"x": np.full((2, 3), np.nan), "y": np.array([0, 1])}, "not finite"),
        ({"x": np.zeros((0, 3)), "y": np.zeros(0, int)}, "shape [0, 3]"),
        ({"x": np.zeros(2), "y": np.array([0, 1])}, "shape [2]"),
        ({"x": np.array([["a"], ["b"]]), "y": np.array([0, 1])}, "not numbers"),
        (
            {"x": np.array([[{}], [1]], dtype=object), "y": np.array([0, 1])},
            "not a .npz file that can be read",
        ),
    ],
)
def test_npz_when_malformed_says_what_is_wrong(tmp_path: Path, arrays: dict[str, Any], says: str) -> None:
    path = tmp_path / "d.npz"
    np.savez(path, **arrays)
    with pytest.raises(DataError) as error:
        load_npz(path)
    assert says in str(error.value)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut short", b"\x93NUMPY"])
def test_npz_that_is_another_file_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "d.npz"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"not a \.npz file"):
        load_npz(path)


@pytest.mark.parametrize(
    ("source", "says"), [("nowhere.npz", "no such file or folder"), ("x.txt", "unknown kind of file")]
)
def test_source_that_is_nothing_known_says_what_may_be_given(tmp_path: Path, source: str, says: str) -> None:
    (tmp_path / "x.txt").write_text("hello")
    with pytest.raises(DataError, match=says):
        load_source(str(tmp_path / source))


def images(folder: Path) -> Path:
    for label, value in (("cat", 255), ("dog", 0)):
        (folder / label).mkdir(parents=True)
        Image.new("RGB", (9, 7), (value, 0, 0)).save(folder / label / "1.png")
        Image.new("L", (20, 20), value).save(folder / label / "2.jpg")
        (folder / label / "notes.txt").write_text("passed over")
    return folder


def test_folder_of_images_is_read_by_class_at_one_size(tmp_path: Path) -> None:
    data = load_folder(images(tmp_path / "d"), 6, grayscale=False)
    assert data.x.shape == (4, 3, 6, 6)
    assert data.classes == ("cat", "dog")
    assert data.y.tolist() == [0, 0, 1, 1]
    assert data.x[0, :, 0, 0].tolist() == [1, 0, 0]
    assert load_folder(tmp_path / "d", 6, grayscale=True).input_shape == (1, 6, 6)


def test_folder_with_an_unreadable_image_names_it(tmp_path: Path) -> None:
    folder = images(tmp_path / "d")
    (folder / "dog" / "3.png").write_bytes(b"\x89PNG\r\n\x1a\n cut short")
    with pytest.raises(DataError, match=r"dog/3\.png: not an image that can be read"):
        load_folder(folder, 6, grayscale=False)


def test_folder_with_a_decompression_bomb_names_it(tmp_path: Path) -> None:
    folder = images(tmp_path / "d")
    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 0, 0, 0, 0)
    chunk = b"IHDR" + header
    content = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk))
    (folder / "dog" / "bomb.png").write_bytes(content + b"\0" * 64)
    with pytest.raises(DataError, match=r"bomb\.png"):
        load_folder(folder, 6, grayscale=False)


@pytest.mark.parametrize("classes", [[], ["only"], ["a", "empty"]])
def test_folder_without_two_classes_with_images_is_refused(tmp_path: Path, classes: list[str]) -> None:
    for label in classes:
        (tmp_path / label).mkdir()
    if classes:
        Image.new("L", (4, 4)).save(tmp_path / classes[0] / "1.png")
    with pytest.raises(DataError, match=r"one per class|no image in it"):
        load_folder(tmp_path, 6, grayscale=True)
