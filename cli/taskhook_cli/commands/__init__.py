"""One room for each group of commands."""
