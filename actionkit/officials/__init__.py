"""Officials as staff keep them: one place for each office, its addresses, imports and exports."""
