"""Private data and inputs of predictions: brought to the job's shape, labels and scale, or refused."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from node.data.arrays import save_npz
from node.data.builtin import load_builtin
from node.data.dataset import Dataset
from node.data.inputs import load_inputs
from node.data.prepare import prepare
from node.data.private import load_private
from node.errors import DataError
from node.spec import JobSpec, load_job

IRIS = load_builtin("iris")


def spec(**overrides: str) -> JobSpec:
    least = {"name": "p", "model.kind": "mlp", "data.source": "iris", "data.mode": "private"}
    job = load_job(None, least | {key.replace("__", "."): text for key, text in overrides.items()})
    return prepare(job).spec((), None, 100_000)


def test_private_data_is_held_out_and_scaled_as_the_job_says(tmp_path: Path) -> None:
    save_npz(IRIS, tmp_path / "own.npz")
    data = load_private(str(tmp_path / "own.npz"), spec())
    assert (len(data.train), len(data.holdout)) == (120, 30)
    assert np.allclose(data.train.x.mean(axis=0), 0, atol=1e-5)
    assert np.allclose(data.train.x.std(axis=0), 1, atol=1e-5)


def test_private_data_with_some_of_the_classes_is_labelled_as_the_job_labels(tmp_path: Path) -> None:
    path = tmp_path / "own.csv"
    rows = [f"1,2,3,{i},{name}" for i in range(5) for name in ("virginica", "setosa")]
    path.write_text("\n".join(["a,b,c,d,kind", *rows]))
    data = load_private(str(path), spec())
    assert data.train.classes == IRIS.classes
    assert data.train.counts() == (4, 0, 4)


def test_private_data_with_a_class_that_the_job_lacks_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "own.csv"
    path.write_text("a,b,c,d,kind\n1,2,3,4,setosa\n1,2,3,4,tulip\n")
    with pytest.raises(DataError, match="class 'tulip' is not one of the job's"):
        load_private(str(path), spec())


def test_private_data_of_another_shape_is_refused() -> None:
    with pytest.raises(DataError, match=r"shape \[13\]; give data of the job's shape, \[4\]"):
        load_private("wine", spec())


def test_private_npz_with_bare_numbers_takes_the_names_of_the_job(tmp_path: Path) -> None:
    np.savez(tmp_path / "own.npz", x=IRIS.x, y=IRIS.y)
    assert load_private(str(tmp_path / "own.npz"), spec()).train.classes == IRIS.classes


def test_inputs_are_scaled_and_a_label_column_is_passed_over(tmp_path: Path) -> None:
    job = spec()
    rows = [",".join([*map(str, row), "setosa"]) for row in IRIS.x[:3].tolist()]
    (tmp_path / "in.csv").write_text("\n".join(["a,b,c,d,kind", *rows]))
    np.savez(tmp_path / "in.npz", x=IRIS.x[:3])
    from_csv, from_npz = (load_inputs(str(tmp_path / name), job) for name in ("in.csv", "in.npz"))
    assert np.array_equal(from_csv.x, from_npz.x)
    assert from_csv.names == ("0", "1", "2")
    scale = job.standardisation
    assert scale is not None
    assert np.allclose(from_npz.x, (IRIS.x[:3] - scale.mean) / scale.std, atol=1e-6)


def test_inputs_from_images_take_the_size_and_channels_of_the_job(tmp_path: Path) -> None:
    job = spec(data__source="digits")
    Image.new("RGB", (30, 20), (255, 255, 255)).save(tmp_path / "a.png")
    Image.new("L", (8, 8), 0).save(tmp_path / "b.png")
    inputs = load_inputs(str(tmp_path), job)
    assert inputs.x.shape == (2, 1, 8, 8)
    assert inputs.names == ("a.png", "b.png")
    assert load_inputs(str(tmp_path / "a.png"), job).x.min() == 1.0


@pytest.mark.parametrize("source", ["nowhere.npz", "wine"])
def test_inputs_that_do_not_exist_or_fit_are_refused(source: str) -> None:
    with pytest.raises(DataError):
        load_inputs(source, spec())


def test_dataset_that_is_not_sound_cannot_be_made() -> None:
    x, y = IRIS.x, IRIS.y
    with pytest.raises(DataError, match="not float32"):
        Dataset(x.astype(np.float64), y, IRIS.classes)
    with pytest.raises(DataError, match="labels are"):
        Dataset(x, y[:-1], IRIS.classes)
    with pytest.raises(DataError, match="a label is outside 0 to 1"):
        Dataset(x, y, IRIS.classes[:2])
    broken = x.copy()
    broken[17, 2] = np.inf
    with pytest.raises(DataError, match="sample 17"):
        Dataset(broken, y, IRIS.classes)
