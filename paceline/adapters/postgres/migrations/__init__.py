"""The schema, step by step; each step is a script forward and a script back."""
