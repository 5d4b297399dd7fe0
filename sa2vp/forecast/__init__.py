"""What trials will reach, foretold from their first epochs: one model that a search decides by.

``cube`` says where configurations lie, ``curves`` says what is known of trials, ``process`` is
the Gaussian process over both, ``decisions`` what is tried, stopped and gone on with, ``sampler``
the same for any study of Optuna. Nothing here knows Ray or PyTorch.
"""
