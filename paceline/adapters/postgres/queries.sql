-- Every query Paceline sends to PostgreSQL. A block is its name, a description, and one statement; arrays come
-- in by `unnest`, so that a batch is one round trip.

-- name: fence
-- The epochs of leases, kept from changing until this transaction ends; renewals pass beside it.
SELECT partition, epoch FROM leases
WHERE service = $1 AND partition = ANY($2::smallint[])
ORDER BY partition FOR KEY SHARE

-- name: journal_lock
-- As `fence` for the feed, and takes the heads of its partitions, so that commit order is offset order.
SELECT l.partition, l.epoch, h.pinned FROM leases l JOIN partition_heads h USING (partition)
WHERE l.service = 'feed' AND l.partition = ANY($1::smallint[])
ORDER BY l.partition FOR KEY SHARE OF l FOR UPDATE OF h

-- name: journal_pins
-- The epochs of accounts that were ever pinned; they cannot change while the heads of their partitions are locked.
SELECT account_id, epoch FROM session_pins WHERE partition = ANY($1::smallint[])

-- name: journal_notify
-- Tells the owners of partitions that another wrote into them, once this transaction is committed.
SELECT pg_notify('paceline_journal', partition::text) FROM unnest($1::smallint[]) AS p(partition)

-- name: journal_append
-- Numbers the facts that are not known yet; needs the lock above, and no identity twice in one call.
WITH given AS (
    SELECT * FROM unnest($1::smallint[], $2::text[], $3::text[], $4::text[], $5::text[], $6::integer[],
        $7::bigint[], $8::bigint[], $9::boolean[], $10::jsonb[], $11::bytea[], $12::text[])
    WITH ORDINALITY AS g(partition, account_id, identity, kind, order_id, revision,
        broker_time_ns, seen_ns, recovered, body, raw, traceparent, n)
), moment AS MATERIALIZED (
    SELECT (at AT TIME ZONE 'UTC')::date AS today, (extract(epoch FROM at) * 1000000000)::bigint AS ns
    FROM clock_timestamp() AS at
), fresh AS (
    INSERT INTO event_identities (identity, journaled_on)
    SELECT identity, today FROM given, moment ORDER BY n
    ON CONFLICT DO NOTHING RETURNING identity
), numbered AS (
    SELECT g.*,
        h.last_offset + row_number() OVER (PARTITION BY g.partition ORDER BY n) AS event_offset,
        coalesce(a.last_sequence, 0) + row_number() OVER (PARTITION BY g.account_id ORDER BY n) AS sequence
    FROM given g JOIN fresh USING (identity) JOIN partition_heads h USING (partition)
    LEFT JOIN account_heads a USING (account_id)
), moved AS (
    UPDATE partition_heads h SET last_offset = top.event_offset
    FROM (SELECT partition, max(event_offset) AS event_offset FROM numbered GROUP BY partition) top
    WHERE h.partition = top.partition
), counted AS (
    INSERT INTO account_heads (account_id, last_sequence)
    SELECT account_id, max(sequence) FROM numbered GROUP BY account_id
    ON CONFLICT (account_id) DO UPDATE SET last_sequence = excluded.last_sequence
)
INSERT INTO events (partition, event_offset, journaled_on, account_id, sequence, identity, kind, order_id,
    revision, broker_time_ns, seen_ns, journaled_ns, recovered, body, raw, traceparent)
SELECT partition, event_offset, today, account_id, sequence, identity, kind, order_id,
    revision, broker_time_ns, seen_ns, ns, recovered, body, raw, traceparent
FROM numbered, moment ORDER BY partition, event_offset
RETURNING identity, event_offset, sequence, journaled_ns

-- name: journal_read
-- A stretch of one partition, in order.
SELECT partition, event_offset, sequence, journaled_ns, traceparent, identity, account_id, kind, body,
    broker_time_ns, seen_ns, recovered, raw, revision
FROM events WHERE partition = $1 AND event_offset > $2
ORDER BY event_offset LIMIT $3

-- name: journal_heads
-- The newest offset of each partition.
SELECT partition, last_offset FROM partition_heads WHERE partition = ANY($1::smallint[])

-- name: journal_sequences
-- The last sequence of accounts that ever had an event.
SELECT account_id, last_sequence FROM account_heads WHERE account_id = ANY($1::text[])

-- name: journal_restore
-- Every fill, and the newest report of everything else, since a moment.
SELECT identity, account_id, kind, body, broker_time_ns, seen_ns, recovered, raw, revision
FROM (
    SELECT *, row_number() OVER (PARTITION BY account_id, kind, order_id ORDER BY event_offset DESC) AS age
    FROM events
    WHERE account_id = ANY($1::text[]) AND journaled_ns >= $2
      AND journaled_on >= (to_timestamp($2 / 1000000000) AT TIME ZONE 'UTC')::date
) recent
WHERE kind = 'FILL' OR age = 1
ORDER BY account_id, event_offset

-- name: journal_lay_weeks
-- Makes the missing weekly partitions from a day on.
SELECT paceline_lay_event_weeks($1, $2)

-- name: journal_floor
-- The last offset of a partition that is no longer kept.
SELECT gone_offset FROM journal_floors WHERE partition = $1

-- name: journal_floors
-- The same of many; nothing of what never lost anything.
SELECT partition, gone_offset FROM journal_floors WHERE partition = ANY($1::smallint[])

-- name: retention_lock
-- One replica clears the journal at a time; kept until the transaction ends.
SELECT pg_try_advisory_xact_lock(x'6a726e6c'::int)

-- name: retention_weeks
-- The Mondays of weeks that have a table of their own or rows in the default one.
SELECT to_date(right(c.relname, 8), 'YYYYMMDD') AS week
FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
WHERE i.inhparent = 'events'::regclass AND c.relname ~ '^events_[0-9]{8}$'
UNION
SELECT date_trunc('week', journaled_on)::date FROM events_default
ORDER BY week

-- name: retention_stretches
-- What one week holds of each partition.
SELECT partition, min(event_offset) AS first, max(event_offset) AS last, count(*) AS count FROM events
WHERE journaled_on >= $1::date AND journaled_on < $1::date + 7
GROUP BY partition ORDER BY partition

-- name: retention_places
-- How far everyone is who ever kept a place in the journal.
SELECT consumer, partition, event_offset FROM consumer_offsets

-- name: retention_living
-- What still stands on events of one week: one name of each kind.
WITH mine AS (
    SELECT identity FROM event_identities WHERE journaled_on >= $1::date AND journaled_on < $1::date + 7
)
(SELECT 'plan' AS what, p.event_identity AS name FROM plans p JOIN mine ON mine.identity = p.event_identity
 WHERE NOT p.complete LIMIT 1)
UNION ALL
(SELECT 'copy order', c.copy_order_id FROM copy_orders c JOIN mine ON mine.identity = c.cause_identity
 WHERE c.status IN ('PLANNED', 'UNKNOWN', 'WORKING', 'PARTIAL') LIMIT 1)
UNION ALL
(SELECT 'open copy', t.trade_id FROM trades t JOIN mine ON mine.identity = t.trade_id
 WHERE t.status = 'open' AND t.subscription_id IS NOT NULL LIMIT 1)
UNION ALL
(SELECT 'standing order', e.order_id FROM events e
 WHERE e.journaled_on >= $1::date AND e.journaled_on < $1::date + 7 AND e.kind = 'ORDER'
   AND e.body ->> 'validity' IN ('GTC', 'GTD') AND e.body ->> 'status' IN ('PENDING', 'IN_TRANSIT')
   AND NOT EXISTS (SELECT FROM events n WHERE n.account_id = e.account_id AND n.kind = 'ORDER'
                   AND n.order_id = e.order_id AND n.event_offset > e.event_offset)
 LIMIT 1)

-- name: retention_lines
-- Events of one week and partition as JSON, in order of offset, behind a mark. `jsonb_populate_record` of table
-- `events` reads such a line back.
SELECT e.event_offset, row_to_json(e)::text AS line FROM events e
WHERE e.partition = $2 AND e.event_offset > $3 AND e.journaled_on >= $1::date AND e.journaled_on < $1::date + 7
ORDER BY e.event_offset LIMIT $4

-- name: retention_patience
-- Whoever appends queues behind us while we wait for the table: better to try again another time. A vacuum that
-- is at it gives way after `deadlock_timeout`, one second.
SET LOCAL lock_timeout = '2s'

-- name: retention_drop_week
-- One week goes, and readers behind it will be told so.
SELECT paceline_drop_event_week($1)

-- name: retention_week_gone
-- What went, and where it is kept.
INSERT INTO journal_weeks_gone AS g (week, events, stretches, archive, sha256) VALUES ($1, $2, $3::text::jsonb, $4, $5)
ON CONFLICT (week) DO UPDATE SET events = g.events + excluded.events, stretches = g.stretches || excluded.stretches,
    archive = excluded.archive, sha256 = excluded.sha256, gone_at = now()

-- name: retention_forget_names
-- Facts that no broker tells again.
WITH gone AS (DELETE FROM event_identities WHERE journaled_on < $1 RETURNING 1) SELECT count(*) FROM gone

-- name: retention_forget_dead_letters
-- Frames that nobody asked for in so many days.
WITH gone AS (
    DELETE FROM dead_letters WHERE recorded_at < now() - make_interval(days => $1) RETURNING 1
)
SELECT count(*) FROM gone

-- name: dead_letter_insert
-- Frames nobody could use.
INSERT INTO dead_letters (broker, account_id, source, reason, detail, raw, received_ns)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::bytea[], $7::bigint[])

-- name: dead_letter_page
-- The newest first, of one account or of all.
SELECT broker, account_id, source, reason, detail, raw, received_ns FROM dead_letters
WHERE $1::text IS NULL OR account_id = $1
ORDER BY dead_letter_id DESC LIMIT $2

-- name: offset_load
-- How far a consumer is.
SELECT partition, event_offset FROM consumer_offsets WHERE consumer = $1 AND partition = ANY($2::smallint[])

-- name: offset_move
-- Forward only.
INSERT INTO consumer_offsets AS mine (consumer, partition, event_offset)
SELECT $1, * FROM unnest($2::smallint[], $3::bigint[])
ON CONFLICT (consumer, partition) DO UPDATE
SET event_offset = excluded.event_offset, updated_at = now()
WHERE mine.event_offset < excluded.event_offset

-- name: leases_prepare
-- Lays the rows of every partition of a service where they are missing.
INSERT INTO leases (service, partition, ttl_ms)
SELECT $1, generate_series(0, $2::int - 1)::smallint, $3
ON CONFLICT DO NOTHING;

-- name: leases_rows
-- Every partition of a service with who holds it.
SELECT partition, epoch, owner, address, version FROM leases WHERE service = $1 ORDER BY partition;

-- name: leases_acquire
-- Takes each row whose version is still the one seen; locks in one order, so that claimants never dead-lock.
WITH claims AS (
    SELECT l.partition FROM leases l
    JOIN unnest($4::smallint[], $5::bigint[]) AS c (partition, version)
        ON l.partition = c.partition AND l.version = c.version
    WHERE l.service = $1
    ORDER BY l.partition
    FOR UPDATE OF l
)
UPDATE leases l
SET epoch = l.epoch + 1, owner = $2, address = $3, version = l.version + 1, ttl_ms = $6,
    acquired_at = clock_timestamp(), renewed_at = clock_timestamp()
FROM claims c
WHERE l.service = $1 AND l.partition = c.partition
RETURNING l.partition, l.epoch, (extract(epoch FROM l.acquired_at) * 1000000000)::bigint AS acquired_ns;

-- name: leases_renew
-- Moves the version of the rows that are still the owner's under the epochs he knows.
WITH mine AS (
    SELECT l.partition FROM leases l
    JOIN unnest($3::smallint[], $4::bigint[]) AS h (partition, epoch)
        ON l.partition = h.partition AND l.epoch = h.epoch
    WHERE l.service = $1 AND l.owner = $2
    ORDER BY l.partition
    FOR NO KEY UPDATE OF l
)
UPDATE leases l SET version = l.version + 1, renewed_at = clock_timestamp()
FROM mine m
WHERE l.service = $1 AND l.partition = m.partition
RETURNING l.partition;

-- name: leases_release
-- Frees rows at once; the next owner need not wait for them to run out.
WITH mine AS (
    SELECT l.partition FROM leases l
    JOIN unnest($3::smallint[], $4::bigint[]) AS h (partition, epoch)
        ON l.partition = h.partition AND l.epoch = h.epoch
    WHERE l.service = $1 AND l.owner = $2
    ORDER BY l.partition
    FOR NO KEY UPDATE OF l
)
UPDATE leases l SET owner = NULL, address = '', version = l.version + 1
FROM mine m
WHERE l.service = $1 AND l.partition = m.partition;

-- name: replicas_announce
-- Beats once and tells of everyone who ever beat and did not withdraw.
WITH beat AS (
    INSERT INTO replicas (service, owner, address, version) VALUES ($1, $2, $3, 1)
    ON CONFLICT (service, owner)
    DO UPDATE SET address = excluded.address, version = replicas.version + 1, seen_at = now()
    RETURNING owner, address, version
)
SELECT owner, address, version FROM beat
UNION ALL
SELECT owner, address, version FROM replicas WHERE service = $1 AND owner <> $2;

-- name: replicas_withdraw
-- Leaves the list of replicas.
DELETE FROM replicas WHERE service = $1 AND owner = $2;

-- name: replicas_forget
-- Strikes off a replica whose beat stopped at this version.
DELETE FROM replicas WHERE service = $1 AND owner = $2 AND version = $3;

-- name: pins_prepare
-- Lays the rows of accounts where they are missing, and marks the heads of their partitions.
WITH laid AS (
    INSERT INTO session_pins (account_id, partition, ttl_ms)
    SELECT account_id, partition, $3 FROM unnest($1::text[], $2::smallint[]) AS g(account_id, partition)
    ON CONFLICT DO NOTHING
)
UPDATE partition_heads SET pinned = true WHERE partition = ANY($2::smallint[]) AND NOT pinned

-- name: pins_rows
-- Every account that was ever pinned, with who holds it.
SELECT account_id, epoch, owner, address, version, ttl_ms FROM session_pins ORDER BY account_id

-- name: pins_heads
-- Keeps everyone from journaling into the partitions of accounts until this transaction ends.
SELECT h.partition FROM partition_heads h
WHERE h.partition IN (SELECT partition FROM session_pins WHERE account_id = ANY($1::text[]))
ORDER BY h.partition FOR UPDATE OF h

-- name: pins_acquire
-- Takes each row whose version is still the one seen; the heads are locked.
UPDATE session_pins p
SET epoch = p.epoch + 1, owner = $1, address = $2, version = p.version + 1, ttl_ms = $3,
    acquired_at = clock_timestamp(), renewed_at = clock_timestamp()
FROM unnest($4::text[], $5::bigint[]) AS c(account_id, version)
WHERE p.account_id = c.account_id AND p.version = c.version
RETURNING p.account_id, p.epoch

-- name: pins_renew
-- Moves the version of the rows that are still the owner's under the epochs he knows.
UPDATE session_pins p SET version = p.version + 1, renewed_at = clock_timestamp()
FROM unnest($2::text[], $3::bigint[]) AS h(account_id, epoch)
WHERE p.account_id = h.account_id AND p.epoch = h.epoch AND p.owner = $1
RETURNING p.account_id

-- name: pins_release
-- Gives rows back to the owners of their partitions; the heads are locked.
UPDATE session_pins p SET epoch = p.epoch + 1, owner = NULL, address = '', version = p.version + 1
FROM unnest($2::text[], $3::bigint[]) AS h(account_id, epoch)
WHERE p.account_id = h.account_id AND p.epoch = h.epoch AND p.owner = $1

-- name: pins_vacate
-- Takes rows from holders who are silent, while their versions are still the ones seen; the heads are locked.
UPDATE session_pins p SET epoch = p.epoch + 1, owner = NULL, address = '', version = p.version + 1
FROM unnest($1::text[], $2::bigint[]) AS c(account_id, version)
WHERE p.account_id = c.account_id AND p.version = c.version AND p.owner IS NOT NULL

-- name: plan_close
-- An event is done with, by who holds its partition: what it led to is counted, the positions it and what came
-- before it left are stored, the offset moves. Answers whether he holds it.
WITH held AS MATERIALIZED (
    SELECT 1 FROM leases WHERE service = 'replicator' AND partition = $2 AND epoch = $3 FOR KEY SHARE
), closed AS (
    INSERT INTO plans AS p (event_identity, partition, event_offset, leader, planned, skipped, complete,
        started_at, completed_at)
    SELECT $1, $2, $4, $5, count(*) FILTER (WHERE outcome = 'PLANNED'), count(*) FILTER (WHERE outcome = 'SKIPPED'),
        true, coalesce(min(decided_at), now()), now()
    FROM held LEFT JOIN decisions ON event_identity = $1
    HAVING count(held.*) > 0
    ON CONFLICT (event_identity) DO UPDATE SET planned = excluded.planned, skipped = excluded.skipped,
        complete = true, completed_at = coalesce(p.completed_at, excluded.completed_at)
), stored AS (
    INSERT INTO leader_states AS s (account_id, instrument_id, product, own, copied)
    SELECT m.* FROM held, unnest($6::text[], $7::text[], $8::text[], $9::numeric[], $10::numeric[]) AS m
    ON CONFLICT (account_id, instrument_id, product) DO UPDATE
    SET own = excluded.own, copied = excluded.copied, version = s.version + 1
), moved AS (
    INSERT INTO consumer_offsets AS mine (consumer, partition, event_offset)
    SELECT 'replicator', $2, $4 FROM held
    ON CONFLICT (consumer, partition) DO UPDATE
    SET event_offset = excluded.event_offset, updated_at = now()
    WHERE mine.event_offset < excluded.event_offset
)
SELECT EXISTS (SELECT FROM held)

