"""Benchmarks: `python -m benchmarks [--quick] [NAME ...]` measures PhotoVault beside its peers and prints ratios."""
