"""Where the suite's published evaluations are from."""

REPOSITORY = "EleutherAI/pythia"
COMMIT = "a19eecb807ec2c79a39ebf18108816e6ffffc1d5"
LICENCE = "Apache-2.0"
