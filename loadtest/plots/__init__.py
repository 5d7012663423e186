"""Pictures and tables of the pages, from what was measured: `make plots`."""
