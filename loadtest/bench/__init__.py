"""`make bench`: the drain beside its limit and its peers, in one run."""
