"""From a plan to results: Ray Tune runs the trials, Optuna proposes them, ASHA stops them."""
