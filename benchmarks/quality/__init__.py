"""What the recognisers find and miss, measured on real pictures; not part of the test suite."""
