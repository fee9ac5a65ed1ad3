"""What PhotoVault knows: pure, deterministic Python on the standard library and msgspec."""
