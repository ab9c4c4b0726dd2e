"""What we need of a cloud, and the adapter that gets it from Alibaba Cloud."""
