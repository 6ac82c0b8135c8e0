DROP TABLE ban_lists;
