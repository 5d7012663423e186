"""Foreign maintenance: waiting for a turn, running a command within it, and showing who has one."""
