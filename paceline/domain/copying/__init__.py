"""From a leader event to what each follower shall do."""
