"""One suite a port: classes of behaviour that every adapter must subclass."""
