DROP TABLE trades, leader_order_sizings, leader_states, ledgers, ledger_entries, fills, copy_orders, decisions, plans;
DROP FUNCTION paceline_refuse_change();
