"""Data sets: read, divided, put into shards, and scaled."""

from node.data.dataset import Dataset
from node.data.shards import decode_shard, encode_shard

__all__ = ["Dataset", "decode_shard", "encode_shard"]
