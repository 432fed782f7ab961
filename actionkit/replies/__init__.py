"""What comes in by mail: reports that a mail was not delivered, and officials' answers to letters."""
