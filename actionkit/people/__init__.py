"""Who works here, and what each of them did: the desk's pages of accounts and of the audit trail."""
