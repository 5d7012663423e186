"""How much may be compared: counted, not timed, so that the same rules always give the same result."""


class OverBudget(Exception):
    """So much would have to be compared that it is given up."""


class Budget:
    """Steps that may still be taken; one is about a quarter of a microsecond. `spend` raises OverBudget."""

    def __init__(self, steps: int) -> None:
        self.left = steps

    def spend(self, steps: int) -> None:
        """Before they are taken."""
        self.left -= steps
        if self.left < 0:
            raise OverBudget


class _Boundless(Budget):
    def __init__(self) -> None:
        super().__init__(0)

    def spend(self, steps: int) -> None:
        pass


BOUNDLESS: Budget = _Boundless()
"""For who compares a few."""
