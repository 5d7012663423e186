"""Running recorded batches again, as they were or with other rules, reps and caps; nothing is written."""
