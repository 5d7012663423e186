"""Faults done on purpose to real processes, servers and wires, and the checks that nothing was lost by them."""
