"""A vault on AWS: the composition root of its functions, and what they do beside the steps. Imports no decoder."""
