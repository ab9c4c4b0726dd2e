"""The resource models, the one source of `crds/`; conditions, names and the error tree."""
