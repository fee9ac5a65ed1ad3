"""What PhotoVault knows: pure, deterministic Python that imports nothing but the standard library, msgspec and itself."""
