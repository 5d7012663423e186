"""Runbooks: their form, and that what they tell people to type cures what they are about."""
