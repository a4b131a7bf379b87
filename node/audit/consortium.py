"""All jobs of a consortium, as far as the audited one depends on the others: records of nodes, and locked bonds."""

from __future__ import annotations

from chain.contracts import event_types as ev
from chain.contracts.types import Parameters
from node.audit.conduct import FULL, Conducts
from node.audit.course import Course
from node.audit.holdings import Holdings
from node.audit.members import Members
from node.audit.voters import Voters


class AllJobs:
    """What nodes hold in every job, and how nodes and organisations have done. Other jobs' events are believed.

    `members` have to be fed after it. Of the audited job only the course and the votes are kept up here; its leases
    are for who checks them.
    """

    def __init__(self, audited: int, lease_time: int, members: Members) -> None:
        self._audited, self._members = audited, members
        self._parameters = Parameters(0, 0, FULL)
        self.holdings: dict[int, Holdings] = {}
        self.conducts = Conducts()
        self.voters = Voters(members.seat_of)
        self._lease_time = lease_time
        self.of(audited)

    def of(self, job_id: int) -> Holdings:
        """What the nodes hold in a job."""
        if job_id not in self.holdings:
            lease_time = self._lease_time if job_id == self._audited else None
            self.holdings[job_id] = Holdings(Course(lease_time=lease_time), self._members.account_of)
        return self.holdings[job_id]

    def feed(self, event: ev.ChainEvent, at: int) -> None:
        """Take in the next event of any contract, at chain time `at`."""
        if isinstance(event, ev.ParametersSet):
            self._parameters = Parameters(event.lease_bond, event.vote_bond, event.max_share)
        job_id: int | None = getattr(event, "job_id", None)
        if job_id is None:
            return
        holdings = self.of(job_id)
        if isinstance(event, ev.JobSubmitted):
            holdings.course.parameters = self._parameters
        holdings.course.feed(event, at)
        self.voters.feed(event)
        if job_id != self._audited:
            holdings.feed(event)
            self._note_conduct(holdings, event)
            holdings.take_untold()

    def locked(self, account: str) -> int:
        """The stake of an organisation that is locked for leases and votes of all jobs, base units."""
        epochs = sum(
            stored.bonded * holdings.course.parameters.lease_bond
            for holdings in self.holdings.values()
            for (node, _), stored in holdings.records.items()
            if stored.bonded and self._members.account_of(node) == account
        )
        bonds = (self.holdings[job_id].course.parameters for job_id in self.voters.bonded(account))
        return epochs + sum(given.vote_bond for given in bonds)

    def _note_conduct(self, holdings: Holdings, event: ev.ChainEvent) -> None:
        if not isinstance(event, ev.LeaseMissed | ev.UpdateRejected | ev.RewardsSettled):
            return
        account = self._members.account_of(event.node) or ""
        match event:
            case ev.LeaseMissed():
                self.conducts.missed(event.node, account)
            case ev.UpdateRejected():
                self.conducts.rejected(event.node, account)
            case ev.RewardsSettled():
                self.conducts.settled(event.node, account, holdings.settle(event.node))