-- name: decision_insert
-- Those whose event and subscription were not decided before; the first that sizes a leader's order is the one
-- whose ratio stays.
WITH fresh AS (
    INSERT INTO decisions (decision_id, event_identity, subscription_id, follower, instrument_id, product, side,
        intent, outcome, quantity, reason, detail, sizing_mode, sizing_value, ratio, unrounded, leader_equity,
        leader_equity_age_ms, follower_equity, follower_equity_age_ms, ordered, granted, rounded_up, limited_by)
    SELECT * FROM unnest($1::text::text[], $2::text::text[], $3::text::text[], $4::text::text[],
        $5::text::text[], $6::text::text[], $7::text::smallint[], $8::text::text[], $9::text::text[],
        $10::text::numeric[], $11::text::text[], $12::text::text[], $13::text::text[], $14::text::numeric[],
        $15::text::numeric[], $16::text::numeric[], $17::text::numeric[], $18::text::bigint[],
        $19::text::numeric[], $20::text::bigint[], $21::text::numeric[], $22::text::numeric[],
        $23::text::boolean[], $24::text::text[])
    ON CONFLICT (event_identity, subscription_id) DO NOTHING
    RETURNING subscription_id, decision_id, sizing_mode
), frozen AS (
    INSERT INTO leader_order_sizings (account_id, order_id, subscription_id, decision_id)
    SELECT $25::text, $26::text, subscription_id, decision_id FROM fresh
    WHERE sizing_mode IS NOT NULL AND $26::text IS NOT NULL
    ON CONFLICT DO NOTHING
)
SELECT subscription_id FROM fresh

-- name: chunk_lock
-- Ledgers as they stand for who holds the partition, neither to be moved before this transaction ends; one row
-- without a ledger when there are none, no row at all when somebody else holds it.
WITH held AS MATERIALIZED (
    SELECT 1 FROM leases WHERE service = 'replicator' AND partition = $1 AND epoch = $2 FOR KEY SHARE
), standing AS MATERIALIZED (
    SELECT l.* FROM ledgers l
    JOIN unnest($3::text[], $4::text[], $5::text[]) AS k(subscription_id, instrument_id, product)
        USING (subscription_id, instrument_id, product)
    ORDER BY l.subscription_id, l.instrument_id, l.product FOR UPDATE OF l
)
SELECT standing.* FROM held LEFT JOIN standing ON true

-- name: decision_standing
-- What some subscriptions decided on an event; of all subscriptions when none is named.
SELECT decision_id, subscription_id, follower, instrument_id, product, side, intent, outcome, quantity,
    reason, detail, sizing_mode, sizing_value, ratio, unrounded, leader_equity, leader_equity_age_ms,
    follower_equity, follower_equity_age_ms, ordered, granted, rounded_up, limited_by
FROM decisions
WHERE event_identity = $1 AND ($2::text[] IS NULL OR subscription_id = ANY($2::text[]))
ORDER BY subscription_id

-- name: sizing_frozen
-- The ratios that some subscriptions have frozen for orders of a leader.
SELECT f.subscription_id, f.order_id, d.sizing_mode, d.sizing_value, d.ratio, d.unrounded, d.leader_equity,
    d.leader_equity_age_ms, d.follower_equity, d.follower_equity_age_ms, d.ordered, d.granted, d.rounded_up,
    d.limited_by
FROM leader_order_sizings f JOIN decisions d USING (decision_id)
WHERE f.account_id = $1 AND f.order_id = ANY($2::text[]) AND f.subscription_id = ANY($3::text[])

-- name: leader_states_save
-- Many positions of many accounts.
INSERT INTO leader_states AS s (account_id, instrument_id, product, own, copied)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::numeric[], $5::numeric[])
ON CONFLICT (account_id, instrument_id, product) DO UPDATE
SET own = excluded.own, copied = excluded.copied, version = s.version + 1

-- name: leader_state_load
-- All positions of leaders that are not flat.
SELECT account_id, instrument_id, product, own, copied FROM leader_states
WHERE account_id = ANY($1::text[]) AND (own <> 0 OR copied <> 0)
ORDER BY account_id

-- name: ledger_apply
-- Appends lines that are not known yet and moves the fold by them; rows are taken in one order, by everyone.
WITH lines AS (
    INSERT INTO ledger_entries (subscription_id, instrument_id, product, cause, kind, intent, quantity, reason)
    SELECT * FROM unnest($1::text::text[], $2::text::text[], $3::text::text[], $4::text::text[],
        $5::text::text[], $6::text::text[], $7::text::numeric[], $8::text::text[])
    ON CONFLICT DO NOTHING
    RETURNING subscription_id, instrument_id, product, kind, kind || '/' || intent AS of, quantity
), sums AS (
    SELECT subscription_id, instrument_id, product,
        coalesce(sum(quantity) FILTER (WHERE kind IN ('IDEAL', 'FORGONE')), 0) AS ideal,
        coalesce(sum(quantity) FILTER (WHERE of = 'PLANNED/ENTRY'), 0) AS entry_planned,
        coalesce(sum(quantity) FILTER (WHERE of = 'RELEASED/ENTRY'), 0) AS entry_released,
        coalesce(sum(quantity) FILTER (WHERE of = 'FILLED/ENTRY'), 0) AS entry_filled,
        coalesce(sum(quantity) FILTER (WHERE of = 'PLANNED/EXIT'), 0) AS exit_planned,
        coalesce(sum(quantity) FILTER (WHERE of = 'RELEASED/EXIT'), 0) AS exit_released,
        coalesce(sum(quantity) FILTER (WHERE of = 'FILLED/EXIT'), 0) AS exit_filled,
        coalesce(sum(quantity) FILTER (WHERE kind = 'ADJUSTED'), 0) AS adjusted,
        coalesce(sum(quantity) FILTER (WHERE kind = 'BUY_PLEDGED'), 0) AS buy_pledged,
        coalesce(sum(quantity) FILTER (WHERE kind = 'SELL_PLEDGED'), 0) AS sell_pledged
    FROM lines GROUP BY subscription_id, instrument_id, product
)
INSERT INTO ledgers AS l (subscription_id, instrument_id, product, ideal, entry_planned, entry_released,
    entry_filled, exit_planned, exit_released, exit_filled, adjusted, buy_pledged, sell_pledged)
SELECT subscription_id, instrument_id, product, ideal, entry_planned, entry_released,
    entry_filled, exit_planned, exit_released, exit_filled, adjusted, buy_pledged, sell_pledged
FROM sums ORDER BY subscription_id, instrument_id, product
ON CONFLICT (subscription_id, instrument_id, product) DO UPDATE SET
    ideal = l.ideal + excluded.ideal,
    entry_planned = l.entry_planned + excluded.entry_planned,
    entry_released = l.entry_released + excluded.entry_released,
    entry_filled = l.entry_filled + excluded.entry_filled,
    exit_planned = l.exit_planned + excluded.exit_planned,
    exit_released = l.exit_released + excluded.exit_released,
    exit_filled = l.exit_filled + excluded.exit_filled,
    adjusted = l.adjusted + excluded.adjusted,
    buy_pledged = l.buy_pledged + excluded.buy_pledged,
    sell_pledged = l.sell_pledged + excluded.sell_pledged,
    version = l.version + 1
RETURNING subscription_id, instrument_id, product, ideal, entry_planned, entry_released, entry_filled,
    exit_planned, exit_released, exit_filled, adjusted, buy_pledged, sell_pledged

-- name: ledger_lock
-- Ledgers as they stand, kept from moving until this transaction ends.
SELECT subscription_id, instrument_id, product, ideal, entry_planned, entry_released, entry_filled,
    exit_planned, exit_released, exit_filled, adjusted, buy_pledged, sell_pledged
FROM ledgers JOIN unnest($1::text[], $2::text[], $3::text[]) AS k(subscription_id, instrument_id, product)
    USING (subscription_id, instrument_id, product)
ORDER BY subscription_id, instrument_id, product FOR UPDATE OF ledgers

-- name: ledger_load
-- Ledgers of subscriptions, in one key or in all.
SELECT subscription_id, instrument_id, product, ideal, entry_planned, entry_released, entry_filled,
    exit_planned, exit_released, exit_filled, adjusted, buy_pledged, sell_pledged
FROM ledgers
WHERE subscription_id = ANY($1::text[])
  AND ($2::text IS NULL OR (instrument_id = $2 AND product = $3))

-- name: ledger_position
-- What one ledger holds.
SELECT entry_filled + exit_filled + adjusted FROM ledgers
WHERE subscription_id = $1 AND instrument_id = $2 AND product = $3

-- name: ordered_insert
-- A person's word on a ledger.
INSERT INTO ledger_adjustments (adjustment_id, partition, subscription_id, instrument_id, product, kind, held,
    position, reason)
VALUES ($1, $2, $3, $4, $5, 'MANUAL', $6, $7, $8)
RETURNING *

-- name: ordered_page
-- Ordered adjustments, newest first, filtered.
SELECT * FROM ledger_adjustments
WHERE ($1::timestamptz IS NULL OR (created_at, adjustment_id) < ($1, $2))
  AND ($3::text IS NULL OR subscription_id = $3) AND ($4::text IS NULL OR state = $4)
  AND ($5::text IS NULL OR kind = $5)
ORDER BY created_at DESC, adjustment_id DESC LIMIT $6

-- name: ordered_waiting
-- Ordered adjustments that are not carried out, of leaders in some partitions.
SELECT * FROM ledger_adjustments WHERE state = 'WAITING' AND partition = ANY($1::smallint[])
ORDER BY created_at, adjustment_id LIMIT 5000

-- name: ordered_wait
-- What an adjustment waits for.
UPDATE ledger_adjustments SET detail = $2 WHERE adjustment_id = $1 AND state = 'WAITING' AND detail <> $2

-- name: ordered_finish
-- An adjustment is carried out or refused, once.
UPDATE ledger_adjustments SET state = $2, detail = $3, finished_at = now()
WHERE adjustment_id = $1 AND state = 'WAITING' RETURNING adjustment_id

-- name: action_insert
-- A corporate action, unless the instrument has another on that day.
INSERT INTO corporate_actions (action_id, instrument_id, kind, ex_date, ratio_new, ratio_old, new_instrument_id, reason)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
ON CONFLICT (instrument_id, ex_date) DO NOTHING
RETURNING *, false AS begun

-- name: action_lock
-- A corporate action, kept from beginning until the transaction ends.
SELECT a.*, EXISTS (SELECT FROM corporate_action_marks m WHERE m.action_id = a.action_id) AS begun
FROM corporate_actions a WHERE action_id = $1 FOR UPDATE

-- name: action_delete
-- A corporate action is taken back.
DELETE FROM corporate_actions WHERE action_id = $1

-- name: action_page
-- Corporate actions, the latest ex-date first, filtered.
SELECT a.*, EXISTS (SELECT FROM corporate_action_marks m WHERE m.action_id = a.action_id) AS begun
FROM corporate_actions a
WHERE ($1::date IS NULL OR (ex_date, action_id) < ($1, $2)) AND ($3::text IS NULL OR instrument_id = $3)
ORDER BY ex_date DESC, action_id DESC LIMIT $4

-- name: action_due
-- Corporate actions of the last month whose day has come, with the partitions in which they were not carried out.
SELECT a.*, ARRAY(SELECT p FROM unnest($2::smallint[]) AS p WHERE NOT EXISTS (
    SELECT FROM corporate_action_marks m WHERE m.action_id = a.action_id AND m.partition = p) ORDER BY p) AS partitions
FROM corporate_actions a WHERE a.ex_date <= $1::date AND a.ex_date > $1::date - 31
ORDER BY a.ex_date, a.action_id

-- name: action_mark
-- A corporate action is carried out in partitions; not where it was before, and nowhere once it was taken back.
INSERT INTO corporate_action_marks (action_id, partition)
SELECT a.action_id, p FROM corporate_actions a CROSS JOIN unnest($2::smallint[]) AS p
WHERE a.action_id = $1 FOR SHARE OF a
ON CONFLICT DO NOTHING RETURNING partition

-- name: action_states_rescale
-- What leaders hold of an instrument, as many times as many, in whole shares.
UPDATE leader_states s SET own = trunc(s.own * $3::integer / $4::integer),
    copied = trunc(s.copied * $3::integer / $4::integer), version = s.version + 1
FROM accounts a
WHERE a.account_id = s.account_id AND a.partition = ANY($1::smallint[]) AND s.instrument_id = $2
  AND (s.own <> 0 OR s.copied <> 0)
RETURNING s.account_id

-- name: action_states_rename
-- What leaders hold of an instrument, under its new name.
WITH old AS (
    SELECT s.account_id, s.product, s.own, s.copied FROM leader_states s JOIN accounts a USING (account_id)
    WHERE a.partition = ANY($1::smallint[]) AND s.instrument_id = $2 AND (s.own <> 0 OR s.copied <> 0)
), emptied AS (
    UPDATE leader_states s SET own = 0, copied = 0, version = s.version + 1 FROM old
    WHERE s.account_id = old.account_id AND s.instrument_id = $2 AND s.product = old.product
)
INSERT INTO leader_states AS s (account_id, instrument_id, product, own, copied)
SELECT account_id, $3, product, own, copied FROM old
ON CONFLICT (account_id, instrument_id, product) DO UPDATE
SET own = s.own + excluded.own, copied = s.copied + excluded.copied, version = s.version + 1
RETURNING account_id

-- name: action_spread
-- One adjustment for every ledger that a corporate action concerns, of leaders in some partitions.
INSERT INTO ledger_adjustments (adjustment_id, partition, subscription_id, instrument_id, product, kind, held,
    position, ratio_new, ratio_old, new_instrument_id, reason, action_id)
SELECT c.action_id || '/' || l.subscription_id || '/' || l.product, s.leader_partition, l.subscription_id,
    l.instrument_id, l.product, 'CORPORATE_ACTION', h.held, trunc(h.held * c.ratio_new / c.ratio_old), c.ratio_new,
    c.ratio_old, c.new_instrument_id, c.reason, c.action_id
FROM corporate_actions c JOIN ledgers l USING (instrument_id) JOIN subscriptions s USING (subscription_id)
CROSS JOIN LATERAL (SELECT l.entry_filled + l.exit_filled + l.adjusted AS held) h
WHERE c.action_id = $2 AND s.leader_partition = ANY($1::smallint[]) AND s.state <> 'ENDED' AND (h.held <> 0 OR l.ideal <> 0)
ON CONFLICT DO NOTHING
RETURNING adjustment_id

-- name: ledger_others
-- What followers hold, and have on its way, by their other subscriptions in one key.
SELECT s.subscription_id, sum(l.entry_planned - l.entry_released + l.exit_planned - l.exit_released
    + l.adjusted) AS held
FROM subscriptions s
JOIN subscriptions o ON o.follower = s.follower AND o.subscription_id <> s.subscription_id
JOIN ledgers l ON l.subscription_id = o.subscription_id AND l.instrument_id = $2 AND l.product = $3
WHERE s.subscription_id = ANY($1::text[])
GROUP BY s.subscription_id

-- name: copy_order_insert
-- Rows that are instructions; a tag or cause that stands already is left as it is.
INSERT INTO copy_orders (copy_order_id, decision_id, cause_kind, cause_identity, subscription_id, account_id,
    partition, instrument_id, product, side, order_type, quantity, limit_price, trigger_price, validity,
    disclosed, offline, intent, lane, leg, slice, step, tag, leader_price, leader_time_ns, seen_ns,
    planned_ns, expires_ns, status, traceparent, leader_order_id, protected)
SELECT * FROM unnest($1::text::text[], $2::text::text[], $3::text::text[], $4::text::text[], $5::text::text[],
    $6::text::text[], $7::text::smallint[], $8::text::text[], $9::text::text[], $10::text::smallint[],
    $11::text::text[], $12::text::numeric[], $13::text::numeric[], $14::text::numeric[], $15::text::text[],
    $16::text::numeric[], $17::text::boolean[], $18::text::text[], $19::text::smallint[],
    $20::text::integer[], $21::text::integer[], $22::text::integer[], $23::text::text[], $24::text::numeric[],
    $25::text::bigint[], $26::text::bigint[], $27::text::bigint[], $28::text::bigint[], $29::text::text[],
    $30::text::text[], $31::text::text[], $32::text::boolean[])
ON CONFLICT DO NOTHING
RETURNING tag

-- name: copy_command_insert
-- Changes to rows, which are instructions too; one that stands already is left as it is.
INSERT INTO copy_commands (command_id, copy_order_id, tag, decision_id, cause_kind, cause_identity,
    subscription_id, account_id, partition, instrument_id, product, kind, spec, lane, leader_time_ns, seen_ns,
    planned_ns, status, traceparent)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[],
    $8::text[], $9::smallint[], $10::text[], $11::text[], $12::text[], $13::jsonb[], $14::smallint[],
    $15::bigint[], $16::bigint[], $17::bigint[], $18::text[], $19::text[])
ON CONFLICT DO NOTHING
RETURNING command_id, copy_order_id

-- name: copy_command_supersede
-- A later change says what an order shall look like; what was sent already is found out about all the same.
UPDATE copy_commands SET status = 'SUPERSEDED', version = version + 1, updated_at = now()
WHERE copy_order_id = ANY($1::text[]) AND status = 'PLANNED' AND NOT command_id = ANY($2::text[])

