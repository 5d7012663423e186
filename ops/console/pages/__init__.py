"""The pages, one file per subject; `ops/console/routes.py` lists them."""
