"""Cleanup: removes what is past its retention beside the drain, which always comes first."""
