DROP TABLE subscriptions, session_accounts, sessions, account_limits, account_group_members,
    account_groups, account_secrets, accounts, broker_app_secrets, broker_apps;
DROP SEQUENCE subscription_changes;
DROP FUNCTION paceline_notify();
