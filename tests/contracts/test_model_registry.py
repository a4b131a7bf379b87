"""Models of completed jobs: registered with their lineage, promoted and rolled back by those who may."""

import pytest
from consortium_world import CLIENT, ORGANISATIONS, STRANGER, TERMS, World, digest, terms

from chain.contracts.event_types import ModelPromoted, ModelRolledBack, ReleaserSet, VersionRegistered
from chain.contracts.types import Promotion, Version

RELEASER = ORGANISATIONS[2]


@pytest.fixture
def job_id(world: World) -> int:
    """A completed job of the client's."""
    number = world.submit_job(terms(rounds=1))
    world.play_round(number, "model 1")
    return number


def another_job(world: World) -> int:
    number = world.submit_job(terms(rounds=1))
    world.play_round(number, f"model of {number}")
    return number


def test_version_has_the_lineage_of_its_completed_job(world: World, job_id: int) -> None:
    receipt = world.send(CLIENT, world.models.register("digits", job_id, "bafydigits"))
    (registered,) = world.models.events_of(VersionRegistered, receipt)
    assert (registered.version, registered.job_id, registered.name) == (1, job_id, "digits")
    at = world.w3.eth.get_block(receipt.block_number)["timestamp"]
    assert world.models.version("digits", 1) == Version(
        job_id=job_id,
        number=1,
        round=1,
        score=900_000,
        registered_at=at,
        by=CLIENT.address,
        digest=digest("model 1"),
        spec_digest=digest("spec"),
        ruleset=TERMS.ruleset,
        cid="bafydigits",
    )
    assert world.models.owner_of("digits") == CLIENT.address
    assert world.models.version_of("digits", job_id) == 1
    assert world.models.promoted("digits") == 0
    values = world.refused("ModelsJobKnown", CLIENT, world.models.register("digits", job_id, "bafyagain"))
    assert values == {"jobId": job_id, "version": 1}


def test_members_promote_and_roll_back_by_proposals(world: World, job_id: int) -> None:
    later = another_job(world)
    for job in (job_id, later):
        world.send(CLIENT, world.models.register("digits", job, f"bafy{job}"))
    governance = world.consortium.timelock.address
    for version in (1, 2):
        receipt = world.decide(world.models.promote("digits", version), why=f"Serve version {version}.")
        (promoted,) = world.models.events_of(ModelPromoted, receipt)
        assert (promoted.version, promoted.by) == (version, governance)
        assert world.models.promoted("digits") == version
    receipt = world.decide(world.models.roll_back("digits"), why="Version 2 misreads sevens.")
    (back,) = world.models.events_of(ModelRolledBack, receipt)
    assert (back.version, world.models.promoted("digits")) == (1, 1)
    assert [(entry.version, entry.previous) for entry in world.models.history("digits")] == [
        (1, 0),
        (2, 1),
        (1, 0),
    ]


def test_releaser_appointed_by_the_members_promotes_until_dismissed(world: World, job_id: int) -> None:
    world.send(CLIENT, world.models.register("digits", job_id, "bafy"))
    world.refused("ModelsNotReleaser", RELEASER, world.models.promote("digits", 1))
    receipt = world.decide(world.models.set_releaser(RELEASER.address, True))
    (appointed,) = world.models.events_of(ReleaserSet, receipt)
    assert (appointed.account, appointed.releases) == (RELEASER.address, True)
    assert world.models.is_releaser(RELEASER.address) and world.models.releasers() == (RELEASER.address,)
    receipt = world.send(RELEASER, world.models.promote("digits", 1))
    at = world.w3.eth.get_block(receipt.block_number)["timestamp"]
    assert world.models.history("digits") == (Promotion(1, 0, at, RELEASER.address),)
    world.refused("ModelsAlreadyPromoted", RELEASER, world.models.promote("digits", 1))
    world.decide(world.models.set_releaser(RELEASER.address, False))
    world.refused("ModelsNotReleaser", RELEASER, world.models.promote("digits", 0))


def test_what_may_not_be_registered_is_refused_with_the_reason(world: World, job_id: int) -> None:
    models, open_job = world.models, world.submit_job()
    world.refused("ModelsNotClient", STRANGER, models.register("digits", job_id, "bafy"))
    world.refused("ModelsJobNotCompleted", CLIENT, models.register("digits", open_job, "bafy"))
    world.refused("ModelsBadName", CLIENT, models.register("Digits", job_id, "bafy"))
    world.refused("ModelsBadCid", CLIENT, models.register("digits", job_id, ""))
    world.refused("ModelsNotGovernance", CLIENT, models.set_releaser(CLIENT.address, True))
    assert world.models.owner_of("digits") == "0x" + "00" * 20


@pytest.mark.parametrize("page", [1, 2, 100])
def test_names_and_versions_are_read_whole_whatever_the_page(
    world: World, job_id: int, monkeypatch: pytest.MonkeyPatch, page: int
) -> None:
    monkeypatch.setattr("chain.contracts.models.PAGE", page)
    assert list(world.models.names()) == []
    for name in ("b", "a", "c.1"):
        world.send(CLIENT, world.models.register(name, job_id, "bafy"))
    later = another_job(world)
    world.send(CLIENT, world.models.register("a", later, "bafy2"))
    assert list(world.models.names()) == ["b", "a", "c.1"]
    assert [(v.number, v.job_id) for v in world.models.versions("a")] == [(1, job_id), (2, later)]
    assert world.models.version_count("a") == 2 and list(world.models.versions("nothing")) == []
