"""The controller: makes the cloud what the HaVip objects say, and reports what it sees."""
