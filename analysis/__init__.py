"""Read the results of searches and turn them into tables; needs neither training code nor Ray."""