-- name: copy_command_open
-- Changes not carried out, of some partitions, in the order they were decided.
SELECT * FROM copy_commands
WHERE partition = ANY($1::smallint[]) AND status IN ('PLANNED', 'UNKNOWN')
ORDER BY number LIMIT $2

-- name: copy_command_by_ids
-- Changes by their own names.
SELECT * FROM copy_commands WHERE command_id = ANY($1::text[])

-- name: copy_command_by_decisions
-- Changes that decisions wanted, in the order they were written.
SELECT * FROM copy_commands WHERE decision_id = ANY($1::text[]) ORDER BY decision_id, number

-- name: copy_command_results
-- What became of changes; what is over stays as it is.
UPDATE copy_commands c SET status = r.status, attempts = greatest(c.attempts, r.attempts),
    taken = greatest(c.taken, r.taken), error_code = r.error_code, error_text = r.error_text,
    sent_ns = coalesce(r.sent_ns, c.sent_ns),
    version = c.version + 1, updated_at = now()
FROM unnest($1::text[], $2::smallint[], $3::text[], $4::integer[], $5::text[], $6::text[], $7::bigint[],
    $8::integer[]) AS r(command_id, partition, status, attempts, error_code, error_text, sent_ns, taken)
WHERE c.command_id = r.command_id AND c.partition = r.partition AND c.status IN ('PLANNED', 'UNKNOWN')
RETURNING c.command_id

-- name: copy_order_respec
-- What orders look like after changes to them were carried out.
UPDATE copy_orders c SET order_type = s.order_type, quantity = s.quantity, limit_price = s.limit_price,
    trigger_price = s.trigger_price, disclosed = s.disclosed, protected = s.protected,
    protected_ns = CASE WHEN s.protected AND (NOT c.protected OR c.order_type <> s.order_type)
        THEN (extract(epoch FROM clock_timestamp()) * 1000000000)::bigint ELSE c.protected_ns END,
    version = c.version + 1, updated_at = now()
FROM unnest($1::text[], $2::text[], $3::numeric[], $4::numeric[], $5::numeric[], $6::numeric[], $7::boolean[])
    AS s(tag, order_type, quantity, limit_price, trigger_price, disclosed, protected)
WHERE c.tag = s.tag

-- name: open_rows_of_keys
-- Rows of some subscriptions and keys that have not ended, each with the newest change on its way to it.
SELECT c.*, m.command_id, m.decision_id AS command_decision, m.cause_kind AS command_cause_kind,
    m.cause_identity AS command_cause, m.kind AS command_kind, m.spec AS command_spec,
    m.lane AS command_lane, m.leader_time_ns AS command_leader_time_ns, m.seen_ns AS command_seen_ns,
    m.planned_ns AS command_planned_ns, m.status AS command_status, m.traceparent AS command_traceparent
FROM copy_orders c
JOIN unnest($1::text[], $2::text[], $3::text[]) AS k (subscription_id, instrument_id, product)
    USING (subscription_id, instrument_id, product)
LEFT JOIN LATERAL (
    SELECT * FROM copy_commands WHERE copy_order_id = c.copy_order_id AND status IN ('PLANNED', 'UNKNOWN')
    ORDER BY number DESC LIMIT 1
) m ON true
WHERE c.status IN ('PLANNED', 'UNKNOWN', 'WORKING', 'PARTIAL')
ORDER BY c.written_ns, c.copy_order_id

-- name: leader_orders
-- The newest report of each order of one account in one key, of those journaled since a day.
SELECT DISTINCT ON (order_id) body FROM events
WHERE account_id = $1 AND kind = 'ORDER' AND journaled_on >= $2
  AND body #>> '{key,instrument_id}' = $3 AND body #>> '{key,product}' = $4
ORDER BY order_id, event_offset DESC

-- name: leader_orders_before
-- The newest report of each order of one account in one key before an offset, and how much trades told of it.
SELECT order_id, (array_agg(body ORDER BY event_offset DESC) FILTER (WHERE kind = 'ORDER'))[1] AS body,
    coalesce(sum((body ->> 'quantity')::numeric) FILTER (WHERE kind = 'FILL'), 0) AS traded
FROM events
WHERE account_id = $1 AND kind IN ('ORDER', 'FILL') AND journaled_on >= $2
  AND body #>> '{key,instrument_id}' = $3 AND body #>> '{key,product}' = $4 AND event_offset < $5
GROUP BY order_id

-- name: copy_order_open
-- Rows not ended, of some partitions, written within bounds, oldest first.
SELECT * FROM copy_orders
WHERE partition = ANY($1::smallint[]) AND status IN ('PLANNED', 'UNKNOWN', 'WORKING', 'PARTIAL')
  AND status = ANY($2::text[])
  AND ($3::bigint IS NULL OR written_ns < $3) AND ($4::bigint IS NULL OR written_ns >= $4)
ORDER BY written_ns, copy_order_id LIMIT $5

-- name: copy_order_by_tags
-- Rows by what the broker gives back.
SELECT * FROM copy_orders WHERE tag = ANY($1::text[])

-- name: copy_order_lock_by_tags
-- Rows by what the broker gives back, held until the transaction ends; taken in one order.
SELECT * FROM copy_orders WHERE tag = ANY($1::text[]) ORDER BY tag FOR UPDATE

-- name: copy_order_open_of_keys
-- Rows of some subscriptions and keys that have not ended.
SELECT c.* FROM copy_orders c
JOIN unnest($1::text[], $2::text[], $3::text[]) AS k (subscription_id, instrument_id, product)
    USING (subscription_id, instrument_id, product)
WHERE c.status IN ('PLANNED', 'UNKNOWN', 'WORKING', 'PARTIAL')

-- name: copy_order_by_ids
-- Rows by their own ids.
SELECT * FROM copy_orders WHERE copy_order_id = ANY($1::text[])

-- name: copy_order_by_decisions
-- All slices and steps of decisions, in their order; found by their cause, which needs no index of its own.
SELECT c.* FROM decisions d
JOIN copy_orders c ON c.cause_kind = 'EVENT' AND c.cause_identity = d.event_identity
    AND c.subscription_id = d.subscription_id
WHERE d.decision_id = ANY($1::text[])
ORDER BY d.decision_id, c.leg, c.slice, c.step

-- name: copy_order_page
-- The newest first, filtered.
SELECT * FROM copy_orders
WHERE ($1::text IS NULL OR account_id = $1) AND ($2::text IS NULL OR subscription_id = $2)
  AND ($3::text IS NULL OR status = $3)
  AND ($4::bigint IS NULL OR (planned_ns, copy_order_id) < ($4, $5))
ORDER BY planned_ns DESC, copy_order_id DESC LIMIT $6

-- name: copy_order_lock
-- Takes the rows a group is about to move, in one order.
SELECT tag FROM copy_orders WHERE tag = ANY($1::text[]) ORDER BY tag FOR UPDATE

-- name: copy_order_results
-- What executors found out. A status moves only where the table of transitions ($10) has the pair; what was
-- learned beside it is kept anyway.
UPDATE copy_orders c SET
    status = CASE WHEN legal THEN r.status ELSE c.status END,
    error_code = CASE WHEN legal THEN r.error_code ELSE c.error_code END,
    error_text = CASE WHEN legal THEN r.error_text ELSE c.error_text END,
    attempts = greatest(c.attempts, r.attempts),
    broker_order_id = coalesce(c.broker_order_id, r.broker_order_id),
    sent_ns = coalesce(r.sent_ns, c.sent_ns),
    accepted_ns = CASE c.accepted_ns WHEN 0 THEN coalesce(r.accepted_ns, 0) ELSE c.accepted_ns END,
    version = c.version + 1, updated_at = now()
FROM (
    SELECT r.*, (c.status || '>' || r.status) = ANY($10::text[]) AS legal
    FROM unnest($1::text[], $2::smallint[], $3::text[], $4::integer[], $5::text[], $6::text[], $7::text[],
        $8::bigint[], $9::bigint[]) AS r(tag, partition, status, attempts, broker_order_id, error_code,
        error_text, sent_ns, accepted_ns)
    JOIN copy_orders c USING (tag, partition)
) r
WHERE c.tag = r.tag
RETURNING c.tag, legal

-- name: copy_order_moves
-- What brokers say of copy orders, by the same rule; what is filled never goes back.
UPDATE copy_orders c SET
    status = CASE WHEN legal THEN m.status ELSE c.status END,
    error_code = CASE WHEN legal AND m.error_code <> '' THEN m.error_code ELSE c.error_code END,
    error_text = CASE WHEN legal AND m.error_text <> '' THEN m.error_text ELSE c.error_text END,
    broker_order_id = coalesce(c.broker_order_id, m.broker_order_id),
    average_price = CASE WHEN m.filled >= c.filled THEN coalesce(m.average_price, c.average_price)
        ELSE c.average_price END,
    slippage_bps = CASE WHEN m.filled >= c.filled THEN coalesce(m.slippage_bps, c.slippage_bps)
        ELSE c.slippage_bps END,
    slippage_money = CASE WHEN m.filled >= c.filled THEN coalesce(m.slippage_money, c.slippage_money)
        ELSE c.slippage_money END,
    filled = greatest(c.filled, coalesce(m.filled, c.filled)),
    accepted_ns = CASE c.accepted_ns WHEN 0 THEN coalesce(m.accepted_ns, 0) ELSE c.accepted_ns END,
    filled_ns = greatest(c.filled_ns, coalesce(m.filled_ns, 0)),
    version = c.version + 1, updated_at = now()
FROM (
    SELECT m.*, (c.status || '>' || m.status) = ANY($13::text[]) AS legal
    FROM unnest($1::text[], $2::smallint[], $3::text[], $4::text[], $5::numeric[], $6::numeric[],
        $7::bigint[], $8::bigint[], $9::numeric[], $10::numeric[], $11::text[], $12::text[])
        AS m(tag, partition, status, broker_order_id, filled, average_price, accepted_ns, filled_ns,
        slippage_bps, slippage_money, error_code, error_text)
    JOIN copy_orders c USING (tag, partition)
) m
WHERE c.tag = m.tag
RETURNING c.tag, legal

-- name: chase_stops
-- Instruments in which a protected stop of an exit rests.
SELECT DISTINCT instrument_id FROM copy_orders
WHERE partition = ANY($1::smallint[]) AND status IN ('WORKING', 'PARTIAL') AND protected
  AND order_type = 'STOP_LIMIT' AND intent = 'EXIT' AND subscription_id IS NOT NULL

-- name: chase_resting
-- Protected limits of copies that rest at brokers and are not being changed, longest untouched first: those that
-- rested long enough for their next step, and entries whose time is over; of stops those that were left behind.
SELECT * FROM (
SELECT c.*, s.filters ->> 'allowance_bps' AS allowance_bps, s.settings -> 'protection' AS protection,
    coalesce(h.steps, 0) AS steps, coalesce(h.modifications, 0) AS modifications,
    greatest(nullif(greatest(c.accepted_ns, c.sent_ns), 0), c.protected_ns, c.planned_ns) AS began_ns,
    greatest(c.accepted_ns, c.sent_ns, c.planned_ns, c.protected_ns, c.filled_ns, h.stepped_ns) AS touched_ns
FROM copy_orders c
LEFT JOIN chases h USING (copy_order_id)
LEFT JOIN subscriptions s ON s.subscription_id = c.subscription_id
WHERE c.partition = ANY($1::smallint[]) AND c.status IN ('WORKING', 'PARTIAL') AND c.protected
  AND NOT c.offline AND c.subscription_id IS NOT NULL
  AND (c.order_type = 'LIMIT' OR (c.order_type = 'STOP_LIMIT' AND c.intent = 'EXIT'
      AND EXISTS (SELECT FROM unnest($7::text[], $8::numeric[]) AS p (instrument_id, last)
          WHERE p.instrument_id = c.instrument_id AND (p.last - c.limit_price) * c.side > 0)))
  AND NOT EXISTS (SELECT FROM copy_commands m WHERE m.copy_order_id = c.copy_order_id
      AND m.status IN ('PLANNED', 'UNKNOWN'))
) r
WHERE touched_ns <= $2 - least($3::bigint << least(steps, 20), $4::bigint)
   OR (intent = 'ENTRY' AND began_ns <= $2 - $5::bigint)
ORDER BY touched_ns, copy_order_id LIMIT $6

-- name: chase_changing
-- Whether a change is on its way to an order; read once its row and its ledger are locked.
SELECT EXISTS (SELECT FROM copy_commands WHERE copy_order_id = $1 AND status IN ('PLANNED', 'UNKNOWN'))

-- name: chase_step
-- One step more; a step that was taken already is not taken again.
INSERT INTO chases AS h (copy_order_id, partition, steps, modifications, stepped_ns, replacing)
VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (copy_order_id) DO UPDATE SET steps = excluded.steps, modifications = excluded.modifications,
    stepped_ns = excluded.stepped_ns, replacing = excluded.replacing
WHERE h.steps = excluded.steps - 1
RETURNING steps

-- name: chase_replaceable
-- Orders that were cancelled for another to take their place, and have ended.
SELECT c.* FROM chases h JOIN copy_orders c USING (copy_order_id)
WHERE h.replacing AND h.partition = ANY($1::smallint[])
  AND c.status NOT IN ('PLANNED', 'UNKNOWN', 'WORKING', 'PARTIAL')
ORDER BY h.stepped_ns, c.copy_order_id

-- name: chase_replaced
-- Its place is taken, or nothing is left to take it; true for the first who says so.
UPDATE chases SET replacing = false WHERE copy_order_id = $1 AND replacing RETURNING true

-- name: chase_refused
-- Exits of copies that their broker refused, and whose next step is due, oldest first. A liquidation has its own.
SELECT * FROM copy_orders
WHERE partition = ANY($1::smallint[]) AND status = 'REJECTED' AND intent = 'EXIT' AND NOT retried
  AND subscription_id IS NOT NULL AND cause_kind <> 'LIQUIDATION'
  AND greatest(sent_ns, planned_ns) <= $2 - least($3::bigint << least(step, 20), $4::bigint)
ORDER BY planned_ns, copy_order_id LIMIT $5

-- name: chase_retried
-- Its next step is decided; true for the first who says so.
UPDATE copy_orders SET retried = true, version = version + 1, updated_at = now()
WHERE copy_order_id = $1 AND NOT retried RETURNING true

-- name: chase_given_up
-- What the end of an order goes by, once it is taken back.
UPDATE copy_orders SET ends_as = $2, version = version + 1, updated_at = now() WHERE tag = $1

-- name: fill_insert
-- Trades of copy orders, each once.
INSERT INTO fills (tag, trade_id, copy_order_id, account_id, event_identity, quantity, price, broker_time_ns,
    slippage_bps, slippage_money, fees)
SELECT f.tag, f.trade_id, c.copy_order_id, c.account_id, f.event_identity, f.quantity, f.price,
    f.broker_time_ns, f.slippage_bps, f.slippage_money, f.fees::jsonb
FROM unnest($1::text[], $2::text[], $3::text[], $4::numeric[], $5::numeric[], $6::bigint[], $7::numeric[],
    $8::numeric[], $9::text[]) AS f(tag, trade_id, event_identity, quantity, price, broker_time_ns,
    slippage_bps, slippage_money, fees)
JOIN copy_orders c USING (tag)
ON CONFLICT DO NOTHING

-- name: fill_by_orders
-- Trades of copy orders, in the broker's order of time.
SELECT copy_order_id, tag, trade_id, event_identity, quantity, price, broker_time_ns, slippage_bps,
    slippage_money, fees
FROM fills WHERE copy_order_id = ANY($1::text[])
ORDER BY copy_order_id, broker_time_ns, trade_id

-- name: copy_order_sent
-- When requests of accounts were sent since a moment, ascending: orders placed, changes to them, and what
-- liquidations asked of the broker themselves.
SELECT account_id, sent_ns FROM copy_orders
WHERE account_id = ANY($1::text[]) AND planned_ns >= $2 - 86400000000000 AND sent_ns >= $2
UNION ALL
SELECT account_id, sent_ns FROM copy_commands
WHERE account_id = ANY($1::text[]) AND sent_ns > 0 AND sent_ns >= $2
UNION ALL
SELECT l.account_id, (extract(epoch FROM s.at) * 1000000000)::bigint AS sent_ns
FROM liquidations l JOIN liquidation_steps s USING (liquidation_id)
WHERE l.account_id = ANY($1::text[]) AND s.at >= to_timestamp($2 / 1000000000.0)
  AND (s.identity LIKE 'reprice:%' OR (s.identity LIKE 'cancel:%' AND l.subscription_id IS NULL))
ORDER BY account_id, sent_ns

-- name: account_insert
-- A new account.
INSERT INTO accounts (account_id, partition, broker, client_id, type, state, segments, app_id, egress,
    display_name, version)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 1)

-- name: account_session_insert
-- The session of the account's own name, not connected.
INSERT INTO sessions (session_id, broker, broker_client_id) VALUES ($1, $2, $3)

-- name: session_account_set
-- Accounts served by a session from now on.
INSERT INTO session_accounts (account_id, session_id) SELECT a, $1 FROM unnest($2::text[]) AS a
ON CONFLICT (account_id) DO UPDATE SET session_id = excluded.session_id

-- name: account_get
-- Accounts by id.
SELECT * FROM accounts WHERE account_id = ANY($1::text[])

-- name: account_partitions
-- All accounts of some partitions.
SELECT * FROM accounts WHERE partition = ANY($1::smallint[]) ORDER BY account_id

