"""A cluster of nodes on one machine: real Kubernetes API server, real kernel, simulated cloud."""
