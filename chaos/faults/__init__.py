"""What can go wrong, each kind with how often it does and for how long."""
