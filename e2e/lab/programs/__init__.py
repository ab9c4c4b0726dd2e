"""Small programs that the lab runs inside its machines. Standard library only, to start fast."""
