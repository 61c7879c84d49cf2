"""The mixture density over rows: the log posterior, and passes over rows and draws."""