-- name: account_page
-- By id, filtered.
SELECT * FROM accounts
WHERE ($1::text IS NULL OR account_id > $1) AND ($2::text IS NULL OR broker = $2)
  AND ($3::text IS NULL OR type = $3)
ORDER BY account_id LIMIT $4

-- name: account_update
-- What may change of an account, if nobody changed it meanwhile.
UPDATE accounts SET state = $3, segments = $4, app_id = $5, egress = $6, display_name = $7,
    version = version + 1, updated_at = now()
WHERE account_id = $1 AND version = $2
RETURNING *

-- name: account_secret_set
-- Sealed credentials of an account.
WITH heard AS (
    UPDATE sessions SET refresh_refused = false, login_after = NULL, version = version + 1
    WHERE refresh_refused AND session_id IN (SELECT session_id FROM session_accounts WHERE account_id = $1)
)
INSERT INTO account_secrets (account_id, sealed) VALUES ($1, $2)
ON CONFLICT (account_id) DO UPDATE SET sealed = excluded.sealed, updated_at = now()

-- name: account_secret_get
-- Sealed credentials of accounts.
SELECT account_id, sealed FROM account_secrets WHERE account_id = ANY($1::text[])

-- name: app_insert
-- A new app with its sealed secret.
WITH app AS (
    INSERT INTO broker_apps (app_id, broker, client_key, redirect_url, display_name)
    VALUES ($1, $2, $3, $4, $5) RETURNING app_id
)
INSERT INTO broker_app_secrets (app_id, sealed) SELECT app_id, $6 FROM app

-- name: app_get
-- One app.
SELECT * FROM broker_apps WHERE app_id = $1

-- name: app_page
-- Apps by id.
SELECT * FROM broker_apps WHERE $1::text IS NULL OR app_id > $1 ORDER BY app_id LIMIT $2

-- name: app_update
-- What may change of an app, if nobody changed it meanwhile.
UPDATE broker_apps SET redirect_url = $3, display_name = $4, version = version + 1, updated_at = now()
WHERE app_id = $1 AND version = $2
RETURNING *

-- name: app_secret_set
-- A new sealed secret.
UPDATE broker_app_secrets SET sealed = $2, updated_at = now() WHERE app_id = $1

-- name: app_secret_get
-- Sealed secrets of apps.
SELECT app_id, sealed FROM broker_app_secrets WHERE app_id = ANY($1::text[])

-- name: group_insert
-- A new group.
INSERT INTO account_groups (group_id, display_name, min_lots, max_lots, lot_step) VALUES ($1, $2, $3, $4, $5)

-- name: group_update
-- A group's rules, if nobody changed them meanwhile.
UPDATE account_groups SET display_name = $3, min_lots = $4, max_lots = $5, lot_step = $6,
    version = version + 1, updated_at = now()
WHERE group_id = $1 AND version = $2
RETURNING *

-- name: group_page
-- Groups by id.
SELECT * FROM account_groups WHERE $1::text IS NULL OR group_id > $1 ORDER BY group_id LIMIT $2

-- name: group_members_clear
-- Before the new members are written.
DELETE FROM account_group_members WHERE group_id = $1

-- name: group_members_insert
-- The members of a group.
INSERT INTO account_group_members (group_id, account_id) SELECT $1, a FROM unnest($2::text[]) AS a

-- name: group_of_accounts
-- The groups of accounts.
SELECT m.account_id, g.* FROM account_group_members m JOIN account_groups g USING (group_id)
WHERE m.account_id = ANY($1::text[]) ORDER BY m.account_id, g.group_id

-- name: session_of_accounts
-- Sessions that serve any of these accounts, each with all it serves.
SELECT s.session_id, s.broker, s.broker_client_id, s.state, s.reason, s.token_expires_at, s.connected_since,
    s.last_frame_at, s.version, s.state_since, s.failed_logins, s.login_url, served.accounts
FROM sessions s
JOIN LATERAL (SELECT array_agg(account_id ORDER BY account_id) AS accounts
              FROM session_accounts WHERE session_id = s.session_id) served ON true
WHERE s.session_id IN (SELECT session_id FROM session_accounts WHERE account_id = ANY($1::text[]))
ORDER BY s.session_id

-- name: session_partitions
-- Sessions that serve an account of these partitions.
SELECT s.session_id, s.broker, s.broker_client_id, s.state, s.reason, s.token_expires_at, s.connected_since,
    s.last_frame_at, s.version, s.state_since, s.failed_logins, s.login_url, served.accounts
FROM sessions s
JOIN LATERAL (SELECT array_agg(account_id ORDER BY account_id) AS accounts
              FROM session_accounts WHERE session_id = s.session_id) served ON true
WHERE s.session_id IN (SELECT sa.session_id FROM session_accounts sa JOIN accounts a USING (account_id)
                       WHERE a.partition = ANY($1::smallint[]))
ORDER BY s.session_id

-- name: session_page
-- Sessions by id.
SELECT s.session_id, s.broker, s.broker_client_id, s.state, s.reason, s.token_expires_at, s.connected_since,
    s.last_frame_at, s.version, s.state_since, s.failed_logins, s.login_url, served.accounts
FROM sessions s
JOIN LATERAL (SELECT array_agg(account_id ORDER BY account_id) AS accounts
              FROM session_accounts WHERE session_id = s.session_id) served ON true
WHERE $1::text IS NULL OR s.session_id > $1
ORDER BY s.session_id LIMIT $2

-- name: session_states
-- New states, as far as the feed that says so still has the right to journal the account.
UPDATE sessions s SET state = c.state, reason = c.reason, connected_since = c.connected_since,
    version = s.version + 1, updated_at = now(),
    state_since = CASE WHEN s.state = c.state THEN s.state_since ELSE now() END,
    login_url = CASE WHEN c.state IN ('LOGIN_NEEDED', 'SUSPENDED') THEN s.login_url ELSE '' END,
    failed_logins = CASE WHEN c.state = 'LIVE' AND s.lived_version < s.token_version THEN 0
                         ELSE s.failed_logins END,
    lived_version = CASE WHEN c.state = 'LIVE' THEN s.token_version ELSE s.lived_version END
FROM unnest($1::text[], $2::smallint[], $3::bigint[], $4::bigint[], $5::text[], $6::text[], $7::timestamptz[])
    AS c(session_id, partition, epoch, pin, state, reason, connected_since)
LEFT JOIN leases l ON l.service = 'feed' AND l.partition = c.partition
LEFT JOIN session_pins p ON p.account_id = c.session_id
WHERE s.session_id = c.session_id AND coalesce(p.epoch, 0) = c.pin
  AND CASE WHEN c.epoch IS NULL THEN p.owner IS NOT NULL ELSE l.epoch = c.epoch AND p.owner IS NULL END
RETURNING s.session_id

-- name: session_frames
-- When sessions were last heard; wakes nobody.
UPDATE sessions s SET last_frame_at = greatest(s.last_frame_at, f.at)
FROM unnest($1::text[], $2::timestamptz[]) AS f(session_id, at)
WHERE s.session_id = f.session_id

-- name: session_tokens_set
-- What a login gave.
UPDATE sessions SET sealed_token = $2, sealed_refresh = $3, sealed_blob = $4, token_expires_at = $5,
    token_version = token_version + 1, token_at = now(), refresh_refused = false, login_after = NULL,
    login_failure = '',
    version = version + 1, updated_at = now()
WHERE session_id = $1
RETURNING session_id

-- name: session_tokens_get
-- Sealed tokens of sessions.
SELECT session_id, sealed_token, sealed_refresh, sealed_blob, token_expires_at, token_version, refused_version,
    token_at
FROM sessions WHERE session_id = ANY($1::text[])

-- name: login_standing
-- How the logins of a session stand at this moment.
SELECT token_version, failed_logins, login_failure,
    sealed_token IS NOT NULL AND refused_version < token_version
        AND (token_expires_at IS NULL OR token_expires_at > now()) AS is_usable,
    sealed_refresh IS NOT NULL AND NOT refresh_refused AS can_renew,
    coalesce(login_claim_until > now(), false) AS is_claimed,
    greatest(0, extract(epoch FROM login_after - now()) * 1000)::bigint AS retry_in_ms
FROM sessions WHERE session_id = $1

-- name: login_refuse
-- A token that the broker did not take, told once; one that never lived is a failed login.
UPDATE sessions SET refused_version = token_version, login_failure = $3, version = version + 1,
    failed_logins = failed_logins + (lived_version < token_version)::integer
WHERE session_id = $1 AND token_version = $2 AND refused_version < token_version

-- name: login_claim
-- The turn to get a token newer than this one.
UPDATE sessions SET login_claim = $3, login_claim_until = now() + make_interval(secs => $4 / 1000.0)
WHERE session_id = $1 AND token_version = $2 AND sealed_refresh IS NOT NULL AND NOT refresh_refused
  AND failed_logins < $5 AND coalesce(login_after <= now(), true) AND coalesce(login_claim_until <= now(), true)
RETURNING sealed_refresh

-- name: login_renewed
-- What the turn brought. It failed before in a row all the same, until the session is live with it.
UPDATE sessions SET sealed_token = $3, sealed_refresh = $4, sealed_blob = $5, token_expires_at = $6,
    token_version = token_version + 1, token_at = now(), login_claim = NULL, login_claim_until = NULL,
    login_after = NULL, login_failure = '', version = version + 1, updated_at = now()
WHERE session_id = $1 AND login_claim = $2
RETURNING session_id

-- name: login_failed
-- The turn ended without a token.
UPDATE sessions SET failed_logins = failed_logins + 1, login_failure = $3, refresh_refused = $4,
    login_after = now() + make_interval(secs => $5 / 1000.0), login_claim = NULL, login_claim_until = NULL,
    version = version + 1, updated_at = now()
WHERE session_id = $1 AND login_claim = $2

-- name: login_release
-- The turn ended before the broker judged anything.
UPDATE sessions SET login_claim = NULL, login_claim_until = NULL, login_failure = $3,
    login_after = now() + make_interval(secs => $4 / 1000.0), version = version + 1
WHERE session_id = $1 AND login_claim = $2

-- name: login_pardon
-- A person is at it.
UPDATE sessions SET failed_logins = 0, refresh_refused = false, login_after = NULL, version = version + 1
WHERE session_id = $1 AND (failed_logins > 0 OR refresh_refused OR login_after IS NOT NULL)

-- name: login_link
-- Where a person logs in; wakes nobody.
UPDATE sessions SET login_url = $2 WHERE session_id = $1

-- name: session_upsert
-- A session that shall serve several accounts.
INSERT INTO sessions (session_id, broker, broker_client_id) VALUES ($1, $2, $3)
ON CONFLICT (session_id) DO UPDATE SET broker_client_id = excluded.broker_client_id,
    version = sessions.version + 1

-- name: subscription_lock
-- One writer of subscriptions at a time: circles and change numbers depend on it.
SELECT pg_advisory_xact_lock(x'73756273'::int)

-- name: subscription_circle
-- The first new pair whose follower is already followed, at any length, by its leader; with new pairs written.
WITH RECURSIVE above AS (
    SELECT s.subscription_id AS started, s.leader AS account, s.follower AS start
    FROM subscriptions s WHERE s.subscription_id = ANY($1::text[])
    UNION
    SELECT a.started, s.leader, a.start
    FROM above a JOIN subscriptions s ON s.follower = a.account
    WHERE s.state <> 'ENDED' AND a.account <> a.start
)
SELECT started FROM above WHERE account = start ORDER BY started LIMIT 1

-- name: subscription_insert
-- New subscriptions; the lock is held.
INSERT INTO subscriptions (subscription_id, leader, follower, leader_partition, state, auto_copy, mode,
    sizing_mode, sizing_value, round_up_to_one_lot, filters, caps, settings)
SELECT subscription_id, leader, follower, leader_partition, state, auto_copy, mode, sizing_mode,
    sizing_value, round_up, filters::jsonb, caps::jsonb, settings::jsonb
FROM unnest($1::text[], $2::text[], $3::text[], $4::smallint[], $5::text[], $6::boolean[], $7::text[],
    $8::text[], $9::numeric[], $10::boolean[], $11::text[], $12::text[], $13::text[])
    AS n(subscription_id, leader, follower, leader_partition, state, auto_copy, mode, sizing_mode,
    sizing_value, round_up, filters, caps, settings)

-- name: subscription_update
-- What may change of a subscription, if nobody changed it meanwhile; the lock is held.
UPDATE subscriptions SET state = $3, auto_copy = $4, mode = $5, sizing_mode = $6, sizing_value = $7,
    round_up_to_one_lot = $8, filters = $9::text::jsonb, caps = $10::text::jsonb, settings = $11::text::jsonb,
    version = version + 1, change = nextval('subscription_changes'), updated_at = now()
WHERE subscription_id = $1 AND version = $2
RETURNING *

-- name: stray_shares
-- Subscriptions of some accounts and keys that hold something or have it on its way, and whose goes down first.
SELECT s.follower, l.subscription_id, l.instrument_id, l.product,
    coalesce(s.settings ->> 'attribution', 'COPIES_FIRST') AS attribution
FROM unnest($1::text[], $2::text[], $3::text[]) AS k (follower, instrument_id, product)
JOIN subscriptions s USING (follower)
JOIN ledgers l USING (subscription_id, instrument_id, product)
WHERE l.entry_filled + l.exit_filled + l.adjusted <> 0 OR l.entry_planned <> l.entry_released + l.entry_filled
   OR l.exit_planned <> l.exit_released + l.exit_filled
ORDER BY l.subscription_id, l.instrument_id, l.product

-- name: stray_orders
-- Which of some orders at brokers are copies.
SELECT c.account_id, c.broker_order_id
FROM unnest($1::text[], $2::text[]) AS k (account_id, broker_order_id)
JOIN copy_orders c USING (account_id, broker_order_id)

-- name: stray_net
-- What an account held of a key by its journal, up to an offset of its partition.
WITH mine AS (
    SELECT kind, event_offset, (body ->> 'quantity')::numeric * coalesce((body ->> 'side')::integer, 1) AS quantity
    FROM events
    WHERE account_id = $1 AND kind IN ('FILL', 'POSITION') AND event_offset <= $4
      AND body #>> '{key,instrument_id}' = $2 AND body #>> '{key,product}' = $3
), told AS (
    SELECT event_offset AS at FROM mine WHERE kind = 'POSITION' ORDER BY event_offset DESC LIMIT 1
)
SELECT sum(quantity) FROM mine LEFT JOIN told ON true
WHERE at IS NULL OR event_offset > at OR (event_offset = at AND kind = 'POSITION')

-- name: subscription_wait
-- Why one that begins or ends has not done so yet: no setting, so it counts neither a version nor a change.
UPDATE subscriptions SET waits_for = $2 WHERE subscription_id = $1 AND waits_for <> $2

-- name: ending_steps
-- What was decided for the end of a subscription, by key.
SELECT instrument_id, product, count(*) AS taken,
    (extract(epoch FROM max(decided_at)) * 1000000000)::bigint AS last_ns
FROM decisions WHERE subscription_id = $1 AND event_identity LIKE 'ending:%'
GROUP BY instrument_id, product

-- name: subscription_get
-- One subscription.
SELECT * FROM subscriptions WHERE subscription_id = $1

-- name: subscription_page
-- By id, of a leader, a follower, both, or all.
SELECT * FROM subscriptions
WHERE ($1::text IS NULL OR leader = $1) AND ($2::text IS NULL OR follower = $2)
  AND ($3::text IS NULL OR subscription_id > $3)
ORDER BY subscription_id LIMIT $4

-- name: subscription_of_leaders
-- Everyone who follows these leaders.
SELECT * FROM subscriptions WHERE leader = ANY($1::text[]) AND state <> 'ENDED' ORDER BY subscription_id

-- name: subscription_parties
-- Of these accounts, those that lead or follow just now.
SELECT leader AS account FROM subscriptions
WHERE leader = ANY($1::text[]) AND state IN ('APPROVED', 'PAUSED')
UNION
SELECT follower FROM subscriptions
WHERE follower = ANY($1::text[]) AND state IN ('APPROVED', 'PAUSED')

-- name: subscription_changes
-- Changed after some point, of leaders in some partitions; `newest` is where to go on from.
SELECT s.*, newest.change AS newest
FROM (SELECT coalesce(max(change), 0) AS change FROM subscriptions) newest
LEFT JOIN subscriptions s ON s.change > $1 AND s.change <= newest.change
    AND s.leader_partition = ANY($2::smallint[]) AND (NOT $3::boolean OR s.state <> 'ENDED')
ORDER BY s.change

-- name: news
-- Accounts changed by transactions from a horizon on, themselves or in their session, each with its transaction;
-- the newest change of subscriptions; and the next horizon: the oldest transaction that may still commit. Numbers
-- that no transaction has had yet come from a restored copy.
WITH now AS MATERIALIZED (
    SELECT pg_snapshot_xmin(s)::text::bigint AS horizon, pg_snapshot_xmax(s)::text::bigint AS coming
    FROM pg_current_snapshot() AS s
), touched AS (
    SELECT account_id, changed FROM accounts
    WHERE changed >= $1 AND changed < (SELECT coming FROM now)
    UNION
    SELECT account_id, changed FROM session_accounts
    WHERE changed >= $1 AND changed < (SELECT coming FROM now)
    UNION
    SELECT sa.account_id, s.changed FROM sessions s JOIN session_accounts sa USING (session_id)
    WHERE s.changed >= $1 AND s.changed < (SELECT coming FROM now)
)
SELECT now.horizon, (SELECT coalesce(max(change), 0) FROM subscriptions) AS newest,
    touched.account_id, touched.changed
