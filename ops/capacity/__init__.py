"""How many routers and connections a number of leads a day needs, from what was measured."""
