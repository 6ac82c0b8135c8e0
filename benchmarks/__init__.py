"""What the parts cost on this machine, each beside its lower bound in one run."""
