"""HOW staff find and take out what is not genuine: twins, trends, alerts, removals."""
