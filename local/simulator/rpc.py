"""Alibaba Cloud's RPC style: every parameter in the query, lists numbered from 1 (``JobIds.1``)."""

from local.simulator.loopback import Request
from local.simulator.matching import Given


def given(request: Request) -> Given:
    return Given(parameters=request.query, first=1)
