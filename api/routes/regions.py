"""Regions: a code's name, level, the regions above and below."""

from __future__ import annotations

from fastapi import APIRouter, Response

from api import models
from api.answering import respond
from api.parameters import NothingQ, PagingQ, RegionInPath
from events import regions

router = APIRouter(tags=["regions"])


@router.get("/v1/regions/{code}", response_model=models.RegionAnswer, summary="A region")
async def region(region: RegionInPath, _: NothingQ) -> Response:
    """Name and level of a region, the regions above it, and how many are directly below."""
    above = [models.RegionName.of(regions.region(each)) for each in regions.ancestors_of(region.number)[1:]]
    below = len(regions.children().get(region.number, []))
    return respond(
        models.RegionAnswer(code=region.code, name=region.name, level=region.level, parents=above, children=below)
    )


@router.get("/v1/regions/{code}/children", response_model=models.RegionChildren, summary="Regions directly below")
async def children(region: RegionInPath, paging: PagingQ) -> Response:
    """The regions directly below one, by code. A village has none."""
    below = regions.children().get(region.number, [])
    page = below[paging.offset : paging.offset + paging.limit]
    return respond(
        models.RegionChildren(
            region=models.RegionName.of(region),
            total=len(below),
            limit=paging.limit,
            offset=paging.offset,
            items=[models.RegionName.of(each) for each in page],
        )
    )
