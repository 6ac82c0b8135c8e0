-- How subscriptions begin and end. What was set before this says nothing of it, and means: nothing is taken over,
-- copies are left. `opened`, `ending` and `successor` lie among the settings.

ALTER TABLE subscriptions ADD COLUMN waits_for text NOT NULL DEFAULT '';
COMMENT ON COLUMN subscriptions.waits_for IS
    'Why one that is ending has not ended yet; no setting, so it counts no version.';
CREATE INDEX decisions_by_ending ON decisions (subscription_id, event_identity text_pattern_ops)
    WHERE event_identity LIKE 'ending:%';
