"""Upkeep: cleanup, scrub, backup with its drill, and the doctor. All but the backup's place is the same on one machine
and on AWS; each module takes a vault with the same parts under the same names."""
