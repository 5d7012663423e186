"""The runbooks as people and machines read them: one page for each finding, reason and alert."""
