"""`make load`: the service under an open-loop load from another process, judged by exact figures."""
