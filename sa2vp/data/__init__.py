"""The images of tasks: ``readers`` lists them by format, ``images`` decodes and batches them."""
