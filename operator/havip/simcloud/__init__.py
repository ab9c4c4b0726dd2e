"""A simulated cloud: the VPC API's HaVips, served over HTTP to the unmodified official SDK."""
