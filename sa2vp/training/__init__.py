"""One training run: objective, schedule, optimiser, epoch loop, checkpoint. No Ray."""
