"""Findings: what is wrong, since when, with which proof, and what fixes it."""
