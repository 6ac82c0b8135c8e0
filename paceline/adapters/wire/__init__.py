"""Between the messages of `paceline.api.v1` and the domain: strict on the way in, fast both ways.

`x_to_wire(x)` makes a message and `x_from_wire(message)` reads one; what breaks a rule raises `Invalid` with
the path of the field. Writers of messages that come in batches take the message to fill as `into`.
"""