FROM now LEFT JOIN touched ON true

-- name: request_claim
-- Ours when it is new, or was claimed long ago and never answered.
INSERT INTO requests AS r (method, request_id, fingerprint) VALUES ($1, $2, ($3::bytea[])[1])
ON CONFLICT (method, request_id) DO UPDATE SET created_at = now()
WHERE r.response IS NULL AND r.fingerprint = ANY($3) AND r.created_at < now() - interval '30 seconds'
RETURNING request_id

-- name: request_get
-- What became of a request.
SELECT fingerprint, response FROM requests WHERE method = $1 AND request_id = $2

-- name: request_finish
-- The answer, for whoever asks again.
UPDATE requests SET response = $3 WHERE method = $1 AND request_id = $2

-- name: request_abandon
-- It changed nothing: forget it.
DELETE FROM requests WHERE method = $1 AND request_id = $2 AND response IS NULL

-- name: request_forget
-- Answers older than so many hours.
WITH gone AS (
    DELETE FROM requests WHERE created_at < now() - make_interval(hours => $1) RETURNING 1
)
SELECT count(*) FROM gone

-- name: audit_insert
-- Lines of the audit trail, in their order.
INSERT INTO audit (actor, action, subject_kind, subject, cause, details)
SELECT actor, action, subject_kind, subject, cause, details::jsonb
FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[])
    WITH ORDINALITY AS a(actor, action, subject_kind, subject, cause, details, n)
ORDER BY n

-- name: audit_page
-- The newest first, of everything or of one subject.
SELECT audit_id, at, actor, action, subject_kind, subject, cause, details FROM audit
WHERE ($1 = '' OR (subject_kind = $1 AND subject = $2)) AND ($3::bigint IS NULL OR audit_id < $3)
ORDER BY audit_id DESC LIMIT $4

-- name: baselines_of
-- When the books of these accounts were first taken as known, and what stood in them.
SELECT account_id, taken_ns, known FROM baselines WHERE account_id = ANY($1::text[]);

-- name: baselines_take
-- The first taking stands; the right to journal the account was made sure of.
INSERT INTO baselines (account_id, taken_ns, known) VALUES ($1, $2, $3::text[])
ON CONFLICT (account_id) DO UPDATE SET taken_ns = baselines.taken_ns
RETURNING taken_ns;

-- name: instruments_save
-- Begins a new version of what changed since the newest one and closes that; a second reading on a day replaces it.
WITH given AS (
    SELECT * FROM unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::numeric[], $7::numeric[],
        $8::numeric[], $9::numeric[], $10::text[], $11::text[], $12::date[], $13::numeric[])
        AS g (instrument_id, exchange, segment, kind, lot, tick, freeze_quantity, multiplier, currency, underlying,
              expiry, strike)
), changed AS (
    SELECT g.* FROM given g
    LEFT JOIN instruments i ON i.instrument_id = g.instrument_id AND i.valid_to = 'infinity'
    WHERE i.instrument_id IS NULL
       OR (i.exchange, i.segment, i.kind, i.lot, i.tick, i.freeze_quantity, i.multiplier, i.currency,
           i.underlying, i.expiry, i.strike)
          IS DISTINCT FROM (g.exchange, g.segment, g.kind, g.lot, g.tick, g.freeze_quantity, g.multiplier,
           g.currency, g.underlying, g.expiry, g.strike)
), closed AS (
    UPDATE instruments i SET valid_to = $1 FROM changed c
    WHERE i.instrument_id = c.instrument_id AND i.valid_to = 'infinity' AND i.valid_from < $1
), begun AS (
    INSERT INTO instruments (instrument_id, valid_from, exchange, segment, kind, lot, tick, freeze_quantity,
        multiplier, currency, underlying, expiry, strike)
    SELECT instrument_id, $1, exchange, segment, kind, lot, tick, freeze_quantity, multiplier, currency,
        underlying, expiry, strike
    FROM changed
    ON CONFLICT (instrument_id, valid_from) DO UPDATE SET
        exchange = excluded.exchange, segment = excluded.segment, kind = excluded.kind, lot = excluded.lot,
        tick = excluded.tick, freeze_quantity = excluded.freeze_quantity, multiplier = excluded.multiplier,
        currency = excluded.currency, underlying = excluded.underlying, expiry = excluded.expiry,
        strike = excluded.strike
    RETURNING 1
)
SELECT count(*) FROM begun;

-- name: instrument_bands_save
-- The day's price bands, where they are others than before; what never had any gets no row.
INSERT INTO instrument_bands AS known (instrument_id, since, lower_band, upper_band)
SELECT g.instrument_id, $1, g.lower_band, g.upper_band
FROM unnest($2::text[], $3::numeric[], $4::numeric[]) AS g (instrument_id, lower_band, upper_band)
WHERE g.lower_band IS NOT NULL OR g.upper_band IS NOT NULL
   OR g.instrument_id IN (SELECT b.instrument_id FROM instrument_bands b)
ON CONFLICT (instrument_id) DO UPDATE SET
    since = excluded.since, lower_band = excluded.lower_band, upper_band = excluded.upper_band
WHERE (known.lower_band, known.upper_band) IS DISTINCT FROM (excluded.lower_band, excluded.upper_band);

-- name: instrument_ids_save
-- The broker's own ids; one that moved to another instrument begins a new version.
INSERT INTO instrument_ids (broker, native_id, valid_from, instrument_id)
SELECT $1, g.native_id, $2, g.instrument_id FROM unnest($3::text[], $4::text[]) AS g (native_id, instrument_id)
WHERE NOT EXISTS (
    SELECT FROM instrument_ids i
    WHERE i.broker = $1 AND i.native_id = g.native_id AND i.instrument_id = g.instrument_id
      AND i.valid_to = 'infinity'
)
ON CONFLICT (broker, native_id, valid_from) DO UPDATE SET instrument_id = excluded.instrument_id;

-- name: master_files_save
-- How many instruments each file of a master named.
INSERT INTO master_files (broker, file, read_on, listings)
SELECT $1, g.file, $2, g.listings FROM unnest($3::text[], $4::integer[]) AS g (file, listings)
ON CONFLICT (broker, file) DO UPDATE SET read_on = excluded.read_on, listings = excluded.listings;

-- name: master_files
-- The same of the last one that was taken.
SELECT file, listings FROM master_files WHERE broker = $1;

-- name: instruments_get
-- The newest version of each, with its newest bands; of a share, whether futures or options on it are listed.
SELECT DISTINCT ON (i.instrument_id) i.*, b.lower_band, b.upper_band,
    i.segment = 'CAPITAL_MARKET' AND i.underlying <> '' AND EXISTS (
        SELECT FROM instruments d
        WHERE d.underlying = i.underlying AND d.kind IN ('FUTURE', 'CALL', 'PUT') AND d.expiry >= current_date - 1
    ) AS has_derivatives
FROM instruments i LEFT JOIN instrument_bands b USING (instrument_id)
WHERE i.instrument_id = ANY($1::text[])
ORDER BY i.instrument_id, i.valid_from DESC;

-- name: instruments_page
-- The newest versions by id, of those that begin with a prefix.
SELECT DISTINCT ON (i.instrument_id) i.*, b.lower_band, b.upper_band
FROM instruments i LEFT JOIN instrument_bands b USING (instrument_id)
WHERE starts_with(i.instrument_id, $1) AND i.instrument_id > $2
ORDER BY i.instrument_id, i.valid_from DESC
LIMIT $3;

-- name: hold_accounts
-- Accounts as they are, kept from changing until this transaction ends; many may hold them.
SELECT * FROM accounts WHERE account_id = ANY($1::text[]) ORDER BY account_id FOR SHARE

-- name: hold_account
-- One account as it is, for this transaction alone.
SELECT * FROM accounts WHERE account_id = $1 FOR NO KEY UPDATE

-- name: living_subscription
-- Whether an account leads or follows anyone.
SELECT EXISTS (SELECT FROM subscriptions WHERE (leader = $1 OR follower = $1) AND state <> 'ENDED')

-- name: view_accounts
-- Accounts by id, with what people see beside them.
SELECT a.*, s.sealed_token IS NOT NULL
        OR EXISTS (SELECT FROM account_secrets x WHERE x.account_id = a.account_id) AS has_credentials,
    ARRAY(SELECT group_id FROM account_group_members m WHERE m.account_id = a.account_id ORDER BY group_id)
        AS groups
FROM accounts a
LEFT JOIN session_accounts sa USING (account_id) LEFT JOIN sessions s USING (session_id)
WHERE ($1::text IS NULL OR a.account_id = $1) AND a.account_id > $2
  AND ($3::text IS NULL OR a.broker = $3) AND ($4::text IS NULL OR a.type = $4)
  AND ($5::text[] = '{}' OR a.state = ANY($5))
  AND ($6::text IS NULL OR EXISTS (
      SELECT FROM account_group_members m WHERE m.account_id = a.account_id AND m.group_id = $6))
ORDER BY a.account_id LIMIT $7

-- name: view_apps
-- Apps by id, at one broker or at all.
SELECT * FROM broker_apps
WHERE ($1::text IS NULL OR app_id = $1) AND app_id > $2 AND ($3::text IS NULL OR broker = $3)
ORDER BY app_id LIMIT $4

-- name: view_groups
-- Groups by id.
SELECT * FROM account_groups
WHERE ($1::text IS NULL OR group_id = $1) AND group_id > $2
ORDER BY group_id LIMIT $3

-- name: view_members
-- Accounts of a group.
SELECT account_id FROM account_group_members WHERE group_id = $1 AND account_id > $2
ORDER BY account_id LIMIT $3

-- name: view_subscriptions
-- Subscriptions by id, filtered.
SELECT * FROM subscriptions
WHERE ($1::text IS NULL OR subscription_id = $1) AND subscription_id > $2
  AND ($3::text IS NULL OR leader = $3) AND ($4::text IS NULL OR follower = $4)
  AND ($5::text[] = '{}' OR state = ANY($5))
ORDER BY subscription_id LIMIT $6

-- name: view_sessions
-- Sessions by id, filtered; those of accounts by any account they serve.
SELECT s.session_id, s.broker, s.broker_client_id, s.state, s.reason, s.token_expires_at, s.connected_since,
    s.last_frame_at, s.version, s.state_since, s.failed_logins, s.login_url, served.accounts
FROM sessions s
JOIN LATERAL (SELECT array_agg(account_id ORDER BY account_id) AS accounts
              FROM session_accounts WHERE session_id = s.session_id) served ON true
WHERE ($1::text IS NULL OR s.session_id = $1) AND s.session_id > $2
  AND ($3::text IS NULL OR s.broker = $3) AND ($4::text[] = '{}' OR s.state = ANY($4))
  AND (($5::text IS NULL AND $6::text[] = '{}' AND $7::text IS NULL) OR EXISTS (
      SELECT FROM session_accounts sa JOIN accounts a USING (account_id)
      WHERE sa.session_id = s.session_id
        AND ($5::text IS NULL OR a.type = $5) AND ($6::text[] = '{}' OR a.account_id = ANY($6))
        AND ($7::text IS NULL OR EXISTS (
            SELECT FROM account_group_members m WHERE m.account_id = a.account_id AND m.group_id = $7))))
ORDER BY s.session_id LIMIT $8

-- name: view_readiness
-- Accounts that are not closed, and whether they can trade now.
SELECT * FROM (
    SELECT a.*, s.session_id,
        a.state = 'ACTIVE' AND coalesce(s.state IN ('LIVE', 'RECOVERING'), false) AS ready
    FROM accounts a
    LEFT JOIN session_accounts sa USING (account_id) LEFT JOIN sessions s USING (session_id)
    WHERE a.state <> 'CLOSED' AND a.account_id > $2
) standing
WHERE NOT ($1::boolean AND ready)
ORDER BY account_id LIMIT $3

-- name: history_events
-- Events of one account, newest first, filtered.
SELECT partition, event_offset, sequence, journaled_ns, traceparent, identity, account_id, kind, body,
    broker_time_ns, seen_ns, recovered, CASE WHEN $8::boolean THEN raw ELSE '' END AS raw, revision
