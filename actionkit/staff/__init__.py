"""WHO may act behind the desk: accounts, sign-in, rights per campaign, the audit trail."""
