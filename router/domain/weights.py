"""A rep's weight for one lead: base times region, industry, close rate and product factors, in thousandths."""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from router.domain.lead import FACT_FIELDS, Facts
from router.domain.matching import folded, picker
from router.domain.rates import Rates
from router.domain.roster import MILLI, Roster
from router.domain.ruleset import Weights
from router.domain.share import Stake

Int64 = NDArray[np.int64]

# Keeps weight sums and products of 5,000 candidates inside 64 bits.
LARGEST_WEIGHT = 1 << 24
# Numbers in all the vectors that are kept, and facts: memory stays bounded whatever the leads say.
_REMEMBERED_NUMBERS = 2_000_000
_REMEMBERED_FACTS = 10_000
# What a stake weighs beside its two arrays: as reps fill up, small groups meet ever new sets of candidates.
_NUMBERS_BESIDE = 1_000

_REGION = FACT_FIELDS.index("region")
_INDUSTRY = FACT_FIELDS.index("industry")
_PRODUCT = FACT_FIELDS.index("product")

Kind = tuple[str | None, str | None, str | None, str | None]


class Weigher:
    """Weights of all reps for the kinds of leads that there are; built per roster, ruleset and rates."""

    def __init__(self, roster: Roster, weights: Weights, rates: Rates) -> None:
        self._roster = roster
        self._weights = weights
        self._rates = rates
        self._base = np.array([rep.weight for rep in roster.reps], dtype=np.int64)
        self._segment = FACT_FIELDS.index(weights.close_rate.segment) if weights.close_rate else None
        self._factors: dict[tuple[str, str], Int64] = {}
        self._kinds: dict[object, Kind] = {}
        self._asked_for = picker(
            [_REGION, _INDUSTRY, _PRODUCT] if self._segment is None else [_REGION, _INDUSTRY, _PRODUCT, self._segment]
        )
        self._stakes: dict[bytes, dict[Kind, Stake]] = {}
        self._numbers_in_stakes = 0
        self._regions = _positions_by_value([rep.regions for rep in roster.reps])
        self._industries = _positions_by_value([rep.industries for rep in roster.reps])

    @property
    def base(self) -> Int64:
        """Every rep's base weight; 0 = no candidate."""
        return self._base

    def kind_of(self, facts: Facts) -> Kind:
        """What of the facts (as they arrived) changes weights; leads of one kind have the same weights."""
        combination = self._asked_for(facts)
        known = self._kinds.get(combination)
        if known is None:
            if len(self._kinds) >= _REMEMBERED_FACTS:
                self._kinds.clear()
            known = self._kinds[combination] = self._kind(folded(facts))
        return known

    def stakes_of(self, positions: Int64) -> "StakesOf":
        """What leads are worth to these candidates (positions in the roster): remembered from batch to batch."""
        return StakesOf(self, positions, self._stakes.setdefault(positions.tobytes(), {}))

    def make_stake(self, kind: Kind, positions: Int64, known: dict[Kind, Stake]) -> Stake:
        """The stake of a kind of lead, put among those that are `known` of the candidates."""
        if self._numbers_in_stakes >= _REMEMBERED_NUMBERS:
            self._stakes.clear()
            known.clear()
            self._numbers_in_stakes = 0
        self._numbers_in_stakes += 2 * len(positions) + _NUMBERS_BESIDE
        stake = known[kind] = Stake.of(self.weights_of(kind, positions))
        return stake

    def _kind(self, facts: Facts) -> Kind:
        weights = self._weights
        region = facts.plain[_REGION] if weights.region_match != MILLI else None
        industry = facts.plain[_INDUSTRY] if weights.industry_match != MILLI else None
        segment = facts.plain[self._segment] if self._segment is not None else None
        product = facts.plain[_PRODUCT] if weights.sold_product else None
        return (
            region if region in self._regions else None,
            industry if industry in self._industries else None,
            segment if segment in self._rates.by_segment else None,
            product if product in self._rates.sold else None,
        )

    def weights_of(self, kind: Kind, positions: Int64) -> Int64:
        """What a kind of lead weighs for these reps (positions in the roster); at least 1 where the base is above 0."""
        base = weights = self._base[positions]
        for name, value in zip(("region", "industry", "segment", "product"), kind, strict=True):
            if value is not None:
                weights = weights * self._factor(name, value)[positions] // MILLI
        return np.where(base > 0, np.clip(weights, 1, LARGEST_WEIGHT), 0)

    def factors(self, kind: Kind, position: int) -> dict[str, int]:
        """The factors (thousandths) that apply to one rep, for explanations."""
        names = ("region_match", "industry_match", "close_rate", "sold_product")
        short = ("region", "industry", "segment", "product")
        return {
            long: int(self._factor(name, value)[position])
            for long, name, value in zip(names, short, kind, strict=True)
            if value is not None
        }

    def _factor(self, name: str, value: str) -> Int64:
        known = self._factors.get((name, value))
        if known is None:
            known = self._factors[(name, value)] = self._make_factor(name, value)
        return known

    def _make_factor(self, name: str, value: str) -> Int64:
        weights, factors = self._weights, np.full(len(self._base), MILLI, dtype=np.int64)
        if name == "region":
            factors[self._regions[value]] = weights.region_match
        elif name == "industry":
            factors[self._industries[value]] = weights.industry_match
        elif name == "segment" and weights.close_rate:
            rates = self._rates.close_rate_factors(value, weights.close_rate.prior_leads)
            for rep_no, factor in rates.items():
                self._set(factors, rep_no, factor)
        elif name == "product" and weights.sold_product:
            for rep_no in self._rates.sold.get(value, ()):
                self._set(factors, rep_no, weights.sold_product.factor)
        return factors

    def _set(self, factors: Int64, rep_no: int, factor: int) -> None:
        # The rates know reps who are gone.
        position = self._roster.position.get(rep_no)
        if position is not None:
            factors[position] = factor


def _positions_by_value(values: Sequence[Iterable[str]]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for position, of_rep in enumerate(values):
        for value in of_rep:
            found.setdefault(value, []).append(position)
    return found


class StakesOf:
    """The stakes of some candidates by kind of lead."""

    __slots__ = ("_known", "_positions", "_weigher")

    def __init__(self, weigher: Weigher, positions: Int64, known: dict[Kind, Stake]) -> None:
        self._weigher = weigher
        self._positions = positions
        self._known = known

    def __getitem__(self, kind: Kind) -> Stake:
        return self._known.get(kind) or self._weigher.make_stake(kind, self._positions, self._known)
