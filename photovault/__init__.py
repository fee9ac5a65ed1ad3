"""The command line, the configuration, the composition root, and the local runtime that plays Lambda's part."""
