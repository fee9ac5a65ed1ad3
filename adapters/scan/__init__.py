"""Malware scanners on this machine, or beside it."""
