DROP TABLE ledger_adjustments;
DROP TABLE corporate_action_marks;
DROP TABLE corporate_actions;
