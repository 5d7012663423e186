"""Findings: what needs a person, one check per file."""
