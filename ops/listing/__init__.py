"""Lists of what there is: leads by filter, groups with their members. Reads only."""
