"""The ports on one machine: SQLite and the file system, durable, in one process, without a server."""