FROM events
WHERE account_id = $1 AND ($2::bigint IS NULL OR event_offset < $2)
  AND ($3::text IS NULL OR kind = $3) AND ($4::text IS NULL OR body #>> '{key,instrument_id}' = $4)
  AND ($5::text IS NULL OR order_id = $5) AND ($6::boolean IS NULL OR recovered = $6)
  AND ($7::bigint IS NULL OR journaled_ns >= $7) AND ($9::bigint IS NULL OR journaled_ns < $9)
ORDER BY event_offset DESC LIMIT $10

-- name: history_stretch
-- Events of one account behind an offset, oldest first, within a time.
SELECT partition, event_offset, sequence, journaled_ns, traceparent, identity, account_id, kind, body,
    broker_time_ns, seen_ns, recovered, ''::bytea AS raw, revision
FROM events
WHERE account_id = $1 AND event_offset > $2
  AND ($3::bigint IS NULL OR (journaled_ns >= $3
       AND journaled_on >= (to_timestamp($3 / 1000000000) AT TIME ZONE 'UTC')::date))
  AND ($4::bigint IS NULL OR (journaled_ns < $4
       AND journaled_on <= (to_timestamp($4 / 1000000000) AT TIME ZONE 'UTC')::date))
ORDER BY event_offset LIMIT $5

-- name: history_count
-- How many events of one account lie within a time, counted no further than asked.
SELECT count(*) FROM (
    SELECT 1 FROM events
    WHERE account_id = $1
      AND ($2::bigint IS NULL OR (journaled_ns >= $2
           AND journaled_on >= (to_timestamp($2 / 1000000000) AT TIME ZONE 'UTC')::date))
      AND ($3::bigint IS NULL OR (journaled_ns < $3
           AND journaled_on <= (to_timestamp($3 / 1000000000) AT TIME ZONE 'UTC')::date))
    LIMIT $4
) found

-- name: history_folded
-- An account's positions as they are folded, and the offset up to which they are; one empty row when it is flat.
SELECT d.event_offset, s.instrument_id, s.product, s.own, s.copied
FROM (SELECT coalesce(max(event_offset), 0) AS event_offset FROM consumer_offsets
      WHERE consumer = 'replicator' AND partition = $2) d
LEFT JOIN leader_states s ON s.account_id = $1

-- name: history_traded_since
-- What an account traded from a moment up to an offset, by key and tag, and where a position was told.
SELECT body #>> '{key,instrument_id}' AS instrument_id, body #>> '{key,product}' AS product,
    coalesce(body ->> 'tag', '') AS tag, bool_or(kind = 'POSITION') AS told,
    coalesce(sum((body ->> 'quantity')::numeric * (body ->> 'side')::integer) FILTER (WHERE kind = 'FILL'), 0)
        AS traded
FROM events
WHERE account_id = $1 AND event_offset <= $2 AND kind IN ('FILL', 'POSITION') AND journaled_ns >= $3
  AND journaled_on >= (to_timestamp($3 / 1000000000) AT TIME ZONE 'UTC')::date
GROUP BY 1, 2, 3

-- name: history_held_before
-- What an account traded of some keys before a moment, by key and tag, before and after the newest position told.
WITH mine AS (
    SELECT body #>> '{key,instrument_id}' AS instrument_id, body #>> '{key,product}' AS product,
        coalesce(body ->> 'tag', '') AS tag, kind, event_offset,
        (body ->> 'quantity')::numeric * coalesce((body ->> 'side')::integer, 1) AS quantity
    FROM events
    WHERE account_id = $1 AND kind IN ('FILL', 'POSITION') AND journaled_ns < $2
      AND journaled_on <= (to_timestamp($2 / 1000000000) AT TIME ZONE 'UTC')::date
      AND (body #>> '{key,instrument_id}', body #>> '{key,product}') IN (SELECT * FROM unnest($3::text[], $4::text[]))
), told AS (
    SELECT DISTINCT ON (instrument_id, product) instrument_id, product, event_offset AS at, quantity AS stood
    FROM mine WHERE kind = 'POSITION' ORDER BY instrument_id, product, event_offset DESC
)
SELECT instrument_id, product, tag, max(stood) AS stood,
    coalesce(sum(quantity) FILTER (WHERE kind = 'FILL' AND event_offset < at), 0) AS earlier,
    coalesce(sum(quantity) FILTER (WHERE kind = 'FILL' AND (at IS NULL OR event_offset > at)), 0) AS later
FROM mine LEFT JOIN told USING (instrument_id, product)
GROUP BY 1, 2, 3

-- name: history_reach
-- Whether something before a moment lies behind an offset, and when the first event that is kept was journaled.
SELECT EXISTS (SELECT FROM events WHERE account_id = $1 AND event_offset > $2 AND journaled_ns < $3) AS unfolded,
    (SELECT e.journaled_ns FROM journal_floors f JOIN events e USING (partition)
     WHERE f.partition = $4 AND e.event_offset > f.gone_offset ORDER BY e.event_offset LIMIT 1) AS kept_since_ns

-- name: history_plans
-- Plans of a leader, newest first, with their skips by reason.
SELECT p.event_identity, p.leader, p.partition, p.event_offset, p.started_at, p.complete, p.planned, p.skipped,
    (SELECT coalesce(jsonb_object_agg(reason, n), '{}') FROM (
        SELECT reason, count(*) AS n FROM decisions d
        WHERE d.event_identity = p.event_identity AND outcome = 'SKIPPED' AND reason IS NOT NULL GROUP BY reason
    ) counted) AS skips
FROM plans p
WHERE p.leader = $1 AND ($2::timestamptz IS NULL OR (p.started_at, p.event_identity) < ($2, $3))
  AND ($4::timestamptz IS NULL OR p.started_at >= $4) AND ($5::timestamptz IS NULL OR p.started_at < $5)
ORDER BY p.started_at DESC, p.event_identity DESC LIMIT $6

-- name: history_plan
-- One plan by its event, with its skips by reason.
SELECT p.event_identity, p.leader, p.partition, p.event_offset, p.started_at, p.complete, p.planned, p.skipped,
    (SELECT coalesce(jsonb_object_agg(reason, n), '{}') FROM (
        SELECT reason, count(*) AS n FROM decisions d
        WHERE d.event_identity = p.event_identity AND outcome = 'SKIPPED' AND reason IS NOT NULL GROUP BY reason
    ) counted) AS skips
FROM plans p WHERE p.event_identity = $1

-- name: history_dead_letters
-- Frames nobody could use, newest first, filtered.
SELECT dead_letter_id, broker, account_id, source, reason, detail, raw, received_ns FROM dead_letters
WHERE ($1::bigint IS NULL OR dead_letter_id < $1)
  AND ($2::text IS NULL OR account_id = $2) AND ($3::text IS NULL OR reason = $3)
  AND ($4::bigint IS NULL OR received_ns >= $4) AND ($5::bigint IS NULL OR received_ns < $5)
ORDER BY dead_letter_id DESC LIMIT $6

-- name: history_decisions
-- Decisions, newest first, filtered.
SELECT * FROM decisions
WHERE ($1::timestamptz IS NULL OR (decided_at, decision_id) < ($1, $2))
  AND ($3::text IS NULL OR subscription_id = $3)
  AND ($4::text IS NULL OR subscription_id IN (SELECT subscription_id FROM subscriptions WHERE leader = $4))
  AND ($5::text IS NULL OR follower = $5) AND ($6::text IS NULL OR outcome = $6)
  AND ($7::text IS NULL OR reason = $7) AND ($8::text IS NULL OR event_identity = $8)
  AND ($9::timestamptz IS NULL OR decided_at >= $9) AND ($10::timestamptz IS NULL OR decided_at < $10)
ORDER BY decided_at DESC, decision_id DESC LIMIT $11

-- name: history_copy_orders
-- Copy orders, newest first, filtered. Swept failures show only to who asks for a state, a time, a decision or a tag.
SELECT * FROM copy_orders
WHERE ($1::bigint IS NULL OR (planned_ns, copy_order_id) < ($1, $2))
  AND ($3::text IS NULL OR account_id = $3) AND ($4::text IS NULL OR subscription_id = $4)
  AND ($5::text IS NULL OR decision_id = $5) AND ($6::text[] = '{}' OR status = ANY($6))
  AND ($7::text IS NULL OR instrument_id = $7) AND ($8::text IS NULL OR tag = $8)
  AND ($9::bigint IS NULL OR planned_ns >= $9) AND ($10::bigint IS NULL OR planned_ns < $10)
  AND (swept_at IS NULL OR status NOT IN ('REJECTED', 'FAILED', 'SKIPPED') OR $6::text[] <> '{}'
       OR coalesce($5, $8, $9::text, $10::text) IS NOT NULL)
ORDER BY planned_ns DESC, copy_order_id DESC LIMIT $11

-- name: history_ledgers
-- Ledgers by their key, filtered, with the lot of the instrument.
SELECT l.*, i.lot FROM ledgers l
LEFT JOIN LATERAL (SELECT lot FROM instruments WHERE instrument_id = l.instrument_id
                   ORDER BY valid_from DESC LIMIT 1) i ON true
WHERE ($1::text IS NULL OR (l.subscription_id, l.instrument_id, l.product) > ($1, $2, $3))
  AND ($4::text IS NULL OR l.subscription_id = $4)
  AND ($5::text IS NULL OR l.subscription_id IN (SELECT subscription_id FROM subscriptions WHERE follower = $5))
  AND ($6::text IS NULL OR l.instrument_id = $6)
  AND ($7::boolean OR l.ideal <> 0 OR l.entry_filled + l.exit_filled + l.adjusted <> 0
       OR l.entry_planned <> l.entry_released + l.entry_filled
       OR l.exit_planned <> l.exit_released + l.exit_filled)
ORDER BY l.subscription_id, l.instrument_id, l.product LIMIT $8

-- name: history_ledger_lines
-- Lines of one subscription's ledgers in the order of writing, filtered; those of one moment by what tells them apart.
SELECT * FROM (
    SELECT *, concat_ws('|', instrument_id, product, cause, kind, intent) AS line
    FROM ledger_entries WHERE subscription_id = $1
) e
WHERE ($2::timestamptz IS NULL OR (recorded_at, line) > ($2, $3))
  AND ($4::text IS NULL OR (instrument_id = $4 AND product = $5)) AND ($6::text IS NULL OR kind = $6)
  AND ($7::timestamptz IS NULL OR recorded_at >= $7) AND ($8::timestamptz IS NULL OR recorded_at < $8)
ORDER BY recorded_at, line LIMIT $9

-- name: history_trades
-- Trades, the last entered first, filtered.
SELECT trade_id, account_id, subscription_id, instrument_id, product, side, quantity, entry_order_id, entry_price,
    exit_order_id, exit_price, profit, currency, status, opened_at, closed_at
FROM trades
WHERE ($1::timestamptz IS NULL OR (opened_at, trade_id) < ($1, $2))
  AND ($3::text IS NULL OR account_id = $3) AND ($4::text IS NULL OR subscription_id = $4)
  AND ($5::text IS NULL OR status = $5)
  AND ($6::timestamptz IS NULL OR opened_at >= $6) AND ($7::timestamptz IS NULL OR opened_at < $7)
ORDER BY opened_at DESC, trade_id DESC LIMIT $8

-- name: history_audit
-- Who did what, newest first, filtered.
SELECT audit_id, at, actor, action, subject_kind, subject, cause, details FROM audit
WHERE ($1::bigint IS NULL OR audit_id < $1) AND ($2 = '' OR actor = $2) AND ($3 = '' OR subject = $3)
  AND ($4::timestamptz IS NULL OR at >= $4) AND ($5::timestamptz IS NULL OR at < $5)
ORDER BY audit_id DESC LIMIT $6

-- name: history_instruments
-- The newest versions by id, filtered.
SELECT * FROM (
    SELECT DISTINCT ON (i.instrument_id) i.*, b.lower_band, b.upper_band
    FROM instruments i LEFT JOIN instrument_bands b USING (instrument_id)
    WHERE ($1::text IS NULL OR i.instrument_id > $1) AND starts_with(i.instrument_id, $2)
    ORDER BY i.instrument_id, i.valid_from DESC
) newest
WHERE ($3::text IS NULL OR exchange = $3) AND ($4::text IS NULL OR segment = $4)
  AND ($5::text IS NULL OR kind = $5) AND ($6 = '' OR underlying = $6)
ORDER BY instrument_id LIMIT $7

-- name: instrument_of_native
-- What a broker means by a name today.
SELECT instrument_id FROM instrument_ids
WHERE broker = $1 AND native_id = $2 AND valid_to = 'infinity'
ORDER BY valid_from DESC LIMIT 1

-- name: position_facts_read
-- What positions are made of, in order, within a stretch of one partition.
SELECT partition, event_offset, sequence, journaled_ns, traceparent, identity, account_id, kind, body,
    broker_time_ns, seen_ns, recovered, ''::bytea AS raw, revision
FROM events
WHERE partition = $1 AND event_offset > $2 AND event_offset <= $3 AND kind IN ('FILL', 'POSITION')
ORDER BY event_offset LIMIT $4;

-- name: position_checkpoints_of
-- What positions came to at the newest offset that was kept.
SELECT partition, event_offset, body FROM position_checkpoints WHERE partition = ANY($1::smallint[])

-- name: position_checkpoint_keep
-- Forward only; the caller has fenced.
INSERT INTO position_checkpoints AS p (partition, event_offset, body) VALUES ($1, $2, $3::text::jsonb)
ON CONFLICT (partition) DO UPDATE SET event_offset = excluded.event_offset, body = excluded.body, taken_at = now()
WHERE p.event_offset < excluded.event_offset

-- name: risk_limits_get
-- The lines of an account, the usual ones where nobody set any.
SELECT coalesce(l.warning_percent, 50) AS warning_percent, coalesce(l.rearm_percent, 55) AS rearm_percent,
    coalesce(l.liquidation_percent, 10) AS liquidation_percent, coalesce(l.guards, '{}') AS guards,
    coalesce(l.version, 0) AS version
FROM accounts a LEFT JOIN risk_limits l USING (account_id) WHERE a.account_id = $1

-- name: risk_limits_write
-- The lines of an account from now on.
INSERT INTO risk_limits AS l (account_id, warning_percent, rearm_percent, liquidation_percent, guards)
VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (account_id) DO UPDATE SET warning_percent = excluded.warning_percent,
    rearm_percent = excluded.rearm_percent, liquidation_percent = excluded.liquidation_percent,
    guards = excluded.guards,
    version = l.version + 1, updated_at = now()
RETURNING version

-- name: kill_switch_lock
-- One change at a time.
LOCK TABLE kill_switches IN SHARE ROW EXCLUSIVE MODE

-- name: kill_switch_get
-- One switch; acknowledged is what every executor that lives has read.
SELECT k.*, NOT EXISTS (
    SELECT FROM replicas r WHERE r.service = 'executor' AND r.seen_at > now() - interval '10 seconds'
    AND NOT EXISTS (SELECT FROM kill_switch_reads d
        WHERE d.service = r.service AND d.replica = r.owner AND d.version >= k.version)
) AS acknowledged
FROM kill_switches k WHERE scope = $1 AND scope_id = $2

-- name: kill_switch_page
-- Switches by name; the released ones only where asked for.
SELECT k.*, k.scope || ':' || k.scope_id AS name, NOT EXISTS (
    SELECT FROM replicas r WHERE r.service = 'executor' AND r.seen_at > now() - interval '10 seconds'
    AND NOT EXISTS (SELECT FROM kill_switch_reads d
        WHERE d.service = r.service AND d.replica = r.owner AND d.version >= k.version)
) AS acknowledged
FROM kill_switches k WHERE k.scope || ':' || k.scope_id > $1 AND ($2 OR k.level IS NOT NULL)
ORDER BY name LIMIT $3

-- name: kill_switch_write
-- A switch as it is from now on; none is released.
INSERT INTO kill_switches AS k (scope, scope_id, level, reason, actor, version)
VALUES ($1, $2, $3, $4, $5, nextval('kill_switch_changes'))
ON CONFLICT (scope, scope_id) DO UPDATE SET level = excluded.level, reason = excluded.reason,
    actor = excluded.actor, version = excluded.version, changed_at = now()
RETURNING version

-- name: kill_switch_account
-- Whether there is such an account.
SELECT account_id FROM accounts WHERE account_id = $1

-- name: kill_switch_requests
-- The copies that a switch concerns, to be cancelled or flattened.
INSERT INTO liquidation_requests
    (liquidation_id, account_id, partition, subscription_id, cause, cause_id, reason, evidence, level)
SELECT 'kill:' || $3::bigint || '/' || s.subscription_id, s.follower, a.partition, s.subscription_id,
    'KILL_SWITCH', 'version ' || $3::bigint, 'kill switch: ' || $5::text, '{}', $4
FROM subscriptions s JOIN accounts a ON a.account_id = s.follower
WHERE s.state IN ('APPROVED', 'PAUSED')
  AND ($1 = 'EVERYTHING' OR ($1 = 'LEADER' AND s.leader = $2) OR ($1 = 'FOLLOWER' AND s.follower = $2))
ORDER BY s.subscription_id
ON CONFLICT DO NOTHING
RETURNING liquidation_id, account_id, subscription_id, reason

-- name: kill_switch_read
-- All that is engaged, with the subscriptions of leaders.
SELECT k.scope, k.scope_id, CASE WHEN k.scope = 'LEADER'
    THEN ARRAY(SELECT s.subscription_id FROM subscriptions s WHERE s.leader = k.scope_id) ELSE '{}' END AS subscriptions
FROM kill_switches k WHERE k.level IS NOT NULL

-- name: kill_switch_version
-- The newest of all.
SELECT coalesce(max(version), 0) FROM kill_switches

-- name: kill_switch_acknowledge
-- A replica acts by all switches up to a version.
INSERT INTO kill_switch_reads (service, replica, version) VALUES ($1, $2, $3)
ON CONFLICT (service, replica) DO UPDATE SET version = excluded.version, read_at = now()

-- name: guards_of_accounts
-- Accounts with guards: as set, what they are measured from, and what stands tripped.
SELECT a.account_id, NULL AS subscription_id, a.partition, l.guards, d.trading_day, d.arming, d.kept, d.realised,
    d.profit, d.opened, d.peak, d.adjusted, (SELECT jsonb_object_agg(t.kind, t.trading_day) FROM guard_trips t
        WHERE t.account_id = a.account_id AND t.subscription_id IS NULL AND t.rearmed_at IS NULL) AS tripped
FROM accounts a JOIN risk_limits l USING (account_id)
LEFT JOIN LATERAL (SELECT * FROM guard_days g WHERE g.account_id = a.account_id AND g.subscription_id = ''
    ORDER BY g.trading_day DESC LIMIT 1) d ON true
WHERE a.account_id = ANY($1::text[]) AND l.guards <> '{}'

-- name: guards_of_subscriptions
-- The same of subscriptions that copy, by the partitions of their followers.
SELECT s.follower AS account_id, s.subscription_id, a.partition, s.settings -> 'guards' AS guards,
    coalesce(l.guards ->> 'rearm', 'BY_PERSON') AS rearm, d.trading_day, d.arming, d.kept, d.realised, d.profit,
    d.opened, d.peak, d.adjusted, (SELECT jsonb_object_agg(t.kind, t.trading_day) FROM guard_trips t
        WHERE t.account_id = s.follower AND t.subscription_id = s.subscription_id AND t.rearmed_at IS NULL) AS tripped
FROM subscriptions s JOIN accounts a ON a.account_id = s.follower
LEFT JOIN risk_limits l ON l.account_id = s.follower
LEFT JOIN LATERAL (SELECT * FROM guard_days g
    WHERE g.account_id = s.follower AND g.subscription_id = s.subscription_id
    ORDER BY g.trading_day DESC LIMIT 1) d ON true
WHERE a.partition = ANY($1::smallint[]) AND s.state IN ('APPROVED', 'PAUSED')
  AND (s.settings -> 'guards' ->> 'stop_loss' IS NOT NULL OR s.settings -> 'guards' ->> 'take_profit' IS NOT NULL)

-- name: guard_copies
-- All that guarded subscriptions of some followers ever copied, by key: fills, and what left without one.
WITH guarded AS (
    SELECT subscription_id, follower FROM subscriptions
    WHERE follower = ANY($1::text[]) AND state IN ('APPROVED', 'PAUSED')
      AND (settings -> 'guards' ->> 'stop_loss' IS NOT NULL OR settings -> 'guards' ->> 'take_profit' IS NOT NULL)
), filled AS (
    SELECT c.subscription_id, c.instrument_id, c.product, sum(c.side * c.filled) AS quantity,
        sum(c.side * c.filled * c.average_price) AS value
    FROM guarded g JOIN copy_orders c ON c.account_id = g.follower AND c.subscription_id = g.subscription_id
    WHERE c.filled > 0 GROUP BY c.subscription_id, c.instrument_id, c.product
), adjusted AS (
    SELECT l.subscription_id, l.instrument_id, l.product, l.adjusted
    FROM guarded g JOIN ledgers l USING (subscription_id) WHERE l.adjusted <> 0
)
SELECT subscription_id, instrument_id, product, f.quantity, f.value, a.adjusted
FROM filled f FULL JOIN adjusted a USING (subscription_id, instrument_id, product)
ORDER BY subscription_id, instrument_id, product

-- name: guard_days_keep
-- Marks as they are, unless something was armed again since.
INSERT INTO guard_days AS d (account_id, subscription_id, trading_day, arming, kept, realised, profit, opened, peak,
    adjusted)
SELECT g.* FROM unnest($1::text[], $2::text[], $3::date[], $4::bigint[], $5::numeric[], $6::numeric[], $7::numeric[],
    $8::numeric[], $9::numeric[], $10::jsonb[])
    AS g(account_id, subscription_id, trading_day, arming, kept, realised, profit, opened, peak, adjusted)
WHERE NOT EXISTS (SELECT FROM guard_days o WHERE o.account_id = g.account_id
    AND o.subscription_id = g.subscription_id AND o.arming > g.arming)
ON CONFLICT (account_id, subscription_id, trading_day) DO UPDATE SET arming = excluded.arming, kept = excluded.kept,
    realised = excluded.realised, profit = excluded.profit, opened = excluded.opened, peak = excluded.peak,
    adjusted = excluded.adjusted
WHERE d.arming <= excluded.arming

-- name: guard_days_lock
-- The newest marks of a subject, kept from moving until the transaction ends.
SELECT * FROM guard_days WHERE account_id = $1 AND subscription_id = $2
ORDER BY trading_day DESC LIMIT 1 FOR UPDATE

-- name: guard_trips_insert
-- Trips that are new: one of its name, of an older arming, or beside one that stands is none.
INSERT INTO guard_trips (guard_trip_id, account_id, partition, subscription_id, kind, level, threshold, observed,
    evidence, trading_day)
SELECT g.guard_trip_id, g.account_id, a.partition, g.subscription_id, g.kind, g.level, g.threshold, g.observed,
    g.evidence, g.trading_day
FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::numeric[], $7::numeric[], $8::jsonb[],
    $9::date[], $10::bigint[]) AS g(guard_trip_id, account_id, subscription_id, kind, level, threshold, observed,
    evidence, trading_day, arming)
JOIN accounts a USING (account_id)
WHERE NOT EXISTS (SELECT FROM guard_days o WHERE o.account_id = g.account_id
    AND o.subscription_id = coalesce(g.subscription_id, '') AND o.arming > g.arming)
ON CONFLICT DO NOTHING
RETURNING guard_trip_id

-- name: guard_cancels
-- Working entries of the copies that a trip concerns, to be cancelled.
INSERT INTO liquidation_requests
    (liquidation_id, account_id, partition, subscription_id, cause, cause_id, reason, evidence, level)
SELECT 'guard:' || $1::text || '/' || s.subscription_id, s.follower, a.partition, s.subscription_id, 'GUARD', $1, $4,
    '{}', 'CANCEL_WORKING'
FROM subscriptions s JOIN accounts a ON a.account_id = s.follower
WHERE s.follower = $2 AND s.state IN ('APPROVED', 'PAUSED') AND ($3::text IS NULL OR s.subscription_id = $3)
ORDER BY s.subscription_id
ON CONFLICT DO NOTHING

-- name: guard_trip_lock_standing
-- The trip of a subject's guard that is not armed again, kept from moving until the transaction ends.
SELECT * FROM guard_trips WHERE account_id = $1 AND coalesce(subscription_id, '') = $2 AND kind = $3
    AND rearmed_at IS NULL FOR UPDATE

-- name: guard_trip_lock
-- One trip, kept from moving until the transaction ends.
SELECT * FROM guard_trips WHERE guard_trip_id = $1 FOR UPDATE

-- name: guard_trip_rearm
-- Armed again from now on.
UPDATE guard_trips SET rearmed_at = now() WHERE guard_trip_id = $1 AND rearmed_at IS NULL RETURNING *

-- name: guard_trip_page
-- Trips, newest first, from the last of the page before.
SELECT * FROM guard_trips t
WHERE ($1::text IS NULL OR account_id = $1) AND ($2::text IS NULL OR kind = $2) AND ($3 OR rearmed_at IS NULL)
  AND ($4 = '' OR (tripped_at, guard_trip_id)
      < (SELECT o.tripped_at, o.guard_trip_id FROM guard_trips o WHERE o.guard_trip_id = $4))
ORDER BY tripped_at DESC, guard_trip_id DESC LIMIT $5

-- name: guards_standing
-- Whom a tripped guard keeps from entering: accounts, or one subscription of them.
SELECT account_id, subscription_id FROM guard_trips t WHERE rearmed_at IS NULL AND (subscription_id IS NULL
    OR EXISTS (SELECT FROM subscriptions s WHERE s.subscription_id = t.subscription_id AND s.state <> 'ENDED'))

-- name: guard_days_forget
-- Days that are over, but never the newest of a subject.
DELETE FROM guard_days d WHERE trading_day < $1 AND EXISTS (SELECT FROM guard_days o
    WHERE o.account_id = d.account_id AND o.subscription_id = d.subscription_id AND o.trading_day > d.trading_day)

-- name: liquidation_requests_standing
-- The liquidation of an account's whole by this name, else the one that runs.
SELECT liquidation_id, account_id, subscription_id, cause, cause_id, reason, evidence, level
FROM liquidation_requests
WHERE account_id = $1 AND subscription_id IS NULL AND level = 'FLATTEN' AND (liquidation_id = $2 OR ended_at IS NULL)
ORDER BY liquidation_id = $2 DESC LIMIT 1

-- name: liquidation_requests_insert
-- Liquidations that are wanted; one that is wanted already is not wanted twice.
INSERT INTO liquidation_requests
    (liquidation_id, account_id, partition, subscription_id, cause, cause_id, reason, evidence)
SELECT g.liquidation_id, g.account_id, a.partition, g.subscription_id, g.cause, g.cause_id, g.reason, g.evidence
FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::jsonb[])
    AS g(liquidation_id, account_id, subscription_id, cause, cause_id, reason, evidence)
