"""`lead-router why`: the explanation and the timeline of one lead, from flight records."""
