"""Plans what leaders' events mean for their followers, commits it, and hands it to the executors."""
