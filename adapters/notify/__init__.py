"""Ways out for messages that need no service: a folder, and a mail server."""
