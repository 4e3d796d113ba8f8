"""What to ask: manifests and evaluations as small state machines, their specs and dataset readers."""
