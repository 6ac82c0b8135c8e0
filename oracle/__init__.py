"""The vendors' own SDKs, in an environment of their own, as judges."""
