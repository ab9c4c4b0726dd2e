"""HaVip Operator: highly available virtual IPs on Kubernetes in the cloud."""
