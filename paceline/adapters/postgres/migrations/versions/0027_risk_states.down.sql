DROP TRIGGER sessions_login_alert ON sessions;
DROP FUNCTION paceline_login_alert;
DROP FUNCTION paceline_alert;
DROP TABLE alert_deliveries;
DROP TABLE alerts;
DROP TABLE alert_targets;
DROP TABLE liquidation_requests;
DROP TRIGGER risk_limits_notify ON risk_limits;
DROP TABLE risk_states;
