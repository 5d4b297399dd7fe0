"""What the results of a search mean, for the search and for its tables. Neither torch nor Ray."""
