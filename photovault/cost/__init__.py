"""What a vault on AWS costs: measured use, a dated price table, and the bill that follows; pure but for its inputs."""
