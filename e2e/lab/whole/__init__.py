"""A whole cluster on one machine: control plane, kubelets, containers, the operator from its chart.

Slower than `lab.cluster` by minutes, and nearer to what a user has by all that can go wrong between
a program that works and one that is installed: its image, its chart, its rights and its probes.
"""