JOIN accounts a USING (account_id)
ON CONFLICT DO NOTHING
RETURNING liquidation_id, account_id, subscription_id, reason

-- name: liquidation_requests_cascade
-- The copies of everyone who follows the accounts of some liquidations, and of whoever copies these copies onward:
-- what caused the first causes them all.
WITH RECURSIVE led AS (
    SELECT r.liquidation_id AS root, r.evidence, s.subscription_id, s.leader, s.follower
    FROM liquidation_requests r JOIN subscriptions s ON s.leader = r.account_id
    WHERE r.liquidation_id = ANY($1::text[]) AND s.state IN ('APPROVED', 'PAUSED')
    UNION
    SELECT l.root, l.evidence, s.subscription_id, s.leader, s.follower
    FROM led l JOIN subscriptions s ON s.leader = l.follower
    WHERE s.state IN ('APPROVED', 'PAUSED') AND (s.settings ->> 'forward_copies')::boolean
)
INSERT INTO liquidation_requests
    (liquidation_id, account_id, partition, subscription_id, cause, cause_id, reason, evidence)
SELECT l.root || '/' || l.subscription_id, l.follower, a.partition, l.subscription_id, 'CASCADE', l.root,
    'its leader ' || l.leader || ' is being liquidated', l.evidence
FROM led l JOIN accounts a ON a.account_id = l.follower
ORDER BY l.subscription_id
ON CONFLICT DO NOTHING
RETURNING liquidation_id, account_id, subscription_id, reason

-- name: liquidation_requests_open
-- Those that no executor has acknowledged, in some partitions: whole accounts before copies, the oldest first.
SELECT liquidation_id, account_id, subscription_id, cause, cause_id, reason, evidence, level
FROM liquidation_requests
WHERE acknowledged_at IS NULL AND partition = ANY($1::smallint[])
ORDER BY subscription_id IS NOT NULL, requested_at, liquidation_id LIMIT $2

-- name: barriers_underway
-- Liquidations that run, and those that are wanted and not begun; what begins is told once at least.
SELECT account_id, subscription_id, instrument_id, product, level = 'FLATTEN' AS flattens
FROM liquidations WHERE finished_at IS NULL
UNION ALL
SELECT account_id, subscription_id, NULL, NULL, false FROM liquidation_requests WHERE acknowledged_at IS NULL

-- name: ban_lists_of_day
-- The newest list of each source that begins no later than a day.
SELECT DISTINCT ON (source) * FROM ban_lists WHERE first_day <= $1::date ORDER BY source, first_day DESC

-- name: ban_list_put
-- What a source says of a day and those after it, in the place of what it said before.
INSERT INTO ban_lists (source, first_day, last_day, underlyings, instruments, reason)
VALUES ($1, $2, $3, $4::text[], $5::text[], $6)
ON CONFLICT (source, first_day) DO UPDATE SET last_day = excluded.last_day, underlyings = excluded.underlyings,
    instruments = excluded.instruments, reason = excluded.reason, written_at = now()
RETURNING *

-- name: ban_list_page
-- Lists of banned instruments, the newest first, filtered.
SELECT * FROM ban_lists
WHERE ($1 = '' OR source = $1) AND ($2::date IS NULL OR (first_day, source) < ($2, $3))
ORDER BY first_day DESC, source DESC LIMIT $4

-- name: liquidation_requests_acknowledge
-- An executor has them.
UPDATE liquidation_requests SET acknowledged_at = now()
WHERE liquidation_id = ANY($1::text[]) AND acknowledged_at IS NULL

-- name: alert_deliveries_claim
-- What is due in some partitions, held for whoever claims it.
WITH due AS (
    SELECT alert_id, target_id FROM alert_deliveries
    WHERE state = 'DUE' AND partition = ANY($1::smallint[]) AND due_at <= now()
    ORDER BY due_at LIMIT $2 FOR UPDATE SKIP LOCKED
), taken AS (
    UPDATE alert_deliveries d SET attempts = attempts + 1, due_at = now() + make_interval(secs => $3)
    FROM due WHERE d.alert_id = due.alert_id AND d.target_id = due.target_id
    RETURNING d.alert_id, d.target_id, d.attempts
)
SELECT t.alert_id, t.target_id, t.attempts, a.account_id, a.kind, a.facts, g.display_name, g.url
FROM taken t JOIN alerts a USING (alert_id) JOIN alert_targets g USING (target_id)
ORDER BY a.created_at, t.target_id

-- name: alert_deliveries_settle
-- What became of deliveries, unless somebody else claimed them since.
UPDATE alert_deliveries d SET state = g.state, problem = g.problem,
    due_at = now() + make_interval(secs => g.again_s),
    ended_at = CASE WHEN g.state = 'DUE' THEN NULL ELSE now() END
FROM unnest($1::text[], $2::text[], $3::integer[], $4::text[], $5::double precision[], $6::text[])
    AS g(alert_id, target_id, attempts, state, again_s, problem)
WHERE d.alert_id = g.alert_id AND d.target_id = g.target_id AND d.attempts = g.attempts AND d.state = 'DUE'

-- name: alert_target_create
-- A place where alerts of an account go.
INSERT INTO alert_targets (target_id, account_id, display_name, url) VALUES ($1, $2, $3, $4)
RETURNING target_id, account_id, display_name, url, created_at

-- name: alert_target_get
-- One of them.
SELECT target_id, account_id, display_name, url, created_at FROM alert_targets WHERE target_id = $1

-- name: alert_target_page
-- Those of an account, by name.
SELECT target_id, account_id, display_name, url, created_at FROM alert_targets
WHERE account_id = $1 AND target_id > $2 ORDER BY target_id LIMIT $3

-- name: alert_target_delete
-- With it goes what was still to be told there.
DELETE FROM alert_targets WHERE target_id = $1 RETURNING target_id

-- name: sealed_targets
-- Sealed targets of alerts, by name.
SELECT target_id AS name, url FROM alert_targets WHERE target_id > $1 ORDER BY target_id LIMIT $2

-- name: sealed_targets_replace
-- The same targets under another key, unless they changed or are being written.
WITH free AS (
    SELECT target_id FROM alert_targets WHERE target_id = ANY($1::text[])
    ORDER BY target_id FOR UPDATE SKIP LOCKED
)
UPDATE alert_targets t SET url = c.new
FROM unnest($1::text[], $2::bytea[], $3::bytea[]) AS c(name, old, new) JOIN free ON free.target_id = c.name
WHERE t.target_id = c.name AND t.url = c.old
RETURNING t.target_id AS name

-- name: risk_states_of
-- How accounts stand, with their lines; `ended_ns` tells of a liquidation that is over and was not drawn on yet.
SELECT a.account_id, coalesce(s.state, 'CALM') AS state, coalesce(s.turn, 0) AS turn,
    coalesce(l.warning_percent, 50) AS warning_percent, coalesce(l.rearm_percent, 55) AS rearm_percent,
    coalesce(l.liquidation_percent, 10) AS liquidation_percent,
    CASE WHEN s.state = 'LIQUIDATING' THEN coalesce((
        SELECT (extract(epoch FROM max(r.ended_at)) * 1000000000)::bigint FROM liquidation_requests r
        WHERE r.account_id = a.account_id
        HAVING bool_and(r.ended_at IS NOT NULL)), 0) ELSE 0 END AS ended_ns
FROM accounts a LEFT JOIN risk_states s USING (account_id) LEFT JOIN risk_limits l USING (account_id)
WHERE a.account_id = ANY($1::text[])

-- name: risk_states_write
-- Takes turns: each once, whoever else had the same thought.
INSERT INTO risk_states AS mine (account_id, partition, state, turn, cause)
SELECT * FROM unnest($1::text[], $2::smallint[], $3::text[], $4::bigint[], $5::jsonb[])
    AS given(account_id, partition, state, turn, cause) ORDER BY account_id
ON CONFLICT (account_id) DO UPDATE SET state = excluded.state, turn = excluded.turn, cause = excluded.cause,
    partition = excluded.partition, changed_at = now()
WHERE mine.turn = excluded.turn - 1
RETURNING account_id

-- name: alerts_lay_out
-- Alerts for everyone who wants them, each name once: as paceline_alert does, of many in one go.
WITH fresh AS (
    INSERT INTO alerts (alert_id, account_id, partition, kind, facts)
    SELECT g.alert_id, a.account_id, a.partition, g.kind, g.facts
    FROM unnest($1::text[], $2::text[], $3::text[], $4::jsonb[]) AS g(alert_id, account_id, kind, facts)
    JOIN accounts a USING (account_id)
    ORDER BY g.alert_id
    ON CONFLICT DO NOTHING RETURNING alert_id, account_id, partition
)
INSERT INTO alert_deliveries (alert_id, target_id, partition)
SELECT f.alert_id, t.target_id, f.partition FROM fresh f JOIN alert_targets t USING (account_id)

-- name: trade_open
-- Trades of accounts that are not closed.
SELECT trade_id, account_id, instrument_id, product, side, quantity, entry_order_id, exit_order_id, exited,
    entry_value, exit_value, (extract(epoch FROM opened_at) * 1000000000)::bigint AS opened_ns
FROM trades WHERE account_id = ANY($1::text[]) AND status = 'open'

-- name: trade_save
-- Trades as they stand, in their order: the one that is closed goes before the one that is opened in its place.
INSERT INTO trades AS t (trade_id, account_id, subscription_id, instrument_id, product, side, quantity,
    entry_order_id, entry_price, exit_order_id, exit_price, profit, status, exited, entry_value, exit_value,
    closed_because, opened_at, closed_at)
SELECT g.trade_id, g.account_id, c.subscription_id, g.instrument_id, g.product, g.side, g.quantity,
    g.entry_order_id, g.entry_price, g.exit_order_id, g.exit_price, g.profit,
    CASE WHEN g.closed_ns IS NULL THEN 'open' ELSE 'closed' END, g.exited, g.entry_value, g.exit_value, g.because,
    'epoch'::timestamptz + g.opened_ns / 1000 * interval '1 microsecond',
    'epoch'::timestamptz + g.closed_ns / 1000 * interval '1 microsecond'
FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::smallint[], $6::numeric[], $7::text[],
    $8::numeric[], $9::text[], $10::numeric[], $11::numeric[], $12::numeric[], $13::numeric[], $14::numeric[],
    $15::text[], $16::text[], $17::bigint[], $18::bigint[]) WITH ORDINALITY AS g(trade_id, account_id,
    instrument_id, product, side, quantity, entry_order_id, entry_price, exit_order_id, exit_price, profit, exited,
    entry_value, exit_value, because, tag, opened_ns, closed_ns, n)
LEFT JOIN copy_orders c ON c.tag = g.tag AND c.account_id = g.account_id
ORDER BY g.n
ON CONFLICT (trade_id) DO UPDATE SET quantity = excluded.quantity, entry_price = excluded.entry_price,
    exit_order_id = excluded.exit_order_id, exit_price = excluded.exit_price, profit = excluded.profit,
    status = excluded.status, exited = excluded.exited, entry_value = excluded.entry_value,
    exit_value = excluded.exit_value, closed_because = excluded.closed_because, closed_at = excluded.closed_at

-- name: day_end_pending
-- Those of some accounts that have not had the end of a day.
SELECT a.account_id FROM unnest($1::text[]) AS a(account_id)
WHERE NOT EXISTS (SELECT FROM day_ends d WHERE d.account_id = a.account_id AND d.trading_day = $2)

-- name: day_end_pending_in
-- The same of everyone in some partitions who was there on that day.
SELECT a.account_id FROM accounts a
WHERE a.partition = ANY($1::smallint[]) AND a.state <> 'CLOSED'
  AND a.created_at < ($2::date + 1)::timestamp AT TIME ZONE 'Asia/Kolkata'
  AND NOT EXISTS (SELECT FROM day_ends d WHERE d.account_id = a.account_id AND d.trading_day = $2)
ORDER BY a.account_id

-- name: day_end_held
-- What an account holds by the ledgers of its copies, and by its open trades.
SELECT l.instrument_id, l.product, l.entry_filled + l.exit_filled + l.adjusted AS held
FROM ledgers l JOIN subscriptions s USING (subscription_id)
WHERE s.follower = $1 AND l.entry_filled + l.exit_filled + l.adjusted <> 0
UNION ALL
SELECT instrument_id, product, (quantity - exited) * side FROM trades WHERE account_id = $1 AND status = 'open'

-- name: day_end_behind
-- One of these consumers who has not read all of a partition; the head is locked.
SELECT c.consumer FROM unnest($2::text[]) AS c(consumer)
JOIN partition_heads h ON h.partition = $1
LEFT JOIN consumer_offsets o ON o.consumer = c.consumer AND o.partition = h.partition
WHERE coalesce(o.event_offset, 0) < h.last_offset
ORDER BY c.consumer LIMIT 1

-- name: day_end_ledgers
-- Copies that a follower holds, kept from moving until this transaction ends.
SELECT l.* FROM ledgers l JOIN subscriptions s USING (subscription_id)
WHERE s.follower = $1 AND l.entry_filled + l.exit_filled + l.adjusted <> 0
ORDER BY l.subscription_id, l.instrument_id, l.product FOR UPDATE OF l

-- name: drift_accounts
-- Whoever holds copies in some partitions, should hold some, or has a drift that stands.
SELECT s.follower AS account_id FROM subscriptions s
JOIN ledgers l USING (subscription_id) JOIN accounts a ON a.account_id = s.follower
WHERE a.partition = ANY($1::smallint[])
  AND (l.ideal <> 0 OR l.entry_filled + l.exit_filled + l.adjusted <> 0)
