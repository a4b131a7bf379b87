"""The same lease trained in two fresh processes: the same bytes, or a restarted agent would contradict itself."""

from __future__ import annotations

import subprocess
import sys

_TRAIN = """
import hashlib
from node.client import prepare_job
from node.data.shards import decode_shard
from node.spec import load_job
from node.tensors import dumps
from node.training.local import train

common = {"name": "twice", "data.source": "digits", "training.optimizer": "adam", "training.lr": "0.002",
          "schedule.epochs_per_round": "8"}
models = (
    {"model.kind": "mlp", "model.params": "{hidden = [32], dropout = 0.3}", "training.proximal": "0.01"},
    {"model.kind": "cnn", "model.params": "{channels = [8], hidden = 0}", "training.local_passes": "2"},
)
for model in models:
    plan = prepare_job(load_job(None, common | model))
    prepared = plan.prepared
    shards = [
        (epoch, decode_shard(part.content, input_shape=prepared.input_shape, classes=prepared.classes,
                             max_samples=part.samples))
        for epoch, part in enumerate(prepared.shards)
    ]
    result = train(prepared.architecture, plan.state, shards[1:3], prepared.job.training, job=4, round=2,
                   device="cpu", threads=1)
    print(hashlib.sha256(dumps(result.state)).hexdigest())
"""


def test_lease_when_trained_in_two_fresh_processes_then_bytes_are_identical() -> None:
    command = [sys.executable, "-c", _TRAIN]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    first, second = (process.communicate(timeout=60)[0].split() for process in processes)
    assert [process.returncode for process in processes] == [0, 0]
    assert first == second
    assert len(set(first)) == 2
