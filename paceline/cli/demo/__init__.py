"""A scripted trading day on the embedded stack, judged by the simulator's books."""
