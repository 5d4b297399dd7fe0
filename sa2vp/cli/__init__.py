"""The commands: what is typed is parsed and checked, a function called, an exit code given."""
