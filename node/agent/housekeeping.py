"""What is not urgent: copies of models, where they are, other daemons, settlement of what is over."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from chain.contracts.types import AgentView, JobView
from node.agent.decide import TURN_SECONDS, rank
from node.agent.hands import Hands
from node.agent.jobs import JobDesk
from node.agent.sharing import Keeper, Neighbours, stale_address
from node.agent.tasks import Tasks
from node.storage.ipfs import PeerIdentity


class Housekeeping:
    """Everything here may fail and is tried again at a later cycle, to nobody's loss. Used from one thread."""

    def __init__(self, hands: Hands, desk: JobDesk, keeper: Keeper, wake: Callable[[], None]) -> None:
        self._hands = hands
        self._desk = desk
        self._keeper = keeper
        self._copies = Tasks(1, wake)
        self._links = Tasks(1, wake)
        self._neighbours = Neighbours(hands.ipfs, self._links)
        self._announced: set[tuple[int, bytes]] = set()

    def tidy(self, view: AgentView, open_rounds: set[tuple[int, int]], *, busy: bool) -> None:
        """Do what is due at this view. `busy`: real work is going on, so copies can wait."""
        if self._hands.config.ipfs.replicate_models and not busy:
            for job in view.jobs:
                self._replicate(view, job)
        for job_id in self._desk.ended_and_unsettled():
            self._hands.quietly(self._settle_ended, view, job_id)
        open_jobs = {job_id for job_id, _ in open_rounds}
        self._copies.forget(lambda key: isinstance(key, tuple) and key[1] not in open_jobs)
        self._share(view, open_rounds)

    def undo(self, jobs: set[int]) -> None:
        """Forget copies made for jobs that a reorganisation of the chain undid."""
        self._copies.drop(lambda key: isinstance(key, tuple) and key[1] in jobs)

    def close(self) -> None:
        """Start nothing more."""
        self._copies.close()
        self._links.close()

    def _replicate(self, view: AgentView, job: JobView) -> None:
        """Keep a copy of the round's model, and say where it is if nobody rightly did."""
        digest = job.round.model_digest
        path = self._desk.cached_model(job.job_id, digest)
        if path is None:
            return
        publish = partial(self._hands.publish, path)
        cid = self._hands.quietly(self._copies.result, ("publish", job.job_id, digest), publish)
        if isinstance(cid, str) and self._nobody_says(view, job, cid):
            fn = self._hands.chain.vote.announce(job.job_id, digest, cid)
            if self._hands.quietly(partial(self._hands.send, "announce", fn, job=job.job_id, cid=cid)):
                self._announced.add((job.job_id, digest))

    def _nobody_says(self, view: AgentView, job: JobView, cid: str) -> bool:
        """Whether this node is the one to say where the round's model is: who revealed it may have lied about that."""
        turn = rank(job, view.organisation.seat) * TURN_SECONDS
        said = (job.job_id, job.round.model_digest) in self._announced
        if said or not view.active or view.timestamp < job.round.opened_at + turn:
            return False
        return cid not in self._desk.history(job.job_id).model_cids(job.round.model_digest)

    def _share(self, view: AgentView, open_rounds: set[tuple[int, int]]) -> None:
        """Stay connected to the other nodes' daemons, say where the own one is, let go of what is not needed."""
        self._neighbours.meet([*self._hands.config.ipfs.peers, *self._desk.peers(self._hands.me)])
        self._links.forget(lambda key: isinstance(key, tuple) and key[0] == "release")
        if self._keeper.owes(open_rounds):
            self._hands.quietly(self._links.result, ("release",), partial(self._keeper.release, open_rounds))
        identity = self._hands.quietly(self._links.result, ("identity",), self._hands.ipfs.identity)
        if isinstance(identity, PeerIdentity) and view.active:
            address = stale_address(view.node.peer, identity.peer_id, identity.addresses)
            if address is not None:
                node = view.node
                fn = self._hands.chain.registry.update_node(
                    self._hands.me, node.roles, node.capacity, address
                )
                self._hands.quietly(partial(self._hands.send, "update_node", fn, peer=address))

    def settle(self, view: AgentView) -> None:
        """Collect what the closed rounds of all jobs owe to the organisation, and free its bonds that are not at stake.

        What fails is left for later, or for others.
        """
        for job_id in self._desk.ended_and_unsettled():
            self._hands.quietly(self._settle_ended, view, job_id)
        for job in view.jobs:
            self._hands.quietly(self._collect, view, job.job_id)

    def _settle_ended(self, view: AgentView, job_id: int) -> None:
        self._collect(view, job_id)
        self._desk.settled(job_id)

    def _collect(self, view: AgentView, job_id: int) -> None:
        owed = self._desk.owing(job_id, view)
        if owed.nodes:
            self._hands.send("settle", self._hands.chain.scheduler.settle(job_id, owed.nodes), job=job_id)
        if owed.seats:
            self._hands.send("settle_votes", self._hands.chain.vote.settle(job_id, owed.seats), job=job_id)