UNION
SELECT account_id FROM drifts WHERE partition = ANY($1::smallint[]) AND ended_at IS NULL
ORDER BY account_id

-- name: drift_lock
-- The ledgers of a follower, kept from moving until this transaction ends.
SELECT FROM ledgers l JOIN subscriptions s USING (subscription_id) WHERE s.follower = $1
ORDER BY l.subscription_id, l.instrument_id, l.product FOR UPDATE OF l

-- name: drift_standings
-- Ledgers of a follower that hold or should hold something, or whose key has a drift that stands; whether
-- something moves in their keys, and what the account holds by its fills.
SELECT l.*, coalesce(s.settings ->> 'attribution', 'COPIES_FIRST') AS attribution,
    coalesce(s.settings ->> 'drift', 'REPORT') AS policy, coalesce(d.heals, 0) AS heals,
    EXISTS (SELECT FROM copy_orders c WHERE c.partition = $2 AND c.account_id = $1
        AND c.instrument_id = l.instrument_id AND c.product = l.product
        AND c.status IN ('PLANNED', 'UNKNOWN', 'WORKING', 'PARTIAL')) AS ordering,
    EXISTS (SELECT FROM copy_commands c WHERE c.partition = $2 AND c.account_id = $1
        AND c.instrument_id = l.instrument_id AND c.product = l.product
        AND c.status IN ('PLANNED', 'UNKNOWN')) AS changing,
    EXISTS (SELECT FROM ledger_entries e WHERE e.subscription_id = l.subscription_id
        AND e.instrument_id = l.instrument_id AND e.product = l.product
        AND e.recorded_at > clock_timestamp() - make_interval(secs => $3)) AS moved,
    coalesce((SELECT sum((t.quantity - t.exited) * t.side) FROM trades t WHERE t.account_id = $1
        AND t.instrument_id = l.instrument_id AND t.product = l.product AND t.status = 'open'), 0) AS journal
FROM subscriptions s JOIN ledgers l USING (subscription_id)
LEFT JOIN drifts d ON d.account_id = $1 AND d.instrument_id = l.instrument_id AND d.product = l.product
    AND d.ended_at IS NULL
WHERE s.follower = $1
  AND (l.ideal <> 0 OR l.entry_filled + l.exit_filled + l.adjusted <> 0 OR d.drift_id IS NOT NULL)
ORDER BY l.subscription_id, l.instrument_id, l.product

-- name: drift_newest
-- The last order of each subscription and key.
SELECT c.* FROM unnest($2::text[], $3::text[], $4::text[]) AS k (subscription_id, instrument_id, product)
CROSS JOIN LATERAL (SELECT * FROM copy_orders o WHERE o.account_id = $1
    AND o.subscription_id = k.subscription_id AND o.instrument_id = k.instrument_id AND o.product = k.product
    ORDER BY o.planned_ns DESC, o.copy_order_id DESC LIMIT 1) c

-- name: drift_seen
-- Drifts of an account that begin or go on; `began` tells which.
INSERT INTO drifts (account_id, partition, instrument_id, product, kind, copied, net, amount, evidence, book_ns,
    heals)
SELECT $1, $2, * FROM unnest($3::text[], $4::text[], $5::text[], $6::numeric[], $7::numeric[], $8::numeric[],
    $9::text[], $10::bigint[], $11::integer[])
ON CONFLICT (account_id, instrument_id, product) WHERE ended_at IS NULL DO UPDATE
SET kind = excluded.kind, copied = excluded.copied, net = excluded.net, amount = excluded.amount,
    evidence = excluded.evidence, book_ns = excluded.book_ns, heals = drifts.heals + excluded.heals,
    seen_at = now()
RETURNING drift_id, instrument_id, product, xmax = 0 AS began

-- name: drift_ended
-- Drifts of an account that stand no more.
UPDATE drifts d SET ended_at = now()
FROM unnest($2::text[], $3::text[]) AS k (instrument_id, product)
WHERE d.account_id = $1 AND d.instrument_id = k.instrument_id AND d.product = k.product AND d.ended_at IS NULL
RETURNING d.drift_id, d.instrument_id, d.product

-- name: drift_count
-- How many drifts stand in some partitions.
SELECT count(*) FROM drifts WHERE partition = ANY($1::smallint[]) AND ended_at IS NULL

-- name: drift_page
-- In the order in which they began; of a subscription those in whose keys it has a ledger.
SELECT d.* FROM drifts d
WHERE d.drift_id > $1 AND ($2::text IS NULL OR d.account_id = $2) AND ($3 OR d.ended_at IS NULL)
  AND ($4::text IS NULL OR EXISTS (SELECT FROM ledgers l JOIN subscriptions s USING (subscription_id)
      WHERE l.subscription_id = $4 AND s.follower = d.account_id AND l.instrument_id = d.instrument_id
      AND l.product = d.product))
ORDER BY d.drift_id LIMIT $5

-- name: drift_look_ask
-- Asks for a look, once by its name, and forgets those of the days before; whether it is the one that stands.
WITH gone AS (
    DELETE FROM drift_looks WHERE asked_at < now() - interval '1 day' AND request_id <> $1
), mine AS (
    INSERT INTO drift_looks (request_id, account_id, partition, policy) VALUES ($1, $2, $3, $4)
    ON CONFLICT (request_id) DO UPDATE SET request_id = excluded.request_id
    RETURNING account_id, policy
)
SELECT account_id = $2 AND policy = $4 FROM mine

-- name: drift_look_outcome
-- What came of a look; empty while nobody looked.
SELECT outcome FROM drift_looks WHERE request_id = $1

-- name: drift_look_open
-- Looks asked for lately in some partitions that nobody answered, in the order in which they were asked for.
SELECT request_id, account_id, policy FROM drift_looks
WHERE partition = ANY($1::smallint[]) AND answered_at IS NULL AND asked_at > now() - interval '5 minutes'
ORDER BY asked_at, request_id

-- name: drift_look_answer
-- What came of a look, once.
UPDATE drift_looks SET outcome = $2, answered_at = now() WHERE request_id = $1 AND answered_at IS NULL

-- name: day_end_done
-- The day has ended for these accounts; the first telling stands.
INSERT INTO day_ends (account_id, trading_day, positions, closed, detail)
SELECT a, $2, $3, $4, $5 FROM unnest($1::text[]) AS a
ON CONFLICT DO NOTHING

-- name: day_end_sweep
-- Failed orders become history: none is deleted.
WITH swept AS (
    UPDATE copy_orders SET swept_at = now()
    WHERE partition = ANY($1::smallint[]) AND status IN ('REJECTED', 'FAILED', 'SKIPPED') AND swept_at IS NULL
      AND planned_ns < $2
    RETURNING account_id
)
SELECT account_id, count(*) AS swept FROM swept GROUP BY account_id ORDER BY account_id

-- name: sealed_accounts
-- Sealed credentials, account by account.
SELECT account_id AS name, sealed FROM account_secrets WHERE account_id > $1 ORDER BY account_id LIMIT $2

-- name: sealed_accounts_replace
-- The same credentials under another key, unless they changed or are being written; keeps nobody waiting.
WITH free AS (
    SELECT account_id FROM account_secrets WHERE account_id = ANY($1::text[])
    ORDER BY account_id FOR UPDATE SKIP LOCKED
)
UPDATE account_secrets s SET sealed = c.new
FROM unnest($1::text[], $2::bytea[], $3::bytea[]) AS c(name, old, new) JOIN free ON free.account_id = c.name
WHERE s.account_id = c.name AND s.sealed = c.old
RETURNING s.account_id AS name

-- name: sealed_apps
-- Sealed secrets, app by app.
SELECT app_id AS name, sealed FROM broker_app_secrets WHERE app_id > $1 ORDER BY app_id LIMIT $2

-- name: sealed_apps_replace
-- The same secrets under another key, unless they changed or are being written.
WITH free AS (
    SELECT app_id FROM broker_app_secrets WHERE app_id = ANY($1::text[])
    ORDER BY app_id FOR UPDATE SKIP LOCKED
)
UPDATE broker_app_secrets s SET sealed = c.new
FROM unnest($1::text[], $2::bytea[], $3::bytea[]) AS c(name, old, new) JOIN free ON free.app_id = c.name
WHERE s.app_id = c.name AND s.sealed = c.old
RETURNING s.app_id AS name

-- name: sealed_sessions
-- Sealed tokens, session by session.
SELECT session_id AS name, sealed_token, sealed_refresh, sealed_blob FROM sessions
WHERE session_id > $1
  AND (sealed_token IS NOT NULL OR sealed_refresh IS NOT NULL OR sealed_blob IS NOT NULL)
ORDER BY session_id LIMIT $2

-- name: sealed_sessions_replace
-- The same tokens under another key, unless they changed or are being written. No news: the version stays.
WITH free AS (
    SELECT session_id FROM sessions WHERE session_id = ANY($1::text[])
    ORDER BY session_id FOR UPDATE SKIP LOCKED
)
UPDATE sessions s SET sealed_token = c.new_token, sealed_refresh = c.new_refresh, sealed_blob = c.new_blob
FROM unnest($1::text[], $2::bytea[], $3::bytea[], $4::bytea[], $5::bytea[], $6::bytea[], $7::bytea[])
    AS c(name, token, refresh, blob, new_token, new_refresh, new_blob)
JOIN free ON free.session_id = c.name
WHERE s.session_id = c.name AND s.sealed_token IS NOT DISTINCT FROM c.token
  AND s.sealed_refresh IS NOT DISTINCT FROM c.refresh AND s.sealed_blob IS NOT DISTINCT FROM c.blob
RETURNING s.session_id AS name

-- name: liquidation_insert
-- Liquidations that are new and of accounts that there are; one of the same name, or of the same scope that still
-- runs, is left as it is.
INSERT INTO liquidations (liquidation_id, account_id, partition, subscription_id, instrument_id, product, level,
    cause, cause_id, reason, equity, currency, margin_level, prices, state)
SELECT g.liquidation_id, g.account_id, a.partition, g.subscription_id, g.instrument_id, g.product, g.level,
    g.cause, g.cause_id, g.reason, g.equity, g.currency, g.margin_level, g.prices, 'STORED'
FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
    $9::text[], $10::numeric[], $11::text[], $12::numeric[], $13::jsonb[])
    WITH ORDINALITY AS g(liquidation_id, account_id, subscription_id, instrument_id, product, level, cause,
    cause_id, reason, equity, currency, margin_level, prices, n)
JOIN accounts a USING (account_id)
ORDER BY n
ON CONFLICT DO NOTHING
RETURNING *

-- name: liquidation_copies_of
-- Whose subscriptions they are.
SELECT subscription_id, follower FROM subscriptions WHERE subscription_id = ANY($1::text[])

-- name: liquidation_accounts
-- Those of some accounts that there are.
SELECT account_id FROM accounts WHERE account_id = ANY($1::text[])

-- name: liquidation_get
-- Liquidations by their names.
SELECT * FROM liquidations WHERE liquidation_id = ANY($1::text[])

-- name: liquidation_lock
-- Liquidations, kept from moving until the transaction ends.
SELECT liquidation_id, finished_at FROM liquidations WHERE liquidation_id = ANY($1::text[])
ORDER BY liquidation_id FOR UPDATE

-- name: liquidation_running
-- Those of some partitions that are not done, oldest first.
SELECT * FROM liquidations WHERE partition = ANY($1::smallint[]) AND finished_at IS NULL
ORDER BY started_at, liquidation_id

-- name: liquidation_page
-- Liquidations, newest first, from the last of the page before.
SELECT * FROM liquidations l
WHERE ($1::text IS NULL OR account_id = $1) AND ($2::text IS NULL OR cause = $2)
  AND ($3::text[] IS NULL OR state = ANY($3)) AND ($4::timestamptz IS NULL OR started_at >= $4)
  AND ($5::timestamptz IS NULL OR started_at < $5)
  AND ($6::text IS NULL OR (started_at, liquidation_id)
      < (SELECT o.started_at, o.liquidation_id FROM liquidations o WHERE o.liquidation_id = $6))
ORDER BY started_at DESC, liquidation_id DESC LIMIT $7

-- name: liquidation_step_insert
-- Steps that were not done before, numbered on; their liquidations are locked.
INSERT INTO liquidation_steps (liquidation_id, number, identity, state, detail, instrument_id, product, order_id,
    remaining)
SELECT s.liquidation_id, l.steps + row_number() OVER (PARTITION BY s.liquidation_id ORDER BY n), s.identity, s.state,
    s.detail, s.instrument_id, s.product, s.order_id, s.remaining
FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::numeric[])
    WITH ORDINALITY AS s(liquidation_id, identity, state, detail, instrument_id, product, order_id, remaining, n)
JOIN liquidations l USING (liquidation_id)
WHERE NOT EXISTS (
    SELECT FROM liquidation_steps o WHERE o.liquidation_id = s.liquidation_id AND o.identity = s.identity)
RETURNING liquidation_id, identity

-- name: liquidation_move
-- What their last steps say of them.
UPDATE liquidations l SET state = g.state, steps = l.steps + g.written, changed_at = clock_timestamp(),
    finished_at = CASE WHEN g.state = 'DONE' THEN clock_timestamp() END
FROM unnest($1::text[], $2::text[], $3::integer[]) AS g(liquidation_id, state, written)
WHERE l.liquidation_id = g.liquidation_id

-- name: liquidation_steps
-- Steps of one, in order.
SELECT * FROM liquidation_steps WHERE liquidation_id = $1 AND number > $2 ORDER BY number LIMIT $3

-- name: liquidation_rows
-- Orders of liquidations by the beginning of their causes, and all of their accounts that have not ended.
-- What an account traded otherwise, and ended, is not looked at.
WITH g AS (SELECT * FROM unnest($1::text[], $2::text[], $3::smallint[]) WITH ORDINALITY
    AS t(account_id, prefix, partition, n))
SELECT g.n, o.* FROM g JOIN copy_orders o ON o.partition = g.partition AND o.account_id = g.account_id
    AND o.status IN ('PLANNED', 'UNKNOWN', 'WORKING', 'PARTIAL')
UNION ALL
SELECT g.n, o.* FROM g JOIN copy_orders o ON o.account_id = g.account_id AND o.cause_kind = 'LIQUIDATION'
    AND starts_with(o.cause_identity, g.prefix) AND o.status NOT IN ('PLANNED', 'UNKNOWN', 'WORKING', 'PARTIAL')
ORDER BY planned_ns, copy_order_id

-- name: liquidation_ledgers
-- The ledgers of some followers.
SELECT s.follower, l.* FROM ledgers l JOIN subscriptions s USING (subscription_id) WHERE s.follower = ANY($1::text[])
ORDER BY l.subscription_id, l.instrument_id, l.product

-- name: liquidation_ledgers_lock
-- The ledgers of some followers, kept from moving until the transaction ends.
SELECT s.follower, l.* FROM ledgers l JOIN subscriptions s USING (subscription_id) WHERE s.follower = ANY($1::text[])
ORDER BY l.subscription_id, l.instrument_id, l.product FOR UPDATE OF l

-- name: freeze_raise
-- Freezes accounts, never at a lower level than they are frozen at; each time is another version.
INSERT INTO freezes AS f (account_id, frozen, level, reason, cause)
SELECT account_id, true, level, reason, cause
FROM unnest($1::text[], $2::text[], $3::text[], $4::text[]) AS g(account_id, level, reason, cause)
ORDER BY account_id
ON CONFLICT (account_id) DO UPDATE SET frozen = true, changed_at = now(), version = f.version + 1,
    level = CASE WHEN f.frozen AND f.level = 'FLATTEN' THEN f.level
        WHEN f.frozen AND f.level = 'CANCEL_WORKING' AND excluded.level = 'STOP_ENTRIES' THEN f.level
        ELSE excluded.level END,
    reason = excluded.reason,
    cause = CASE WHEN f.frozen AND f.level = 'FLATTEN' AND excluded.level <> 'FLATTEN' THEN f.cause
        ELSE excluded.cause END

-- name: freeze_account
-- Who is frozen is seen to be: nothing new is planned for him.
UPDATE accounts SET state = 'FROZEN', version = version + 1, updated_at = now()
WHERE account_id = ANY($1::text[]) AND state = 'ACTIVE'

-- name: freeze_thaw
-- Who is let go on is seen to be.
UPDATE accounts SET state = 'ACTIVE', version = version + 1, updated_at = now()
WHERE account_id = $1 AND state = 'FROZEN'

-- name: freeze_standing
-- Freezes that stand, of accounts of some partitions and of some accounts.
SELECT f.* FROM freezes f JOIN accounts a USING (account_id)
WHERE f.frozen AND (a.partition = ANY($1::smallint[]) OR f.account_id = ANY($2::text[]))

-- name: freeze_acknowledge
-- Versions that whoever sends has in memory.
UPDATE freezes f SET acknowledged_version = g.version, acknowledged_by = $3
FROM unnest($1::text[], $2::bigint[]) AS g(account_id, version)
WHERE f.account_id = g.account_id AND f.acknowledged_version < g.version AND f.version >= g.version

-- name: freeze_needed
-- Liquidations of an account's whole that are not done.
SELECT liquidation_id FROM liquidations
WHERE account_id = $1 AND subscription_id IS NULL AND finished_at IS NULL FOR SHARE

-- name: freeze_release
-- Lets an account go on; each change is another version.
UPDATE freezes SET frozen = false, version = version + 1, changed_at = now() WHERE account_id = $1 AND frozen
RETURNING version, level, cause
